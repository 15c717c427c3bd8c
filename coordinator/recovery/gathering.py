"""Shares come in, one by one; each is judged by itself, in bounded work.

A share is known by its hash, so a wrong one costs one hash and changes nothing.  Only the owner of a share may give it:
the signature is checked at once, over the share (contract 1.12) or over the share and the very state that waits here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from coordinator.recovery.errors import OtherState, ShareGiven, ShareUnknown
from coordinator.recovery.owner_key import check_proof, decode_owner_key
from coordinator.recovery.plan import Plan
from coordinator.recovery.scheme import combine
from coordinator.recovery.statement import WaitingState, describe, statement


@dataclass(frozen=True, slots=True)
class Submission:
    """What an owner gives.  state: the one that the signature covers besides the share; None: the share alone."""

    share: bytes = field(repr=False)
    signature: bytes
    state: WaitingState | None


@dataclass(frozen=True, slots=True)
class Gathering:
    """given: accepted shares, by owner."""

    plan: Plan
    state: WaitingState
    given: Mapping[str, Submission] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """How many more owners are needed."""
        return self.plan.needed - len(self.given)

    def accept(self, submission: Submission) -> "Gathering":
        """With one share more.  Raises ShareUnknown, ShareGiven, OtherState, ProofWrong."""
        owner = self.plan.owner_of(submission.share)
        if owner is None:
            raise ShareUnknown("this is no share of the state that waits here")
        if owner.name in self.given:
            raise ShareGiven(f"the share of '{owner.name}' was given already")
        if submission.state is not None and submission.state != self.state:
            raise OtherState(f"expected {describe(self.state)}, got a signature for {describe(submission.state)}")
        message = submission.share if submission.state is None else statement(self.state, submission.share)
        check_proof(decode_owner_key(owner.key), message, submission.share, submission.signature)
        return replace(self, given={**self.given, owner.name: submission})

    def secret(self) -> bytes:
        """What the shares make together; with `remaining` 0 only."""
        return combine([submission.share for submission in self.given.values()], len(self.plan.owners))
