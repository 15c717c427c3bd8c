"""Approval objects: which are for a document, what became of each, and giving them to the coordinator one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.client.client import COMPATIBLE, ActiveManifest, CoordinatorClient, PendingAnswer, UpdateAnswer
from coordinator.client.errors import NotAuthorised, RequestRefused
from coordinator.controller.objects import ApprovalObject, ManifestObject
from coordinator.controller.patience import MOST, Patience
from coordinator.controller.standing import ApprovalStanding, Word
from coordinator.manifest.approvers import updaters
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from coordinator.manifest.signature import DetachedSignature, SignatureFormatError, Subject, parse_signature
from coordinator.wire.history import HistoryFormatError, parse_entry

_SIGNATURE_CODES: Final = frozenset({"U520", "U521", "U528"})
"""A refusal that is about who approves, and not about the document."""
_SETTLED: Final = (Word.ACCEPTED.value, Word.NOT_NEEDED.value)


@dataclass(frozen=True, slots=True)
class Signed:
    """An Approval of exactly the document."""

    approval: ApprovalObject
    signature: DetachedSignature

    def stands(self, word: Word, reason: str, message: str, user: str) -> ApprovalStanding:
        """What became of it."""
        return ApprovalStanding(word, reason, message, self.signature.document.hex(), user)


@dataclass(slots=True)
class Heard:
    """What is known of a document's approvals.  standings: by name; who is not in it stays as it is.

    answer: the coordinator's to the last one that it took; None if it was given none.
    """

    standings: dict[str, ApprovalStanding] = field(default_factory=dict)
    answer: UpdateAnswer | None = None

    @property
    def refused(self) -> list[str]:
        """A sentence for each that does not count."""
        return [
            f"Approval '{name}': {each.reason} {each.message}"
            for name, each in self.standings.items()
            if each.word is Word.REFUSED
        ]


class Refusals:
    """Signatures that a coordinator with a certain manifest in force has refused: they are not given in each round."""

    def __init__(self, patience: Patience, monotonic: Callable[[], float]) -> None:
        self._patience, self._monotonic = patience, monotonic
        self._known: dict[tuple[bytes, bytes], ApprovalStanding] = {}

    def of(self, signed: Signed, active: ActiveManifest) -> ApprovalStanding | None:
        """What the coordinator said, if it is too early to ask again."""
        subject = signed.signature.signature, active.digest
        return None if self._patience.due(subject, self._monotonic()) else self._known.get(subject)

    def note(self, signed: Signed, active: ActiveManifest, standing: ApprovalStanding) -> None:
        """It was refused just now."""
        subject = signed.signature.signature, active.digest
        if len(self._known) == MOST:
            self._known.clear()
        self._known[subject] = standing
        self._patience.refused(subject, self._monotonic())


def of_document(
    approvals: Sequence[ApprovalObject], wish: ManifestObject, digest: bytes, heard: Heard
) -> tuple[Signed, ...]:
    """Those that are signatures of the document; what the others are is put in `heard`."""
    signed = []
    for each in approvals:
        if each.manifest != wish.name:
            continue
        try:
            signature = parse_signature(each.signature.encode("utf-8", "replace"), Subject.MANIFEST)
        except SignatureFormatError as cause:
            heard.standings[each.name] = ApprovalStanding(Word.REFUSED, "K670", str(cause))
            continue
        got = signature.document.hex()
        if signature.document == digest:
            signed.append(Signed(each, signature))
        elif not _settled(each, got):
            message = f"it is for another document: expected {digest.hex()}, got {got}"
            heard.standings[each.name] = ApprovalStanding(Word.REFUSED, "K671", message, got)
    return tuple(signed)


def waits(signed: Sequence[Signed], heard: Heard, why: str) -> None:
    """Nothing can be said of these yet.  why: a sentence."""
    for each in signed:
        if not _settled(each.approval, each.signature.document.hex()):
            heard.standings[each.approval.name] = each.stands(Word.WAITING, "K673", why, "")


def orphan(approval: ApprovalObject, first: str | None) -> ApprovalStanding:
    """How one stands that is for no Manifest object that counts.  first: the one that does."""
    counts = f"'{first}' counts" if first is not None else "got none"
    message = f"expected a Manifest '{approval.manifest}' that counts in the namespace, {counts}"
    return ApprovalStanding(Word.WAITING, "K672", message)


def give(
    signed: Sequence[Signed],
    document: bytes,
    client: CoordinatorClient,
    active: ActiveManifest,
    pending: PendingAnswer | None,
    heard: Heard,
    refusals: Refusals,
) -> None:
    """Give the signatures that the coordinator does not have, so that a wrong one is named and the others count.

    pending: the document's own proposal, if there is one.  Raises ClientError for what is not about one signature.
    """
    users = _users(active) if signed else {}
    approved = _approved(pending)
    proposed = pending is not None
    for each in signed:
        user = users.get(each.signature.key, "")
        if not user or user not in approved:
            if heard.answer is not None and heard.answer.missing == 0:
                _not_needed(each, user, heard)
                continue
            if (refused := refusals.of(each, active)) is not None:
                heard.standings[each.approval.name] = refused
                continue
            send = client.update_acknowledge if proposed else client.update_apply
            try:
                heard.answer = send(document, [each.signature.as_json()])
            except (RequestRefused, NotAuthorised) as cause:
                if cause.code not in _SIGNATURE_CODES:
                    raise
                refused = each.stands(Word.REFUSED, cause.code, str(cause), user)
                heard.standings[each.approval.name] = refused
                refusals.note(each, active, refused)
                continue
        proposed = True
        _accepted(each, user, heard)


def in_force(signed: Sequence[Signed], client: CoordinatorClient, heard: Heard) -> None:
    """The document is the coordinator's: who of these brought it there.  Raises ClientError."""
    unsettled = [each for each in signed if not _settled(each.approval, each.signature.document.hex())]
    if not unsettled:
        return
    try:
        counted = {by.key: by.user for by in parse_entry(client.history()[-1][0]).approvals}
    except (HistoryFormatError, IndexError):
        counted = {}
    for each in unsettled:
        if each.signature.key in counted:
            _accepted(each, counted[each.signature.key], heard)
        else:
            _not_needed(each, "", heard)


