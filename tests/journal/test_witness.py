"""Who remembers the last record: an older state is noticed, and whatever a crash leaves behind is not taken for one."""

import copy
from dataclasses import dataclass, field, replace

import pytest

from coordinator.journal.errors import JournalError, WitnessFailed
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.witness import Head, NothingRemembered, doubt
from tests.support.journal_life import ID, KEY, NEW_KEY, ON, Disk, Power, PowerCut, life

OTHER = JournalId(b"o" * 16)
HEAD = Head(7, b"l" * 32)


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
    disk, book, acknowledged = Disk(power), Notebook(power), list[tuple[Head, MemoryStorage]]()
    with pytest.raises((PowerCut, JournalError)):
        await life(disk, acknowledged, book)
    newest = acknowledged[-1][0].sequence if acknowledged else -1
    if isinstance(read_keyring(disk), NoJournal):
        assert newest == -1
        return
    found = reopened(disk, book)
    assert ("", True) == (found.doubt, found.head.sequence >= newest), "an honest state is not locked out"
    for head, older in acknowledged:
        again = reopened(older, book)
        missed = head.sequence < newest
        assert bool(again.doubt) >= missed, f"record {head.sequence} of {newest}: {again.doubt}"


async def test_the_power_can_go_at_every_write_of_that_life() -> None:
    power = Power(WRITES + 1, False)
    await life(Disk(power), [], Notebook(power))
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
