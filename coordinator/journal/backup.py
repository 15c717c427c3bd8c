"""A backup: one tar file with a consistent copy of a sealed state, and its way back.  No key is needed for either.

    backup.json              format, journal id, sequence and link of the last record
    journal.db               the journal
    evidence/ID/NUMBER.seg   the kept evidence

Restoring an old state is what a rollback is, so it is never silent: it wants a reason, which the coordinator writes
into the journal when it opens the state, where its people and its clients see it.
"""

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coordinator.cluster.api import Api
from coordinator.journal.chain import Chain, check_chain
from coordinator.journal.copy import EVIDENCE, Copied, copy_state, read_chain
from coordinator.journal.errors import BackupRefused, StorageFailed
from coordinator.journal.folder import sync_folder
from coordinator.journal.key import JournalId
from coordinator.journal.keyring import NoJournal, keyring_of, read_keyring
from coordinator.journal.kubernetes import KubernetesStorage, read_unclaimed
from coordinator.journal.record import Entropy
from coordinator.journal.restoration import RESTORED, Restoration, encode_restoration
from coordinator.journal.segments import segments_in
from coordinator.journal.sqlite import DATABASE_NAME, SqliteStorage
from coordinator.journal.storage import Storage, Stored

_DESCRIPTION: Final = "backup.json"
_FORMAT: Final = 1
_LONGEST_DESCRIPTION: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.  evidence_bytes: of kept evidence."""

    chain: Chain
    evidence_bytes: int


def back_up(state: Path, target: Path) -> Backup:
    """Write the state in `state`, whose coordinator may be running, to `target`: whole or not at all.

    Raises StorageFailed, BrokenLink.
    """
    return _write(target, lambda folder: copy_state(state, folder))


def back_up_records(stored: Stored, target: Path) -> Backup:
    """The same of a journal that was read elsewhere; it comes without kept evidence.

    Raises StorageFailed, BrokenLink.
    """
    return _write(target, lambda folder: Copied(folder, _lay_out(stored, folder)))


@contextmanager
def laid_out(stored: Stored) -> Iterator[Path]:
    """A journal that was read elsewhere, as a state directory has it, in a folder that goes with the block.

    Raises StorageFailed, BrokenLink.
    """
    with tempfile.TemporaryDirectory(prefix="enclasp-journal-") as folder:
        _lay_out(stored, Path(folder))
        yield Path(folder)


@contextmanager
def opened(backup: Path, *, near: Path | None = None) -> Iterator[Path]:
    """The files of a backup as a state directory has them, in a folder that goes with the block.

    near: the folder in which that folder is made; None for the system's place for such.

    Raises BackupRefused, StorageFailed, BrokenLink.
    """
    with tempfile.TemporaryDirectory(prefix=".enclasp-backup-", dir=near) as folder:
        _unpack(backup, Path(folder))
        yield Path(folder)


def restore(backup: Path, state: Path, restoration: Restoration, *, replace: bool) -> Chain:
    """Put a backup in the place of the state in `state`, whose coordinator must not be running.

    What is there is kept aside, and only where `replace` says so; the note is for the coordinator that opens it.
    Raises StorageInUse, BackupRefused, StorageFailed, BrokenLink.
    """
    storage = SqliteStorage(state)
    try:
        with opened(backup, near=state) as fresh:
            chain = read_chain(fresh)
            there = read_keyring(storage)
            if not isinstance(there, NoJournal):
                if not replace:
                    raise _occupied(str(state), there.journal_id, chain)
                storage.move_aside()
            unpacked = SqliteStorage(fresh)
            unpacked.put_meta({RESTORED: encode_restoration(restoration)})
            unpacked.settle()
            _bring_evidence(fresh / EVIDENCE, state / EVIDENCE)
            storage.adopt(fresh / DATABASE_NAME)
            return chain
    finally:
        storage.close()


def restore_in_cluster(
    backup: Path, api: Api, name: str, restoration: Restoration, entropy: Entropy, *, replace: bool
) -> Chain:
    """The same in Secrets: whoever used them is refused its next write.  Kept evidence stays in the backup.

    Raises BackupRefused, StorageFailed, BrokenLink.
    """
    with opened(backup) as fresh:
        unpacked = SqliteStorage(fresh)
        stored = unpacked.read()
        unpacked.close()
    chain = check_chain(stored)
    there = read_unclaimed(api, name).meta
    if there and not replace:
        raise _occupied(f"Secret {api.namespace}/{name}", keyring_of(there).journal_id, chain)
    storage = KubernetesStorage(api, name, entropy)
    try:
        meta = {**stored.meta, RESTORED: encode_restoration(restoration)}
        storage.bring(Stored(meta, stored.records), chain.first)
    finally:
        storage.close()
    return chain


def accept(storage: Storage, reason: str, time_ms: int) -> Chain:
    """Leave the note beside the state in this storage as it is.  Raises StorageFailed, BrokenLink."""
    chain = check_chain(storage.read())
    storage.put_meta({RESTORED: encode_restoration(Restoration(reason, time_ms, chain.head.sequence))})
    return chain


def _occupied(place: str, there: JournalId, chain: Chain) -> BackupRefused:
    kind = "the same journal" if there == chain.journal_id else "another journal"
    return BackupRefused(place, "an empty place for a state", kind)


def _write(target: Path, copy: Callable[[Path], Copied]) -> Backup:
    """Copy to a folder beside the target, and pack."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            (Path(folder) / "state").mkdir(mode=0o700)
            copied = copy(Path(folder) / "state")
            packed = Path(folder) / "backup.tar"
            size = _pack(copied.folder, copied.chain, packed)
            packed.replace(target)
            sync_folder(target.parent)
    except OSError as failure:
        raise StorageFailed(str(target), "write the backup", str(failure.strerror)) from failure
    return Backup(copied.chain, size)


