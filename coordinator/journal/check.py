"""Everything in a copied journal, opened: are all records authentic, do they make a state, is their evidence kept?"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from coordinator.journal.copy import EVIDENCE
from coordinator.journal.errors import JournalUnreadable, KeyUnusable
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.segments import read_archive
from coordinator.journal.source import KeySource
from coordinator.journal.sources import Sources
from coordinator.journal.sqlite import SqliteStorage
from coordinator.state.events import Event, EventFormatError, EvidenceRemembered, MarbleActivated, decode_event
from coordinator.state.kept_evidence import KeptEvidenceUnreadable, decode_kept
from coordinator.state.replay import ReplayFailed, replay_all


@dataclass(frozen=True, slots=True)
class Inside:
    """events: how many of each kind.  kept: entries of the archive.  missing: digests (32 bytes) of Evidence that the
    journal names and the archive has not: it was too old or too much, is not kept at all, or was taken away."""

    events: Mapping[str, int]
    kept: int
    missing: tuple[bytes, ...]


def look_inside(folder: Path, sources: Sequence[KeySource], machine: str) -> Inside:
    """Open the journal and the archive in `folder`, which nobody else uses.

    machine: what this one is called among replicas that share a state.

    Raises KeyUnusable if no source has the key, BrokenLink or ArchiveBroken with the first place that is not what it
    must be, JournalUnreadable if the records are authentic and make no state, StorageFailed.
    """
    storage = SqliteStorage(folder)
    try:
        keyring = read_keyring(storage)
        if isinstance(keyring, NoJournal):
            raise KeyUnusable("journal", "one with records", "an empty one")
        data_key = _open(keyring.wrapped_keys, keyring.journal_id, Sources(tuple(sources), machine))
        _, bodies = Journal.open(storage, data_key)
        kept_key = keyring.archive_key(data_key)
    finally:
        storage.close()
    try:
        events = [decode_event(body) for body in bodies]
        replay_all(events)
        digests = [_digest(entry.body) for entry in read_archive(
            folder / EVIDENCE / keyring.journal_id.hex(), keyring.journal_id, kept_key
        )]  # fmt: skip
    except (EventFormatError, ReplayFailed, KeptEvidenceUnreadable) as cause:
        raise JournalUnreadable(str(cause)) from cause
    kinds = Counter(event.__struct_config__.tag for event in events)
    kept = set(digests)
    missing = tuple(digest for digest in _named(events) if digest not in kept)
    return Inside({str(tag): count for tag, count in kinds.items()}, len(digests), missing)


def _open(wrapped: Mapping[str, bytes], journal_id: JournalId, ours: Sources) -> DataKey:
    """By a key source of this machine, or one of its name where it has the storage for itself."""
    try:
        return ours.unwrap(wrapped, journal_id).held.data_key
    except KeyUnusable:
        return replace(ours, machine="").unwrap(wrapped, journal_id).held.data_key


def _named(events: Sequence[Event]) -> list[bytes]:
    """Digests of the Evidence that these events name, oldest first."""
    found: list[bytes] = []
    for event in events:
        if isinstance(event, MarbleActivated):
            found.append(event.evidence)
        elif isinstance(event, EvidenceRemembered):
            found.extend(event.digests)
    return found


def _digest(body: bytes) -> bytes:
    raw = decode_kept(body).evidence
    try:
        return hashlib.sha256(recognise(raw).raw).digest()
    except EvidenceFormatError:
        return hashlib.sha256(raw).digest()
