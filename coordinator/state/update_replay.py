"""What updates do to a deployment: proposed, approved, withdrawn, done; and security versions raised."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse
from coordinator.manifest.security_version import raised_packages
from coordinator.manifest.template.values import SecretValue
from coordinator.state.events import (
    LANGUAGE_VERSION,
    LogEntry,
    ManifestUpdated,
    PackagesRaised,
    UpdateApproved,
    UpdateProposed,
    UpdatesKept,
    UpdateWithdrawn,
    Version,
)
from coordinator.state.model import Deployment, History, PendingUpdate
from coordinator.state.values import secret_value, stored_secret
from coordinator.wire.history import HistoryFormatError, parse_entry
from pki.manifest_history import GENESIS, next_link

CANCELLED: Final = "cancelled by a user"
FAILED: Final = "cancelled, since it failed"
EXPIRED: Final = "expired"
WITHDRAWN: Final = (CANCELLED, FAILED, EXPIRED)
INITIATED: Final = "full update initiated"
INITIATED_WAITING: Final = "full update initiated, waiting for acknowledgments"
ACKNOWLEDGED: Final = "full update acknowledged"
UPDATED: Final = "manifest updated"
RAISED: Final = "security version increased"
HISTORY_BYTES: Final = 8 * 1024 * 1024
"""Of documents that the history keeps; of older ones it keeps the entry."""


class ReplayFailed(Exception):
    """The journal opens and its chain holds, but its events make no State: another version's journal, or a bug."""


@lru_cache(maxsize=4)
def agreed_manifest(raw: bytes, compatible: bool) -> Manifest:
    """A manifest from its exact bytes.  The newest are kept, since a large one takes a second to read.

    Raises ManifestInvalid.
    """
    return parse(raw, name="manifest", compatible=compatible).manifest


def read_agreed(raw: bytes, language: int, compatible: bool) -> Manifest:
    """A manifest that was accepted when it was recorded.  Raises ReplayFailed."""
    if language != LANGUAGE_VERSION:
        raise ReplayFailed(f"manifest: language version {language}, this program reads {LANGUAGE_VERSION}")
    try:
        return agreed_manifest(raw, compatible)
    except ManifestInvalid as cause:
        raise ReplayFailed(f"manifest in the journal is not accepted any more: {cause}") from cause


def proposed(deployment: Deployment, event: UpdateProposed) -> Deployment:
    """A manifest waits for approvals."""
    manifest = read_agreed(event.raw, event.language, event.compatible)
    expires = datetime.fromtimestamp(event.expires_ms / 1000, UTC)
    pending = PendingUpdate(manifest, event.compatible, event.user, event.time_ms, expires)
    return replace(deployment, pending=pending)


def approved(deployment: Deployment, event: UpdateApproved) -> Deployment:
    """One more has approved it.  The first approval is the proposer's own, so the log says that it was initiated."""
    pending, approval = _pending(deployment), event.approval
    waiting: dict[str, str | int | tuple[str, ...]] = {
        "missingAcknowledgments": event.missing,
        "missingUsers": event.users,
    }
    if pending.approvals:
        text, shown = ACKNOWLEDGED, waiting
    else:
        text, shown = (INITIATED_WAITING, waiting) if event.missing else (INITIATED, {})
    details = {"user": approval.user, **shown, "manifestFingerprint": pending.manifest.fingerprint}
    return replace(
        deployment,
        pending=replace(pending, approvals=(*pending.approvals, approval)),
        log=deployment.log.plus(LogEntry(approval.time_ms, text, details)),
    )


def withdrawn(deployment: Deployment, event: UpdateWithdrawn) -> Deployment:
    """It will not be."""
    pending = _pending(deployment)
    who: dict[str, str | int | tuple[str, ...]] = {"user": event.user} if event.user else {}
    details = {**who, "manifestFingerprint": pending.manifest.fingerprint}
    return replace(
        deployment,
        pending=None,
        withdrawn=(*deployment.withdrawn, pending.manifest.digest),
        log=deployment.log.plus(LogEntry(event.time_ms, f"full update {event.reason}", details)),
    )


