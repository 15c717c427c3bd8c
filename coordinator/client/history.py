"""From a manifest that somebody verified before to the one in force now, without trusting the operator.

The coordinator hands out every step of its deployment.  The root certificate, which its evidence vouches for, names
one link over all of them, so none can be left out, put in or changed.  Each update must have the approvals that the
manifest before it demands; detached signatures are verified here again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509

from attestation.checks import Check, Status, failed, not_checked, passed
from coordinator.client.errors import Distrusted
from coordinator.manifest.approvers import key_of, needed, people, people_words, updaters
from coordinator.manifest.change import Change
from coordinator.manifest.diff import diff
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse
from coordinator.manifest.signature import DetachedSignature, SignatureWrong, Subject
from coordinator.manifest.update_plan import weakenings
from coordinator.wire.history import RAISED, UPDATED, ApprovalEntry, HistoryEntry, HistoryFormatError, parse_entry
from pki.manifest_history import GENESIS, history_of, next_link


@dataclass(frozen=True, slots=True)
class Step:
    """One step.  document: the bytes that its entry names, or empty where the coordinator does not keep them."""

    entry: HistoryEntry
    document: bytes


@dataclass(frozen=True, slots=True)
class Followed:
    """A step that was followed, and what it weakened or widened; None where a document is not kept, so nobody knows."""

    step: Step
    weakenings: tuple[Change, ...] | None


class HistoryRefused(Distrusted):
    """The history is not the one of the root certificate, or its steps do not follow from each other.

    checks: all of them; at least one has failed.
    """

    def __init__(self, code: str, message: str, checks: tuple[Check, ...]) -> None:
        self.checks = checks
        super().__init__(code, message)


def prove(root: x509.Certificate, pairs: Sequence[tuple[str, bytes]]) -> tuple[Step, ...]:
    """The steps that a verified root certificate names, oldest first.  Raises HistoryRefused."""
    mark = history_of(root)
    link = GENESIS
    for text, _ in pairs:
        link = next_link(link, text.encode())
    expected = f"{mark.entries} entries, link {mark.link.hex()}" if mark is not None else "a root with a history"
    found = f"{len(pairs)} entries, link {link.hex()}"
    if mark is None or (mark.entries, mark.link) != (len(pairs), link):
        raise _refused("U531", failed("history.link", expected, found, _SOURCE, code="U531"))
    try:
        entries = [parse_entry(text) for text, _ in pairs]
    except HistoryFormatError as cause:
        raise _refused("U531", failed("history.entries", "entries", str(cause), _SOURCE, code="U531")) from cause
    for entry, (_, document) in zip(entries, pairs, strict=True):
        digest = hashlib.sha256(document).digest()
        if document and digest != entry.digest:
            check = failed(f"history.{entry.number}", entry.digest.hex(), digest.hex(), _SOURCE, code="U531")
            raise _refused("U531", check)
    return tuple(Step(entry, document) for entry, (_, document) in zip(entries, pairs, strict=True))


def follow(
    steps: Sequence[Step], known: bytes, document: bytes = b""
) -> tuple[tuple[Followed, ...], tuple[Check, ...]]:
    """The steps that came after the manifest with the digest `known` was last put in force, and a check for each.

    document: the known manifest's bytes, where the visitor has them; the coordinator may not keep them any more.
    Raises HistoryRefused if it never was, or if a step lacks the approvals that the manifest before it demands.
    """
    starts = [n for n, step in enumerate(steps) if step.entry.kind != RAISED and step.entry.manifest == known]
    if not starts:
        found = ", ".join(step.entry.manifest.hex()[:16] + "…" for step in steps) or "none"
        raise _refused("U532", failed("history.known", known.hex(), found, _SOURCE, code="U532"))
    checks = [passed("history.known", known.hex(), f"step {steps[starts[-1]].entry.number}", _SOURCE)]
    later: list[Followed] = []
    before = _manifest(steps[starts[-1]].document or document)
    for step in steps[starts[-1] + 1 :]:
        checks.append(_step_check(before, step))
        lost: tuple[Change, ...] | None = ()
        if step.entry.kind == UPDATED:
            after = _manifest(step.document)
            lost, before = _weakenings(before, after), after
        later.append(Followed(step, lost))
    failures = tuple(check for check in checks if check.status is Status.FAILED)
    if failures:
        raise HistoryRefused("U533", failures[0].sentence, tuple(checks))
    return tuple(later), tuple(checks)


def raised_versions(steps: Sequence[Step]) -> dict[str, int]:
    """Security versions that package updates have raised, and that no manifest since has let fall."""
    raised: dict[str, int] = {}
    for step in steps:
        if step.entry.kind == RAISED:
            raised |= step.entry.versions
        elif step.entry.kind == UPDATED and (manifest := _manifest(step.document)) is not None:
            raised = {name: version for name, version in raised.items() if name not in manifest.update.lowers}
    return raised


def _weakenings(before: Manifest | None, after: Manifest | None) -> tuple[Change, ...] | None:
    return None if before is None or after is None else weakenings(diff(before, after))


def _step_check(manifest: Manifest | None, step: Step) -> Check:
    """Whether the people whom the manifest before names approved this step.  manifest: that one, if it is known."""
    name, entry = f"history.{step.entry.number}", step.entry
    if entry.kind == RAISED:
        who = ", ".join(approval.user for approval in entry.approvals)
        versions = ", ".join(f"{package} {version}" for package, version in entry.versions.items())
        return passed(name, "security versions rise", f"{versions}, by {who}", _SOURCE)
    if manifest is None:
        return not_checked(name, "approvals", "the document before it is not kept", _SOURCE, code="U533")
    able = updaters(manifest.users.values())
    wanted = f"{needed(manifest)} of {people_words(able) or 'nobody'}"
    wrong = [reason for approval in entry.approvals if (reason := _wrong(manifest, entry, approval))]
    names = {approval.user for approval in entry.approvals}
    heard = people(user for user in able if user.name in names)
    if wrong or len(heard) < needed(manifest) or not heard:
        return failed(name, wanted, "; ".join(wrong) or ", ".join(sorted(names)) or "nobody", _SOURCE, code="U533")
    said = (f"{a.user} ({'signature' if a.signature else 'connection'})" for a in entry.approvals)
    return passed(name, wanted, ", ".join(said), _SOURCE)


def _wrong(manifest: Manifest, entry: HistoryEntry, approval: ApprovalEntry) -> str:
    """Why an approval does not count; empty if it does."""
    user = next((user for user in updaters(manifest.users.values()) if user.name == approval.user), None)
    if user is None:
        return f"'{approval.user}' may not update the manifest"
    if not approval.signature:
        return ""
    key = key_of(user)
    if key is None or user.key_digest != approval.key:
        return f"the signature for '{approval.user}' is by another key"
    try:
        DetachedSignature(Subject.MANIFEST, entry.digest, approval.key, approval.signature).verify(key)
    except SignatureWrong as cause:
        return f"the signature for '{approval.user}': {cause}"
    return ""


def _manifest(raw: bytes) -> Manifest | None:
    """As the coordinator read it, which may have been in MarbleRun's way."""
    if not raw:
        return None
    for compatible in (False, True):
        try:
            return parse(raw, name="manifest", compatible=compatible).manifest
        except ManifestInvalid:
            continue
    return None


def steps_json(steps: Sequence[Followed]) -> Iterator[dict[str, object]]:
    """Each step for programs."""
    for followed in steps:
        entry, found = followed.step.entry, followed.weakenings
        yield {
            "number": entry.number,
            "kind": entry.kind,
            "time": entry.time_ms,
            "fingerprint": entry.digest.hex(),
            "manifest": entry.manifest.hex(),
            "versions": dict(entry.versions),
            "needed": entry.needed,
            "approvals": [{"user": a.user, "time": a.time_ms, "signature": bool(a.signature)} for a in entry.approvals],
            "weakenings": None if found is None else [change.meaning for change in found],
        }


def _refused(code: str, check: Check) -> HistoryRefused:
    return HistoryRefused(code, check.sentence, (check,))


_SOURCE = "design.md, 3"
