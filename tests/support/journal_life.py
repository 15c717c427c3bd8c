"""A journal's life on power that can go at every step: what it leaves behind, and what was acknowledged before."""

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.witness import NO_WITNESS, Head, Witness

ID = JournalId(bytes(16))
KEY, NEW_KEY = DataKey(b"k" * 32), DataKey(b"n" * 32)


@dataclass
class PowerCut(Exception):
    """This process is no more."""


@dataclass
class Power:
    """Ends before or after the step of this number; steps are writes, to storage and notebook alike."""

    left: int
    after: bool

    def step(self, write: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise PowerCut
        write()
        if self.left == 0:
            raise PowerCut


ON = Power(-1, False)


class Disk(MemoryStorage):
    """A storage on the same power."""

    def __init__(self, power: Power) -> None:
        super().__init__()
        self.power = power

    def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
        self.power.step(lambda: super(Disk, self).create(meta, records))

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        if self._meta:
            self.power.step(lambda: super(Disk, self).append(records, expected_head=expected_head))
        else:
            super().append(records, expected_head=expected_head)

    def replace(self, records: Sequence[bytes], *, expected_head: int, meta: Mapping[str, bytes] | None = None) -> None:
        self.power.step(lambda: super(Disk, self).replace(records, expected_head=expected_head, meta=meta))


async def life(disk: Disk, acknowledged: list[tuple[Head, MemoryStorage]], witness: Witness = NO_WITNESS) -> None:
    """A journal's life until the power goes: seven writes.  With each that was acknowledged the disk as it was then."""

    async def done(write: asyncio.Future[None]) -> None:
        await write
        acknowledged.append((journal.head, copy.deepcopy(disk)))

    journal = Journal.create(disk, KEY, [b"one"], journal_id=ID, wrapped_keys={}, notes={}, witness=witness)
    acknowledged.append((journal.head, copy.deepcopy(disk)))
    await done(journal.append([b"two"]))
    first, second = journal.append([b"three", b"four"]), journal.append([b"five"])
    await done(first)
    await done(second)
    await done(journal.replace([b"all"]))
    await done(journal.append([b"six"]))
    await done(journal.rekey([b"all of it"], NEW_KEY, {}, {}))
    await done(journal.append([b"seven"]))
    await journal.close()
