"""Who remembers the last record: an older state is noticed, and whatever a crash leaves behind is not taken for one."""

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from coordinator.journal.errors import JournalError, WitnessFailed
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.witness import Head, NothingRemembered, doubt

ID, OTHER = JournalId(bytes(16)), JournalId(b"o" * 16)
KEY, NEW_KEY = DataKey(b"k" * 32), DataKey(b"n" * 32)
HEAD = Head(7, b"l" * 32)


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


@dataclass
class Notebook:
    """A witness that keeps one line, and knows whose key wrote it."""

    power: Power = field(default_factory=lambda: copy.copy(ON))
    line: tuple[JournalId, bytes, Head] | None = None

    def of(self, journal_id: JournalId, key: DataKey) -> "Page":
        return Page(self, journal_id, key.secret)


@dataclass
class Page:
    book: Notebook
    journal_id: JournalId
    key: bytes

    def recall(self) -> Head | NothingRemembered:
        if self.book.line is None or self.book.line[:2] != (self.journal_id, self.key):
            return NothingRemembered("the notebook has nothing of it")
        return self.book.line[2]

    def begin(self, head: Head) -> None:
        line = (self.journal_id, self.key, head)
        self.book.power.step(lambda: setattr(self.book, "line", line))

    def remember(self, head: Head) -> None:
        if isinstance(self.recall(), NothingRemembered):
            raise WitnessFailed("notebook", "another line")
        self.begin(head)


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


async def life(disk: Disk, book: Notebook, acknowledged: list[tuple[int, MemoryStorage]]) -> None:
    """A journal's life until the power goes; with each acknowledged write the disk as it was then."""

    async def done(write: asyncio.Future[None]) -> None:
        await write
        acknowledged.append((journal.head.sequence, copy.deepcopy(disk)))

    journal = Journal.create(disk, KEY, [b"one"], journal_id=ID, wrapped_keys={}, notes={}, witness=book)
    acknowledged.append((journal.head.sequence, copy.deepcopy(disk)))
    await done(journal.append([b"two"]))
    first, second = journal.append([b"three", b"four"]), journal.append([b"five"])
    await done(first)
    await done(second)
    await done(journal.replace([b"all"]))
    await done(journal.append([b"six"]))
    await done(journal.rekey([b"all of it"], NEW_KEY, {}, {}))
    await done(journal.append([b"seven"]))
    await journal.close()


def reopened(disk: MemoryStorage, book: Notebook) -> Journal:
    disk = copy.deepcopy(disk)
    if isinstance(disk, Disk):
        disk.power = copy.copy(ON)
    try:
        return Journal.open(disk, KEY, witness=replace(book, power=copy.copy(ON)))[0]
    except JournalError:
        return Journal.open(disk, NEW_KEY, witness=replace(book, power=copy.copy(ON)))[0]


WRITES = 2 * 7
"""Of `life`: seven to the disk, since two appends share one, and as many to the notebook."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, WRITES + 1))
async def test_whatever_a_power_cut_leaves_is_the_newest_state_and_every_older_one_is_noticed(
    step: int, after: bool
) -> None:
    power = Power(step, after)
    disk, book, acknowledged = Disk(power), Notebook(power), list[tuple[int, MemoryStorage]]()
    with pytest.raises((PowerCut, JournalError)):
        await life(disk, book, acknowledged)
    newest = acknowledged[-1][0] if acknowledged else -1
    if isinstance(read_keyring(disk), NoJournal):
        assert newest == -1
        return
    found = reopened(disk, book)
    assert ("", True) == (found.doubt, found.head.sequence >= newest), "an honest state is not locked out"
    for sequence, older in acknowledged:
        again = reopened(older, book)
        missed = sequence < newest
        assert bool(again.doubt) >= missed, f"record {sequence} of {newest}: {again.doubt}"


async def test_the_power_can_go_at_every_write_of_that_life() -> None:
    power = Power(WRITES + 1, False)
    await life(Disk(power), Notebook(power), [])
    assert 1 == power.left


async def test_a_state_that_goes_on_is_remembered_from_where_it_is() -> None:
    """The crash came between storage and witness: the start tells it, so the next crash finds it up to date."""
    disk, book = Disk(copy.copy(ON)), Notebook()
    journal = Journal.create(disk, KEY, [b"one"], journal_id=ID, wrapped_keys={}, notes={}, witness=book)
    before = book.line
    await journal.append([b"two"])
    book.line = before
    again, _ = Journal.open(disk, KEY, witness=book)
    assert ("", (ID, KEY.secret, again.head)) == (again.doubt, book.line)


async def test_who_appends_to_a_doubtful_state_makes_it_the_one_that_counts() -> None:
    disk, book = Disk(copy.copy(ON)), Notebook()
    journal = Journal.create(disk, KEY, [b"one"], journal_id=ID, wrapped_keys={}, notes={}, witness=book)
    older = copy.deepcopy(disk)
    await journal.append([b"two"])
    again, _ = Journal.open(older, KEY, witness=book)
    assert "remembers record 1, and it ends with record 0" in again.doubt
    assert (ID, KEY.secret, journal.head) == book.line, "looking changes nothing"
    await again.append([b"approved"])
    assert ("", again.head) == (again.doubt, book.line and book.line[2])
    assert "with link" in Journal.open(disk, KEY, witness=book)[0].doubt, "now the other one is a fork"


async def test_a_witness_that_cannot_be_told_ends_the_service_before_anything_is_acknowledged() -> None:
    disk, book = Disk(copy.copy(ON)), Notebook()
    journal = Journal.create(disk, KEY, [b"one"], journal_id=ID, wrapped_keys={}, notes={}, witness=book)
    book.line = (OTHER, KEY.secret, HEAD)
    with pytest.raises(WitnessFailed, match="another line"):
        await journal.append([b"two"])
    assert isinstance(journal.broken, WitnessFailed)


@pytest.mark.parametrize(
    ("remembered", "link", "said"),
    [
        (None, b"", ""),
        (HEAD, HEAD.link, ""),
        (HEAD, b"x" * 32, "with link 6c6c6c6c6c6c6c6c…, and here it has link 7878787878787878…"),
        (Head(6, HEAD.link), HEAD.link, ""),
        (Head(6, HEAD.link), b"", ""),
        (Head(8, HEAD.link), b"", "remembers record 8, and it ends with record 7"),
        (NothingRemembered("a reason"), HEAD.link, "does not know it: a reason"),
    ],
    ids=["no witness", "the same", "a fork", "one ahead", "too far back to tell", "older", "unknown"],
)
def test_what_a_witness_says_of_a_state(remembered: Head | NothingRemembered | None, link: bytes, said: str) -> None:
    found = doubt(remembered, HEAD, lambda _: link)
    assert (said in found, bool(said)) == (True, bool(found)), found
