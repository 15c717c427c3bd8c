"""Where admitted Evidence is kept beside a journal, for a later look: in files (segments.py), or a little in memory."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from coordinator.journal.key import DataKey, JournalId


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry.  time_ms: since 1970, UTC.  body: what it says; the archive does not know its meaning."""

    time_ms: int
    body: bytes


class Archive(Protocol):
    """Where entries go.  Called by one thread at a time."""

    def keep(self, entries: Sequence[Kept]) -> None:
        """Durable when it returns.  Raises StorageFailed."""

    def newest(self, count: int) -> Sequence[Kept]:
        """The newest entries, at most so many, oldest first.  From any thread.  Raises ArchiveBroken, StorageFailed."""

    def close(self) -> None:
        """Let go."""


class InMemory:
    """Keeps the newest few, and forgets them with the process."""

    def __init__(self) -> None:
        self._entries: deque[Kept] = deque(maxlen=_KEPT_IN_MEMORY)

    def keep(self, entries: Sequence[Kept]) -> None:
        """As `Archive.keep`."""
        self._entries.extend(entries)

    def newest(self, count: int) -> Sequence[Kept]:
        """As `Archive.newest`."""
        return tuple(self._entries)[-count:]

    def close(self) -> None:
        """As `Archive.close`."""


class Archives(Protocol):
    """Opens the archive of a journal."""

    def open(self, journal_id: JournalId, data_key: DataKey) -> Archive:
        """The archive beside this journal.  Raises StorageFailed."""


class NoArchives:
    """Evidence is not kept, but for the newest few in memory."""

    def open(self, journal_id: JournalId, data_key: DataKey) -> Archive:
        """As `Archives.open`."""
        return InMemory()


NO_ARCHIVES: Final = NoArchives()
_KEPT_IN_MEMORY: Final = 100
