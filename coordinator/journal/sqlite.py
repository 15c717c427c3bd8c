"""A journal in one SQLite file: `journal.db` in the state directory, the embedded default.

Durable means: WAL with synchronous=FULL, so a commit returns after fsync.  Alone means: `journal.lock` is held
with flock for as long as the storage is open, so two coordinators never share a state, and a killed one leaves
nothing locked.  Files are 0600, a directory that we make is 0700.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from coordinator.journal.errors import Conflict, StorageFailed, StorageInUse
from coordinator.journal.folder import sync_folder
from coordinator.journal.storage import EMPTY_HEAD, Stored

DATABASE_NAME: Final = "journal.db"
LOCK_NAME: Final = "journal.lock"


class SqliteStorage:
    """The storage in `folder`, which is made if absent.

    Raises StorageInUse if another process has it open, StorageFailed if it cannot be read or written or is no
    journal of this format.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / DATABASE_NAME
        self._lock = _lock(folder)
        try:
            self._database = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def read_meta(self) -> Mapping[str, bytes]:
        """As `Storage.read_meta`."""
        with self._says("read"):
            return dict(self._database.execute("SELECT name, coalesce(CAST(value AS BLOB), x'') FROM meta"))

    def read(self) -> Stored:
        """As `Storage.read`."""
        with self._says("read"):
            rows = self._database.execute("SELECT coalesce(CAST(sealed AS BLOB), x'') FROM records ORDER BY number")
            return Stored(self.read_meta(), [sealed for (sealed,) in rows])

    def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
        """As `Storage.create`."""
        with self._says("write"), self._transaction():
            self._insert(records, EMPTY_HEAD)
            self._upsert(meta)

    def fill(self, stored: Stored, first: int) -> None:
        """Write a journal from elsewhere, whole; its first record has this number.  Raises Conflict if there is one."""
        with self._says("write"), self._transaction():
            self._demand_head(EMPTY_HEAD)
            self._database.executemany(_INSERT, enumerate(stored.records, first))
            self._upsert(stored.meta)

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        """As `Storage.append`."""
        with self._says("write"), self._transaction():
            self._insert(records, expected_head)

    def replace(self, records: Sequence[bytes], *, expected_head: int, meta: Mapping[str, bytes] | None = None) -> None:
        """As `Storage.replace`."""
        with self._says("write"), self._transaction():
            self._demand_head(expected_head)
            if meta is not None:
                self._database.execute("DELETE FROM meta")
                self._upsert(meta)
            self._database.execute("DELETE FROM records WHERE number <= ?", (expected_head,))
            self._database.executemany(_INSERT, enumerate(records, expected_head + 1))

    def put_meta(self, meta: Mapping[str, bytes]) -> None:
        """As `Storage.put_meta`."""
        with self._says("write"), self._transaction():
            self._upsert(meta)

    def move_aside(self) -> None:
        """Rename the journal to `journal.db.old` (`.old.2`, … where that exists: nothing is ever overwritten).

        A crash in between leaves either the journal, or no journal and the old one beside it.
        """
        with self._says("move the old journal aside"):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._database.close()
            self._path.rename(_free_name(self._path.with_name(DATABASE_NAME + ".old")))
            sync_folder(self._folder)
        self._database = self._open()

    def settle(self) -> None:
        """Move all into the one database file, and let go."""
        with self._says("write"):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._database.execute("PRAGMA journal_mode = DELETE").fetchall()
        self.close()
        (self._folder / LOCK_NAME).unlink(missing_ok=True)

    def adopt(self, database: Path) -> None:
        """Take the journal in this file, on the same file system, in the place of an empty one.

        Raises StorageFailed.  A crash in between leaves either nothing, or the journal.
        """
        with self._says("bring a journal back"):
            self._demand_head(EMPTY_HEAD)
            self._database.close()
            database.replace(self._path)
            sync_folder(self._folder)
        self._database = self._open()

    def close(self) -> None:
        """As `Storage.close`."""
        if self._lock != _RELEASED:
            self._database.close()
            os.close(self._lock)
            self._lock = _RELEASED

    def _open(self) -> sqlite3.Connection:
        with self._says("open"):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                for setting in _SETTINGS:
                    database.execute(setting).fetchall()
                _demand_format(self._folder, database)
                sync_folder(self._folder)
            except BaseException:
                database.close()
                raise
            return database

    def _insert(self, records: Sequence[bytes], expected_head: int) -> None:
        self._demand_head(expected_head)
        self._database.executemany(_INSERT, enumerate(records, expected_head + 1))

    def _upsert(self, meta: Mapping[str, bytes]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", meta.items())

    def _demand_head(self, expected: int) -> None:
        (head,) = self._database.execute("SELECT max(number) FROM records").fetchone()
        got = EMPTY_HEAD if head is None else head
        if expected != got:
            raise Conflict(str(self._folder), expected, got)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; durable after the block."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _says(self, action: str) -> Iterator[None]:
        """Turn the failures of SQLite and of the operating system into ours."""
        try:
            yield
        except (sqlite3.Error, OSError) as failure:
            raise StorageFailed(str(self._folder), action, _reason(failure)) from failure


def _lock(folder: Path) -> int:
    """A file descriptor that holds the folder's lock until it is closed; the kernel closes it with the process."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise StorageFailed(str(folder), "open", _reason(failure)) from failure
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failure:
        os.close(lock)
        if isinstance(failure, BlockingIOError):
            raise StorageInUse(str(folder), "open", f"{LOCK_NAME} is held by another coordinator") from failure
        raise StorageFailed(str(folder), f"lock {LOCK_NAME}", _reason(failure)) from failure
    return lock


def _demand_format(folder: Path, database: sqlite3.Connection) -> None:
    """Make the tables in a new file; refuse a file that is damaged, not ours, or of another format.

    The file comes from the host.  Only our own two tables are accepted, so no trigger or view of somebody else's
    runs, as https://www.sqlite.org/security.html asks for (section 1.2).
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    schema = [text for (text,) in database.execute("SELECT sql FROM sqlite_schema ORDER BY name")]
    if (version, schema) == (0, []):
        database.executescript(f"BEGIN IMMEDIATE; {_META}; {_RECORDS}; PRAGMA user_version = {_FORMAT}; COMMIT")
    elif version != _FORMAT:
        reason = f"{DATABASE_NAME}: expected a journal of format {_FORMAT}, got format {version}"
        raise StorageFailed(str(folder), "open", reason)
    elif schema != [_META, _RECORDS]:
        reason = f"{DATABASE_NAME}: expected the tables meta and records as this program makes them, got others"
        raise StorageFailed(str(folder), "open", reason)
    (damage,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if damage != "ok":
        raise StorageFailed(str(folder), "open", f"{DATABASE_NAME}: expected an undamaged file, got: {damage}")


def _reason(failure: sqlite3.Error | OSError) -> str:
    if isinstance(failure, OSError):
        return f"{failure.filename}: {failure.strerror}" if failure.filename else str(failure.strerror)
    name = getattr(failure, "sqlite_errorname", "")
    return f"{failure} ({name})" if name else str(failure)


def _free_name(wanted: Path) -> Path:
    name, number = wanted, 2
    while name.exists():
        name, number = wanted.with_name(f"{wanted.name}.{number}"), number + 1
    return name


_RELEASED: Final = -1
_FORMAT: Final = 1
_SETTINGS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",  # we are alone by the lock; so SQLite needs no shared memory file
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)
_META: Final = "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"
_RECORDS: Final = "CREATE TABLE records (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT"
_INSERT: Final = "INSERT INTO records (number, sealed) VALUES (?, ?)"