def _accepted(signed: Signed, user: str, heard: Heard) -> None:
    message = f"the coordinator has counted it as the approval of '{user}'"
    heard.standings[signed.approval.name] = signed.stands(Word.ACCEPTED, Word.ACCEPTED.value, message, user)


def _not_needed(signed: Signed, user: str, heard: Heard) -> None:
    message = "the manifest has its approvals without it"
    heard.standings[signed.approval.name] = signed.stands(Word.NOT_NEEDED, "K674", message, user)


def _settled(approval: ApprovalObject, fingerprint: str) -> bool:
    """Whether its status says already what became of it, and need not be looked at again."""
    status = approval.wish.status
    return (
        status.get("phase") in _SETTLED
        and status.get("fingerprint") == fingerprint
        and status.get("observedGeneration") == approval.wish.generation
    )


def _approved(pending: PendingAnswer | None) -> frozenset[str]:
    given = pending.standing.get("approvals") if pending is not None else None
    return frozenset(str(each.get("user")) for each in given or () if isinstance(each, dict))


def _users(active: ActiveManifest) -> Mapping[bytes, str]:
    """Users of the manifest in force, by the digest of their key; of two with one key the one whose word it is.

    Nobody where the manifest is of a newer language.
    """
    try:
        manifest = parse(active.raw, name="manifest in force", compatible=active.mode == COMPATIBLE).manifest
    except ManifestInvalid:
        return {}
    users = manifest.users.values()
    return {user.key_digest: user.name for user in reversed((*updaters(users), *users)) if user.key_digest}
