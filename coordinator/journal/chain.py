"""What a journal's chain says without its key: does every record follow the one before it, and none end in between?

Without the key nothing is authentic: who can write the storage can make a chain that holds.  It finds damage, cuts,
mixed files and mistakes in copying; `Journal.open` finds everything.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coordinator.journal.errors import BrokenLink
from coordinator.journal.key import JournalId
from coordinator.journal.keyring import Keyring, keyring_of
from coordinator.journal.record import Flags, Position, first_position, read_place
from coordinator.journal.storage import Storage, Stored
from coordinator.journal.witness import Head


@dataclass(frozen=True, slots=True)
class Chain:
    """first: sequence of the first stored record; above 0 where a snapshot has taken the place of what was before."""

    keyring: Keyring
    first: int
    records: int
    head: Head

    @property
    def journal_id(self) -> JournalId:
        """Which journal it is."""
        return self.keyring.journal_id


def check_chain(stored: Stored) -> Chain:
    """Follow the links.  Raises BrokenLink with the first record that does not follow."""
    keyring = keyring_of(stored.meta)
    places = list(follow(keyring.journal_id, stored.records, read_place))
    return Chain(keyring, places[0].sequence, len(stored.records), head_before(places[-1]))


def unproven_head(storage: Storage) -> Head:
    """Where the journal in `storage` says that it ends: no key is needed, and nothing of it is proven.

    Raises BrokenLink if it holds no record, StorageFailed.
    """
    stored = storage.read()
    *_, end = follow(keyring_of(stored.meta).journal_id, stored.records, lambda *_: Flags.NONE)
    return head_before(end)


def follow(
    journal_id: JournalId, records: Sequence[bytes], read: Callable[[Position, bytes], Flags]
) -> Iterator[Position]:
    """The place of the first record, and then the place behind each.

    read: what the record at a place is to its neighbours; raises BrokenLink if it is not what the place demands.
    Raises BrokenLink too if there is no record, if one stands before a snapshot, or if an append does not end.
    """
    if not records:
        raise BrokenLink(0, "record", "the first record", "an empty journal")
    position = first_position(journal_id, records[0])
    flags = Flags.NONE
    yield position
    for number, sealed in enumerate(records):
        flags = read(position, sealed)
        if flags & Flags.SNAPSHOT and number:
            raise BrokenLink(position.sequence, "place", "nothing before a snapshot", f"{number} records")
        position = position.after(sealed)
        yield position
    if flags & Flags.CONTINUES:
        raise BrokenLink(position.sequence, "record", "the rest of the append before it", "the journal's end")


def head_before(position: Position) -> Head:
    """The end of a journal whose next record stands here."""
    return Head(position.sequence - 1, position.previous)
