"""One Manifest object and one coordinator: verify, compare, set or propose, and say how it stands.

What counts is what the verified coordinator accepts.  Nothing in it is ever cancelled or removed from here.  What it
has refused is not asked again in each round, and a coordinator that cannot be verified is visited less and less.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from coordinator.client.client import CoordinatorClient, PendingAnswer
from coordinator.client.errors import ClientError, NotAuthorised, RequestRefused
from coordinator.client.verify import VerifiedDeployment
from coordinator.controller.approvals import Heard, Refusals, Signed, give, in_force, of_document, waits
from coordinator.controller.objects import ApprovalObject, ManifestObject
from coordinator.controller.patience import Patience
from coordinator.controller.standing import ApprovalStanding, Condition, Phase, Standing
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse

Visit = Callable[[str], tuple[VerifiedDeployment, CoordinatorClient]]
"""Verify the coordinator at an endpoint.  Raises ClientError."""

_BUSY_CODES: Final = frozenset({"U524", "U525"})
"""Another document is pending: this one may have its turn."""
_NAME: Final = "spec.document"


@dataclass(frozen=True, slots=True)
class Outcome:
    """standing: of the Manifest.  approvals: of its Approvals, by name; who is not in it stays as it is.

    coordinator: a client of the one that was verified, if one was and has a manifest.
    """

    standing: Standing
    approvals: Mapping[str, ApprovalStanding] = field(default_factory=dict)
    coordinator: CoordinatorClient | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a round asks of a coordinator.  Where it is the same as before, the answer will be."""

    endpoint: str
    document: bytes
    signatures: frozenset[bytes]
    active: bytes | None = None


def second_of_namespace(wish: ManifestObject, first: str) -> Standing:
    """A namespace has one Manifest: this one came after `first`."""
    sentence = f"expected one Manifest in the namespace, got another one that came first: '{first}'"
    return Standing(Phase.REFUSED, _fingerprint(wish), (Condition("Active", False, "K661", sentence),))


class Reconciler:
    """visit: verifies a coordinator.  compatible: read documents as laxly as MarbleRun.  monotonic: seconds."""

    def __init__(self, visit: Visit, patience: Patience, *, compatible: bool, monotonic: Callable[[], float]) -> None:
        self._visit, self._patience = visit, patience
        self._compatible, self._monotonic = compatible, monotonic
        self._refused: tuple[_Asked, Outcome] | None = None
        self._refusals = Refusals(patience, monotonic)

    def reconcile(self, wish: ManifestObject, approvals: Sequence[ApprovalObject]) -> Outcome | None:
        """Bring one object to its coordinator as far as it goes; None if it is too early to try again."""
        digest = hashlib.sha256(wish.document).digest()
        heard = Heard()
        signed = of_document(approvals, wish, digest, heard)
        try:
            parse(wish.document, name=_NAME, compatible=self._compatible)
        except ManifestInvalid as cause:
            waits(signed, heard, f"the document of the Manifest '{wish.name}' is not valid")
            invalid = Condition("DocumentValid", False, "E000", str(cause))
            return Outcome(Standing(Phase.REFUSED, _fingerprint(wish), (invalid,)), heard.standings)
        asked = _Asked(wish.endpoint, digest, frozenset(each.signature.signature for each in signed))
        visited = "visit", asked
        if not self._patience.due(visited, self._monotonic()):
            return None
        valid = Condition("DocumentValid", True, "Valid", "the document is a manifest")
        try:
            deployment, client = self._visit(wish.endpoint)
        except ClientError as cause:
            self._patience.failed(visited, self._monotonic())
            waits(signed, heard, "the coordinator is not verified")
            unverified = Condition("CoordinatorVerified", False, cause.code, f"{wish.endpoint}: {cause}")
            return Outcome(Standing(Phase.PENDING, _fingerprint(wish), (valid, unverified)), heard.standings)
        self._patience.worked(visited)
        conditions = (valid, _verified(deployment))
        bringing = _Bringing(wish, digest, signed, deployment, client, heard, self._refusals, conditions)
        return self._patiently(bringing, replace(asked, active=bringing.active))

    def _patiently(self, bringing: "_Bringing", asked: _Asked) -> Outcome:
        """Ask the coordinator, unless it has refused the very same."""
        if self._refused is not None and self._refused[0] == asked and not self._patience.due(asked, self._monotonic()):
            return replace(self._refused[1], coordinator=bringing.shown)
        try:
            outcome = bringing.bring()
        except ClientError as cause:
            understood = isinstance(cause, (RequestRefused, NotAuthorised))
            hopeless = understood and cause.code not in _BUSY_CODES
            remember = self._patience.refused if hopeless else self._patience.failed
            remember(asked, self._monotonic())
            outcome = bringing.failed(Phase.REFUSED if hopeless else Phase.PENDING, cause)
            self._refused = asked, outcome
            return outcome
        self._patience.worked(asked)
        return outcome


