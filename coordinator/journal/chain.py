"""What a journal's chain says without its key: does every record follow the one before it, and none end in between?

Without the key nothing is authentic: who can write the storage can make a chain that holds.  It finds damage, cuts,
mixed files and mistakes in copying; `Journal.open` finds everything.
"""

from dataclasses import dataclass

from coordinator.journal.errors import BrokenLink
from coordinator.journal.journal import Keyring, keyring_of
from coordinator.journal.key import JournalId
from coordinator.journal.record import Flags, first_position, read_place
from coordinator.journal.storage import Stored
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
    if not stored.records:
        raise BrokenLink(0, "record", "the first record", "an empty journal")
    position = start = first_position(keyring.journal_id, stored.records[0])
    flags = Flags.NONE
    for number, sealed in enumerate(stored.records):
        flags = read_place(position, sealed)
        if flags & Flags.SNAPSHOT and number:
            raise BrokenLink(position.sequence, "place", "nothing before a snapshot", f"{number} records")
        position = position.after(sealed)
    if flags & Flags.CONTINUES:
        raise BrokenLink(position.sequence, "record", "the rest of the append before it", "the journal's end")
    return Chain(keyring, start.sequence, len(stored.records), Head(position.sequence - 1, position.previous))