def updated(deployment: Deployment, event: ManifestUpdated) -> Deployment:
    """The proposed manifest is the law (contract 1.10, "What a full update does to the state")."""
    pending = _pending(deployment)
    manifest = pending.manifest
    old = deployment.shared_secrets
    kept = {name: _under(manifest, name, old[name]) for name in event.kept if name in old}
    made = {name: secret_value(manifest.secrets[name], stored) for name, stored in event.secrets.items()}
    replaced = {name: _under(manifest, name, old[name]) for name in made if name in old}
    before = {
        name: _under(manifest, name, value)
        for name, value in deployment.previous.items()
        if name in manifest.secrets and name not in replaced
    }
    raised = {name: version for name, version in deployment.raised.items() if name not in manifest.update.lowers}
    entry = LogEntry(event.time_ms, UPDATED, {"manifestFingerprint": manifest.fingerprint})
    return replace(
        deployment,
        manifest=manifest,
        packages=raised_packages(manifest.packages, raised),
        manifest_signature=event.signature,
        compatible=pending.compatible,
        root_secret=event.root_secret,
        previous_root_secret=event.previous_root_secret,
        shared_secrets=kept | made,
        previous=before | replaced,
        raised=raised,
        custody=deployment.custody if manifest.recovery_keys else None,
        pending=None,
        history=longer(deployment.history, event.version, deployment.manifest.digest, manifest.digest),
        log=deployment.log.plus(entry),
    )


def packages_raised(deployment: Deployment, event: PackagesRaised) -> Deployment:
    """Security versions are higher now; the manifest stays."""
    versions = {**deployment.raised, **event.versions}
    definitions = deployment.manifest.secrets
    made = {name: secret_value(definitions[name], stored) for name, stored in event.secrets.items()}
    entries = (
        LogEntry(event.time_ms, RAISED, {"user": event.user, "package": name, "new version": version})
        for name, version in event.versions.items()
    )
    return replace(
        deployment,
        packages=raised_packages(deployment.manifest.packages, versions),
        shared_secrets={**deployment.shared_secrets, **made},
        raised=versions,
        history=longer(deployment.history, event.version, deployment.manifest.digest, deployment.manifest.digest),
        log=deployment.log.plus(*entries),
    )


def updates_kept(deployment: Deployment, event: UpdatesKept) -> Deployment:
    """What a snapshot says of all updates before it."""
    definitions = deployment.manifest.secrets
    return replace(
        deployment,
        raised=event.raised,
        packages=raised_packages(deployment.manifest.packages, event.raised),
        history=history(event.history),
        withdrawn=event.withdrawn,
        previous_root_secret=event.previous_root_secret,
        previous={name: secret_value(definitions[name], stored) for name, stored in event.previous.items()},
    )


def history(versions: tuple[Version, ...]) -> History:
    """A history from its steps.  Raises ReplayFailed."""
    link = GENESIS
    digests: list[bytes] = []
    for version in versions:
        link = next_link(link, version.entry.encode())
        digest = _manifest_of(version)
        if digests[-1:] != [digest]:
            digests.append(digest)
    return History(versions, link, tuple(reversed(digests[:-1])))


def longer(past: History, version: Version, before: bytes, after: bytes) -> History:
    """One step more.  before, after: digests of the manifest in force."""
    versions, room = [version], HISTORY_BYTES - len(version.raw)
    for old in reversed(past.versions):
        room -= len(old.raw)
        versions.append(old if room >= 0 else Version(old.entry, b""))
    predecessors = past.predecessors if before == after else (before, *past.predecessors)
    return History(tuple(reversed(versions)), next_link(past.link, version.entry.encode()), predecessors)


def _manifest_of(version: Version) -> bytes:
    try:
        return parse_entry(version.entry).manifest
    except HistoryFormatError as cause:
        raise ReplayFailed(f"journal: {cause}") from cause


def _pending(deployment: Deployment) -> PendingUpdate:
    if deployment.pending is None:
        raise ReplayFailed("journal: expected a proposed manifest before its approval, withdrawal or update")
    return deployment.pending


def _under(manifest: Manifest, name: str, value: SecretValue) -> SecretValue:
    """A value under the definition that the manifest gives its secret."""
    return secret_value(manifest.secrets[name], stored_secret(value))
