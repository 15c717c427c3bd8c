"""What a replica remembers of a state that another one leads: the last record that the leader showed it.

In memory only, so nobody who writes to the storage can change it, and it ends with the process.  It is behind by what
was written since the last look, never ahead: a leader shows durable records only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coordinator.journal.key import JournalId
from coordinator.journal.witness import Head, doubt


@dataclass(frozen=True, slots=True)
class Glimpse:
    """Where a journal ended.  accepted: number of the last acceptance of an older state in it (State), 0 for none."""

    journal_id: JournalId
    head: Head
    accepted: int


@dataclass(frozen=True, slots=True)
class Glimpses:
    """Of each journal the newest; the last one is of the journal that was seen last."""

    seen: tuple[Glimpse, ...] = ()

    def of(self, journal_id: JournalId) -> Glimpse | None:
        """What was seen of this journal."""
        return next((one for one in self.seen if one.journal_id == journal_id), None)

    def plus(self, found: Glimpse) -> "Glimpses":
        """With this one, which goes on from what was seen.

        Nothing is forgotten for it: after so many journals no other is remembered.
        """
        others = tuple(one for one in self.seen if one.journal_id != found.journal_id)
        return self if len(others) == _MOST_JOURNALS else Glimpses((*others, found))

    def doubt(self, found: Glimpse, link_at: Callable[[int], bytes]) -> str:
        """Why a journal that is found like this may not be the newest; empty where nothing speaks against it.

        Nothing was seen of it, or it goes on from there, or somebody who may has accepted an older state since.
        link_at: as of `witness.doubt`.
        """
        before = self.of(found.journal_id)
        if before is None or found.accepted > before.accepted:
            return ""
        last = self.seen[-1].journal_id
        if last != found.journal_id:
            return f"this replica has seen journal {last.hex()} in its place"
        return doubt(before.head, found.head, link_at, "this replica")


NOTHING_SEEN: Final = Glimpses()
_MOST_JOURNALS: Final = 8
