"""One Manifest object and one coordinator: verify, compare, set or propose, and say how it stands.

What counts is what the verified coordinator accepts.  Nothing in it is ever cancelled or removed from here.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from coordinator.client.client import CoordinatorClient, UpdateAnswer
from coordinator.client.errors import ClientError, NotAuthorised, RequestRefused
from coordinator.client.verify import VerifiedDeployment
from coordinator.controller.objects import ApprovalObject, ManifestObject
from coordinator.controller.standing import Condition, Phase, Standing
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from coordinator.manifest.signature import DetachedSignature, SignatureFormatError, Subject, parse_signature

Visit = Callable[[str], tuple[VerifiedDeployment, CoordinatorClient]]
"""Verify the coordinator at an endpoint.  Raises ClientError."""

_SIGNATURE_CODES: Final = frozenset({"U520", "U521", "U528"})
"""A refusal that is about who approves, and not about the document."""
_BUSY_CODES: Final = frozenset({"U524", "U525"})
"""Another document is pending: this one may have its turn."""
_NAME: Final = "spec.document"


@dataclass(frozen=True, slots=True)
class _Given:
    """signatures: by the name of their object.  wrong: a sentence for each that does not count."""

    signatures: tuple[tuple[str, DetachedSignature], ...]
    wrong: tuple[str, ...]


def second_of_namespace(wish: ManifestObject, first: str) -> Standing:
    """A namespace has one Manifest: this one came after `first`."""
    sentence = f"expected one Manifest in the namespace, got another one that came first: '{first}'"
    return Standing(Phase.REFUSED, _fingerprint(wish), (Condition("Active", False, "K661", sentence),))


def reconcile(wish: ManifestObject, approvals: Sequence[ApprovalObject], visit: Visit, *, compatible: bool) -> Standing:
    """Bring one object to its coordinator as far as it goes.  compatible: read documents as laxly as MarbleRun."""
    try:
        parse(wish.document, name=_NAME, compatible=compatible)
    except ManifestInvalid as cause:
        return Standing(Phase.REFUSED, _fingerprint(wish), (Condition("DocumentValid", False, "E000", str(cause)),))
    conditions: tuple[Condition, ...] = (Condition("DocumentValid", True, "Valid", "the document is a manifest"),)
    try:
        deployment, client = visit(wish.endpoint)
    except ClientError as cause:
        unverified = Condition("CoordinatorVerified", False, cause.code, f"{wish.endpoint}: {cause}")
        return Standing(Phase.PENDING, _fingerprint(wish), (*conditions, unverified))
    conditions = (*conditions, _verified(deployment))
    try:
        return _bring(wish, approvals, deployment, client, conditions)
    except RequestRefused as cause:
        phase = Phase.PENDING if cause.code in _BUSY_CODES else Phase.REFUSED
        refused = Condition("Active", False, cause.code, str(cause))
    except ClientError as cause:
        phase, refused = Phase.PENDING, Condition("Active", False, cause.code, str(cause))
    return Standing(phase, _fingerprint(wish), (*conditions, refused), simulated=deployment.simulated)


def _bring(
    wish: ManifestObject,
    approvals: Sequence[ApprovalObject],
    deployment: VerifiedDeployment,
    client: CoordinatorClient,
    conditions: tuple[Condition, ...],
) -> Standing:
    """Raises ClientError."""
    digest = hashlib.sha256(wish.document).digest()
    if deployment.manifest is None:
        client.manifest_set(wish.document)
        return _active(wish, deployment, conditions, "the coordinator took it as its first manifest")
    if deployment.manifest.digest == digest:
        return _active(wish, deployment, conditions, "it is the coordinator's manifest")
    given = _read(approvals, wish, digest)
    answer, refused = _approve(wish, given, client, digest)
    if wrong := (*given.wrong, *refused):
        conditions = (*conditions, Condition("ApprovalsValid", False, "K662", "; ".join(wrong)))
    elif given.signatures:
        conditions = (*conditions, Condition("ApprovalsValid", True, "Valid", f"{len(given.signatures)} count"))
    if answer is not None and answer.missing == 0 and not answer.applies_at:
        return _active(wish, deployment, conditions, "approved, and in force")
    return _waiting(wish, deployment, client, conditions, answer)


def _approve(
    wish: ManifestObject, given: _Given, client: CoordinatorClient, digest: bytes
) -> tuple[UpdateAnswer | None, list[str]]:
    """Give the signatures one by one, so that a wrong one is named and the others count.

    Who has approved before may do so again: a round after a restart says what the one before said.
    """
    pending = client.update_pending()
    proposed = pending is not None and pending.digest == digest
    answer, refused = None, []
    for name, signature in given.signatures:
        send = client.update_acknowledge if proposed else client.update_apply
        try:
            answer = send(wish.document, [signature.as_json()])
        except (RequestRefused, NotAuthorised) as cause:
            if cause.code not in _SIGNATURE_CODES:
                raise
            refused.append(f"Approval '{name}': {cause.code} {cause}")
            continue
        proposed = True
        if answer.missing == 0:
            break
    return answer, refused


def _waiting(
    wish: ManifestObject,
    deployment: VerifiedDeployment,
    client: CoordinatorClient,
    conditions: tuple[Condition, ...],
    answer: UpdateAnswer | None,
) -> Standing:
    """How the update stands, in the coordinator's own words where it is proposed."""
    digest = hashlib.sha256(wish.document).digest()
    pending = client.update_pending()
    standing = pending.standing if pending is not None and pending.digest == digest else {}
    approved = tuple(str(each.get("user")) for each in standing.get("approvals") or [] if isinstance(each, dict))
    missing = tuple(map(str, standing.get("missingUsers") or ()))
    count = standing.get("missingAcknowledgments")
    if not standing:
        said = "nobody has approved it yet: it is proposed with the first Approval object that counts"
    elif answer is not None and answer.applies_at:
        said = f"approved, and in force at {answer.applies_at}"
    else:
        said = f"{count} more of {', '.join(missing)} must approve"
    return Standing(
        Phase.PENDING,
        _fingerprint(wish),
        (*conditions, Condition("Active", False, "K663", said)),
        approved,
        missing,
        count if isinstance(count, int) else 0,
        deployment.simulated,
    )


