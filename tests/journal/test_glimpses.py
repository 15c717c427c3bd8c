"""A replica's memory of a state that another one led: every older state is known, and no honest one is taken for it."""

import copy
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.errors import JournalError
from coordinator.journal.glimpses import NOTHING_SEEN, Glimpse, Glimpses
from coordinator.journal.journal import Journal
from coordinator.journal.key import JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.storage import Storage
from coordinator.journal.witness import Head
from tests.support.journal_life import ID, KEY, NEW_KEY, ON, Disk, Power, PowerCut, life

WRITES = 7
"""Of `life` to the disk: two appends share one."""
MOST = 8
"""Journals that are remembered."""
SEEN = Head(7, b"l" * 32)


def opened(disk: Storage) -> Journal:
    """As a replica opens it that leads from now on."""
    disk = copy.deepcopy(disk)
    if isinstance(disk, Disk):
        disk.power = copy.copy(ON)
    try:
        return Journal.open(disk, KEY)[0]
    except JournalError:
        return Journal.open(disk, NEW_KEY)[0]


def doubt(seen: Glimpses, journal: Journal, accepted: int = 0) -> str:
    return seen.doubt(Glimpse(journal.journal_id, journal.head, accepted), journal.link_at)


def seen(*heads: Head, accepted: int = 0) -> Glimpses:
    glimpses = NOTHING_SEEN
    for head in heads:
        glimpses = glimpses.plus(Glimpse(ID, head, accepted))
    return glimpses


async def lived() -> list[tuple[Head, MemoryStorage]]:
    acknowledged: list[tuple[Head, MemoryStorage]] = []
    await life(Disk(copy.copy(ON)), acknowledged)
    return acknowledged


async def test_every_older_state_is_known_at_every_moment_of_the_look_and_every_newer_one_is_served() -> None:
    moments = await lived()
    for (last_seen, _), (head, disk) in product(moments, moments):
        said = doubt(seen(last_seen), opened(disk))
        older = head.sequence < last_seen.sequence
        assert older is bool(said), f"seen: {last_seen.sequence}, found: {head.sequence}: {said}"
        if older:
            assert f"this replica remembers record {last_seen.sequence}, and it ends with record " in said


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, WRITES + 1))
async def test_whatever_a_power_cut_of_the_leader_leaves_is_served_whenever_it_was_looked_at_last(
    step: int, after: bool
) -> None:
    disk, acknowledged = Disk(Power(step, after)), list[tuple[Head, MemoryStorage]]()
    with pytest.raises((PowerCut, JournalError)):
        await life(disk, acknowledged)
    if isinstance(read_keyring(disk), NoJournal):
        assert not acknowledged
        return
    left = opened(disk)
    for number in range(len(acknowledged) + 1):
        assert "" == doubt(seen(*(head for head, _ in acknowledged[:number])), left)
    for (last_seen, _), (head, older) in product(acknowledged, acknowledged):
        assert (head.sequence < last_seen.sequence) is bool(doubt(seen(last_seen), opened(older)))


async def test_a_fork_is_known_even_where_it_is_longer_and_behind_a_snapshot_the_number_has_to_do() -> None:
    moments = await lived()
    for (head, disk), (last_seen, _) in product(moments, moments):
        if head.sequence < last_seen.sequence:
            other = opened(disk)
            while other.head.sequence < last_seen.sequence + 2:
                await other.append([b"another history"])
            assert "with link" in doubt(seen(last_seen), other)
            await other.replace([b"all of another history"])
            assert "" == doubt(seen(last_seen), opened(other._storage)), "the links of before are gone"


async def test_an_older_state_that_was_accepted_since_is_the_one_that_counts_and_the_other_is_not() -> None:
    moments = await lived()
    newest, (older, disk) = moments[-1][0], moments[1]
    assert "" == doubt(seen(newest, accepted=3), opened(disk), accepted=4)
    assert doubt(seen(newest, accepted=3), opened(disk), accepted=3)
    assert doubt(seen(newest).plus(Glimpse(ID, older, 1)), opened(moments[0][1]))


@given(
    st.lists(
        st.builds(
            Glimpse,
            st.sampled_from([JournalId(bytes([number]) * 16) for number in range(12)]),
            st.builds(Head, st.integers(0, 5), st.sampled_from([b"a" * 32, b"b" * 32])),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_what_goes_on_is_remembered_of_each_journal_once_and_nothing_is_forgotten_for_it(found: list[Glimpse]) -> None:
    glimpses, last = NOTHING_SEEN, dict[JournalId, Glimpse]()
    for one in found:
        if not glimpses.doubt(one, lambda _: b""):
            glimpses = glimpses.plus(one)
            if last.pop(one.journal_id, None) or len(last) < MOST:
                last[one.journal_id] = one
    assert tuple(last.values()) == glimpses.seen


def test_after_so_many_journals_no_other_one_is_remembered() -> None:
    """Who shows a replica one coordinator after the other, each with a state of its own, makes it forget nothing."""
    glimpses = seen(SEEN)
    for number in range(1, 20):
        glimpses = glimpses.plus(Glimpse(JournalId(bytes([number]) * 16), SEEN, 0))
    assert MOST == len(glimpses.seen)
    assert SEEN == glimpses.seen[0].head


def test_a_journal_that_was_seen_replaced_does_not_come_back_and_one_that_nobody_saw_is_no_older_one() -> None:
    first, second = Glimpse(ID, SEEN, 0), Glimpse(JournalId(b"2" * 16), Head(1, b"m" * 32), 0)
    glimpses = NOTHING_SEEN.plus(first).plus(second)
    assert f"this replica has seen journal {second.journal_id.hex()} in its place" == glimpses.doubt(
        first, lambda _: b""
    )
    assert "" == glimpses.doubt(Glimpse(ID, SEEN, 1), lambda _: b""), "unless somebody accepted it"
    assert "" == glimpses.doubt(Glimpse(JournalId(b"3" * 16), SEEN, 0), lambda _: b""), "another root key: all notice"