def _lay_out(stored: Stored, folder: Path) -> Chain:
    chain = check_chain(stored)
    storage = SqliteStorage(folder)
    storage.fill(stored, chain.first)
    storage.settle()
    return chain


def _pack(folder: Path, chain: Chain, target: Path) -> int:
    evidence = 0
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            description = json.dumps(_describe(chain), indent=1).encode()
            entry = tarfile.TarInfo(_DESCRIPTION)
            entry.size, entry.mode = len(description), 0o600
            tar.addfile(entry, io.BytesIO(description))
            _add(tar, folder / DATABASE_NAME, DATABASE_NAME)
            name = f"{EVIDENCE}/{chain.journal_id.hex()}"
            for segment in segments_in(folder / name):
                evidence += segment.path.stat().st_size
                _add(tar, segment.path, f"{name}/{segment.path.name}")
        file.flush()
        os.fsync(file.fileno())
    return evidence


def _describe(chain: Chain) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "journal": chain.journal_id.hex(),
        "sequence": chain.head.sequence,
        "link": chain.head.link.hex(),
    }


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    with path.open("rb") as file:
        entry.size, entry.mode = os.fstat(file.fileno()).st_size, 0o600
        tar.addfile(entry, file)


def _unpack(backup: Path, folder: Path) -> None:
    """Only what `back_up` packs is taken out; links, devices, other names and places are refused."""
    try:
        with tarfile.open(backup, mode="r:") as tar:
            for entry in tar:
                place = _place(backup, entry)
                source = tar.extractfile(entry)
                assert source is not None, "a regular file has content"
                if place is None:
                    _check_description(backup, source.read(_LONGEST_DESCRIPTION))
                    continue
                (folder / place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(folder / place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(handle, "wb") as file:
                    while piece := source.read(1024 * 1024):
                        file.write(piece)
    except tarfile.TarError as cause:
        raise BackupRefused(str(backup), "a backup of a coordinator's state", str(cause)) from cause
    except OSError as failure:
        raise StorageFailed(str(backup), "read the backup", str(failure.strerror)) from failure
    if not (folder / DATABASE_NAME).is_file():
        raise BackupRefused(str(backup), DATABASE_NAME, "none in it")


def _place(backup: Path, entry: tarfile.TarInfo) -> str | None:
    """Where a file of the backup belongs; None for its description."""
    if entry.isreg() and entry.name == _DESCRIPTION:
        return None
    parts = entry.name.split("/")
    evidence = len(parts) == 3 and parts[0] == EVIDENCE and parts[1].isalnum() and parts[2].endswith(".seg")
    known = entry.name == DATABASE_NAME or (evidence and parts[2] == parts[2].lstrip("."))
    if not entry.isreg() or not known:
        raise BackupRefused(str(backup), "only the journal and its evidence", f"'{entry.name[:100]}'")
    return entry.name


def _check_description(backup: Path, raw: bytes) -> None:
    try:
        found = json.loads(raw)
        version = found["format"] if isinstance(found, dict) else None
    except (ValueError, KeyError, RecursionError):
        version = None
    if version != _FORMAT:
        raise BackupRefused(str(backup), f"format {_FORMAT}", f"format {version!r}")


def _bring_evidence(source: Path, target: Path) -> None:
    """Kept evidence of the backup goes beside what is there; a segment that is there already is as long or longer."""
    if not source.is_dir():
        return
    for journal in source.iterdir():
        (target / journal.name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for segment in segments_in(journal):
            place = target / journal.name / segment.path.name
            if not place.exists():
                handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(segment.path.read_bytes())
                    file.flush()
                    os.fsync(file.fileno())
        sync_folder(target / journal.name)
