"""Owners' word that a state may be served although it may not be the newest: enough of them, each for that very state.

An owner signs the state, the sentence that says what speaks against it, and what the coordinator that waits drew at its
start: so nobody shows the same word again when the same state is put back once more.  X25519 signs nothing, so there
the share proves itself: HMAC-SHA256 with the verifier that the journal keeps for rehearsals.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from coordinator.recovery.errors import ApprovedAlready, NoOwner, OtherState
from coordinator.recovery.owner_key import check_proof, decode_owner_key
from coordinator.recovery.plan import Plan
from coordinator.recovery.statement import WaitingState, describe


@dataclass(frozen=True, slots=True)
class Approvals:
    """verifiers: of the owners' shares, for rehearsals.  why: what speaks against the state.  nonce: of this process.

    given: signatures by owner.
    """

    plan: Plan
    verifiers: Mapping[str, bytes] = field(repr=False)
    state: WaitingState
    why: str
    nonce: bytes
    given: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """How many more owners are needed: as many approve a state as recover it."""
        return self.plan.needed - len(self.given)

    def accept(self, name: str, state: WaitingState, signature: bytes) -> "Approvals":
        """With one owner's more.  state: the one that was signed for.

        Raises NoOwner, ApprovedAlready, OtherState, ProofWrong.
        """
        owner = next((owner for owner in self.plan.owners if owner.name == name), None)
        if owner is None:
            raise NoOwner("nobody of this name owns a share of the state that waits here")
        if name in self.given:
            raise ApprovedAlready(f"'{name}' has approved it already")
        if state != self.state:
            raise OtherState(f"expected {describe(self.state)}, got a signature for {describe(state)}")
        message = approval_statement(self.state, self.why, self.nonce)
        check_proof(decode_owner_key(owner.key), message, self.verifiers[name], signature)
        return replace(self, given={**self.given, name: signature})


def approval_statement(state: WaitingState, why: str, nonce: bytes) -> bytes:
    """What an owner signs: "this state may be served by who asks with this nonce, although of it is said `why`"."""
    digests = hashlib.sha256(why.encode()).digest() + hashlib.sha256(nonce).digest()
    return _LABEL + state.journal + state.sequence.to_bytes(8, "big") + state.link + digests


_LABEL: Final = b"enclasp older state statement v2\0"
