"""Who remembers the journal's last record outside the storage, and whether the journal goes on from what is remembered.

The host can put back an older state as a whole, and nothing inside it can show that.  A witness is told of each write
after it is durable and before it is acknowledged, so what was acknowledged is never ahead of it.  A crash in between
leaves a journal that is ahead of its witness, and goes on from what that remembers: such a state is the newest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.record import LINK_BYTES


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the durable part.  sequence: of the last record.  link: 32 bytes, stands for the whole history."""

    sequence: int
    link: bytes


@dataclass(frozen=True, slots=True)
class NothingRemembered:
    """The witness knows no record of this journal.  why: what it has instead."""

    why: str


class Memory(Protocol):
    """What a witness keeps of one journal.  Every method may be called from any thread, one at a time.

    All raise WitnessFailed.
    """

    def recall(self) -> Head | NothingRemembered | None:
        """The last record that it was told of; None where nobody was asked to remember anything."""

    def begin(self, head: Head) -> None:
        """Remember this record, whatever was remembered until now, of whichever journal."""

    def remember(self, head: Head) -> None:
        """Remember this record, which follows the one remembered.  Raises WitnessFailed too if another one is."""


class Witness(Protocol):
    """Something outside the storage that remembers."""

    def of(self, journal_id: JournalId, key: DataKey) -> Memory:
        """What it remembers of this journal.  key: the one of its archive, which stays when others change."""


class NoWitness:
    """Nobody remembers: what is in the storage is taken for the newest.  Its own `Memory`."""

    def of(self, journal_id: JournalId, key: DataKey) -> "NoWitness":
        """As `Witness.of`."""
        return self

    def recall(self) -> None:
        """As `Memory.recall`."""

    def begin(self, head: Head) -> None:
        """As `Memory.begin`."""

    def remember(self, head: Head) -> None:
        """As `Memory.remember`."""


NO_WITNESS: Final = NoWitness()


def doubt(
    remembered: Head | NothingRemembered | None, head: Head, link_at: Callable[[int], bytes], who: str = "its witness"
) -> str:
    """Why a journal that ends with `head` may not be the newest one, for people; empty if it goes on from `remembered`.

    link_at: link of an earlier record, empty where that is too far back to be known; then the number has to do.
    who: remembers.
    """
    if remembered is None:
        return ""
    if isinstance(remembered, NothingRemembered):
        return f"{who} does not know it: {remembered.why}"
    if remembered.sequence > head.sequence:
        return f"{who} remembers record {remembered.sequence}, and it ends with record {head.sequence}"
    link = link_at(remembered.sequence)
    if link and link != remembered.link:
        known, found = _short(remembered.link), _short(link)
        return f"{who} remembers record {remembered.sequence} with link {known}, and here it has link {found}"
    return ""


def _short(link: bytes) -> str:
    assert len(link) == LINK_BYTES, "a link is a SHA-256"
    return link[:8].hex() + "…"
