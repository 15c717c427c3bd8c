"""A consistent copy of a sealed state in a folder, without its key, and while its coordinator runs.

The coordinator keeps the database to itself, so its two files are copied as they lie there: first the database, then
the write-ahead log.  SQLite writes the database only when it moves the log into it (a checkpoint), and appends to the
log otherwise; so a copy between two checkpoints is a moment of the journal, and a frame that was cut is no commit.  A
copy with a checkpoint in it is seen by the files' times or the log's header and made again; and the hash chain, which
needs no key, proves in the end that nothing is missing or mixed.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from coordinator.journal.chain import Chain, check_chain
from coordinator.journal.errors import BrokenLink, StorageFailed
from coordinator.journal.segments import segments_in
from coordinator.journal.sqlite import DATABASE_NAME, SqliteStorage

T = TypeVar("T")
EVIDENCE: Final = "evidence"
_TRIES: Final = 50
_WAL: Final = DATABASE_NAME + "-wal"
_WAL_HEADER: Final = 32


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that holds together.  folder: has the state's files, as a state directory has them."""

    folder: Path
    chain: Chain


def copy_journal(state: Path, target: Path) -> Chain:
    """Copy the journal alone; the kept evidence in `state` is shown in `target` as it lies there.

    Raises as `copy_state`.
    """
    chain = _guarded(state, lambda: _copy_journal(state, target))
    (target / EVIDENCE).symlink_to((state / EVIDENCE).absolute())
    return chain


def copy_state(state: Path, target: Path) -> Copied:
    """Copy the journal and the kept evidence in `state` to `target`, an empty folder.

    Raises StorageFailed if there is no journal or it cannot be copied, BrokenLink if its chain is broken.
    """
    chain = _guarded(state, lambda: _copy_journal(state, target))
    evidence = Path(EVIDENCE) / chain.journal_id.hex()
    _guarded(state, lambda: _copy_evidence(state / evidence, target / evidence))
    return Copied(target, chain)


def _guarded(state: Path, work: Callable[[], T]) -> T:
    """Turn the failures of the operating system into ours."""
    demand_journal(state)
    try:
        return work()
    except OSError as failure:
        raise StorageFailed(str(state), "copy", f"{failure.filename}: {failure.strerror}") from failure


def demand_journal(state: Path) -> None:
    """Raises StorageFailed if this directory holds no journal."""
    if not (state / DATABASE_NAME).is_file():
        raise StorageFailed(str(state), "open", f"{DATABASE_NAME} is not there")


def read_chain(folder: Path) -> Chain:
    """The chain of a copied journal, checked.  Raises StorageFailed, BrokenLink."""
    storage = SqliteStorage(folder)
    try:
        return check_chain(storage.read())
    finally:
        storage.close()


def _copy_journal(state: Path, target: Path) -> Chain:
    problem: StorageFailed | BrokenLink | None = None
    for _ in range(_TRIES):
        before = _moment(state)
        for name in (DATABASE_NAME, _WAL):
            (target / name).unlink(missing_ok=True)
            if (state / name).exists():
                _copy(state / name, target / name)
        if before != _moment(state):
            continue
        try:
            chain = read_chain(target)
        except (StorageFailed, BrokenLink) as found:
            problem = found
            continue
        SqliteStorage(target).settle()
        return chain
    if problem is not None:
        raise problem
    raise StorageFailed(str(state), "copy", f"it was moved about during each of {_TRIES} tries")


def _moment(state: Path) -> tuple[int, int, bytes]:
    """What changes with every checkpoint: the database's time and size, and the header of the log."""
    stat = (state / DATABASE_NAME).stat()
    try:
        with (state / _WAL).open("rb") as log:
            return stat.st_mtime_ns, stat.st_size, log.read(_WAL_HEADER)
    except FileNotFoundError:
        return stat.st_mtime_ns, stat.st_size, b""


def _copy_evidence(source: Path, target: Path) -> None:
    """Segments only grow or go: one that went meanwhile is left out."""
    for segment in segments_in(source):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _copy(segment.path, target / segment.path.name)
        except FileNotFoundError:
            continue


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as write:
            while piece := read.read(1024 * 1024):
                write.write(piece)