def _read(approvals: Sequence[ApprovalObject], wish: ManifestObject, digest: bytes) -> _Given:
    signatures, wrong = [], []
    for each in approvals:
        if each.manifest != wish.name:
            continue
        try:
            signature = parse_signature(each.signature.encode("utf-8", "replace"), Subject.MANIFEST)
        except SignatureFormatError as cause:
            wrong.append(f"Approval '{each.name}': {cause}")
            continue
        if signature.document == digest:
            signatures.append((each.name, signature))
        else:
            expected, got = digest.hex(), signature.document.hex()
            wrong.append(f"Approval '{each.name}' is for another document: expected {expected}, got {got}")
    return _Given(tuple(signatures), tuple(wrong))


def _active(
    wish: ManifestObject, deployment: VerifiedDeployment, conditions: tuple[Condition, ...], said: str
) -> Standing:
    active = Condition("Active", True, "Active", said)
    return Standing(Phase.ACTIVE, _fingerprint(wish), (*conditions, active), simulated=deployment.simulated)


def _verified(deployment: VerifiedDeployment) -> Condition:
    words = f"{deployment.verdict.platform} evidence, {deployment.verdict.outcome}"
    if deployment.simulated:
        words = f"SIMULATED, proves nothing: {words}"
    return Condition("CoordinatorVerified", True, "Verified", words)


def _fingerprint(wish: ManifestObject) -> str:
    return hashlib.sha256(wish.document).hexdigest()