@dataclass(frozen=True, slots=True)
class _Bringing:
    """One round's talk with one verified coordinator.  conditions: met so far."""

    wish: ManifestObject
    digest: bytes
    signed: tuple[Signed, ...]
    deployment: VerifiedDeployment
    client: CoordinatorClient
    heard: Heard
    refusals: Refusals
    conditions: tuple[Condition, ...]

    @property
    def active(self) -> bytes | None:
        """SHA-256 of the manifest in force."""
        return None if self.deployment.manifest is None else self.deployment.manifest.digest

    @property
    def shown(self) -> CoordinatorClient | None:
        """The coordinator, if it can have marbles."""
        return None if self.deployment.manifest is None else self.client

    def bring(self) -> Outcome:
        """As far as it goes.  Raises ClientError."""
        if self.deployment.manifest is None:
            self.client.manifest_set(self.wish.document)
            waits(self.signed, self.heard, "a first manifest needs no approvals")
            return self._stands_active("the coordinator took it as its first manifest")
        if self.deployment.manifest.digest == self.digest:
            in_force(self.signed, self.client, self.heard)
            return self._stands_active("it is the coordinator's manifest")
        pending = self._pending()
        active = self.deployment.manifest
        give(self.signed, self.wish.document, self.client, active, pending, self.heard, self.refusals)
        answer = self.heard.answer
        if answer is not None and answer.missing == 0 and not answer.applies_at:
            return self._stands_active("approved, and in force")
        return self._waiting(pending if answer is None else self._pending())

    def failed(self, phase: Phase, cause: ClientError) -> Outcome:
        """It could not be brought there."""
        waits([each for each in self.signed if each.approval.name not in self.heard.standings], self.heard, str(cause))
        return self._outcome(phase, Condition("Active", False, cause.code, str(cause)))

    def _pending(self) -> PendingAnswer | None:
        """The document's own proposal, if there is one.  Raises ClientError."""
        pending = self.client.update_pending()
        return pending if pending is not None and pending.digest == self.digest else None

    def _stands_active(self, said: str) -> Outcome:
        return self._outcome(Phase.ACTIVE, Condition("Active", True, "Active", said))

    def _waiting(self, pending: PendingAnswer | None) -> Outcome:
        """How the update stands, in the coordinator's own words where it is proposed."""
        standing = pending.standing if pending is not None else {}
        approved = tuple(str(each.get("user")) for each in standing.get("approvals") or [] if isinstance(each, dict))
        missing = tuple(map(str, standing.get("missingUsers") or ()))
        count = standing.get("missingAcknowledgments")
        if not standing:
            said = "nobody has approved it yet: it is proposed with the first Approval object that counts"
        elif applies_at := standing.get("appliesAt"):
            said = f"approved, and in force at {applies_at}"
        else:
            said = f"{count} more of {', '.join(missing)} must approve"
        outcome = self._outcome(Phase.PENDING, Condition("Active", False, "K663", said))
        stands = replace(
            outcome.standing,
            approved_by=approved,
            missing=missing,
            missing_approvals=count if isinstance(count, int) else 0,
        )
        return replace(outcome, standing=stands)

    def _outcome(self, phase: Phase, last: Condition) -> Outcome:
        conditions = self.conditions
        if wrong := self.heard.refused:
            conditions = (*conditions, Condition("ApprovalsValid", False, "K662", "; ".join(wrong)))
        elif self.signed:
            conditions = (
                *conditions,
                Condition("ApprovalsValid", True, "Valid", "each Approval of it is one that counts"),
            )
        standing = Standing(phase, _fingerprint(self.wish), (*conditions, last), simulated=self.deployment.simulated)
        return Outcome(standing, self.heard.standings, self.shown)


def _verified(deployment: VerifiedDeployment) -> Condition:
    words = f"{deployment.verdict.platform} evidence, {deployment.verdict.outcome}"
    if deployment.simulated:
        words = f"SIMULATED, proves nothing: {words}"
    return Condition("CoordinatorVerified", True, "Verified", words)


def _fingerprint(wish: ManifestObject) -> str:
    return hashlib.sha256(wish.document).hexdigest()
