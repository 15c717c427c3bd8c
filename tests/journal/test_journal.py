"""The journal over every storage: order, groups, snapshots, and each way to tamper with it by name."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.errors import BrokenLink, Conflict, JournalError, StorageFailed, WrongKey
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import Keyring, NoJournal, read_keyring
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.storage import Storage, Stored

KEY = DataKey(b"k" * 32)
ID = JournalId(b"journal-of-tests")


def founded(storage: Storage, *bodies: bytes) -> Journal:
    return Journal.create(storage, KEY, bodies or (b"first",), journal_id=ID, wrapped_keys={"cce": b"w"}, notes={})


def bodies_in(storage: Storage) -> list[bytes]:
    return Journal.open(storage, KEY)[1]


class TamperedStorage(MemoryStorage):
    """A host that shows other records than were stored."""

    def __init__(self, honest: Storage, change: Callable[[list[bytes]], list[bytes]]) -> None:
        super().__init__()
        stored = honest.read()
        self._shown = Stored(stored.meta, change(list(stored.records)))

    def read(self) -> Stored:
        return self._shown


class GatedStorage(MemoryStorage):
    """A slow disk: every write waits for the gate.  Counts the writes."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.writes: list[int] = []

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        self.gate.wait(10)
        super().append(records, expected_head=expected_head)
        self.writes.append(len(records))


class FullDisk(MemoryStorage):
    """Takes a number of writes, then refuses each."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        if self.left == 0:
            raise StorageFailed("memory", "write", "no space left on device")
        self.left -= 1
        super().append(records, expected_head=expected_head)


async def test_what_was_appended_comes_out_in_order_after_a_restart(storage: Storage) -> None:
    journal = founded(storage, b"one", b"two")
    await journal.append([b"three", b""])
    await journal.append([b"five"])
    assert (journal.length, journal.head.sequence) == (5, 4)
    again, bodies = Journal.open(storage, KEY)
    assert bodies == [b"one", b"two", b"three", b"", b"five"]
    assert (journal.length, journal.head) == (again.length, again.head)
    await again.append([b"six"])
    assert [*bodies, b"six"] == bodies_in(storage)


@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.binary(max_size=20), min_size=1, max_size=3), st.booleans()), max_size=8
    )
)
def test_any_run_of_appends_and_snapshots_replays_as_it_was_asked_for(
    asks: list[tuple[bool, list[bytes], bool]],
) -> None:
    async def run() -> None:
        storage, expected = MemoryStorage(), [b"first"]
        journal = founded(storage)
        waits: list[asyncio.Future[None]] = []
        for snapshot, bodies, pause in asks:
            waits.append(journal.replace(bodies) if snapshot else journal.append(bodies))
            expected = list(bodies) if snapshot else expected + bodies
            if pause:
                await waits[-1]
        await asyncio.gather(*waits)
        assert expected == bodies_in(storage)
        assert len(expected) == journal.length
        await journal.close()

    asyncio.run(run())


async def test_the_place_is_taken_when_append_is_called_not_when_it_is_awaited() -> None:
    storage = MemoryStorage()
    journal = founded(storage)
    early, late = journal.append([b"early"]), journal.append([b"late"])
    await late
    assert early.done()
    assert bodies_in(storage) == [b"first", b"early", b"late"]


async def test_those_who_come_during_a_write_share_the_next_one() -> None:
    storage = GatedStorage()
    storage.gate.set()
    journal = founded(storage)
    storage.gate.clear()
    first = journal.append([b"a"])
    await asyncio.sleep(0)  # the write has been handed to the committer
    others = [journal.append([bytes([n])]) for n in range(16)]
    await asyncio.sleep(0)
    assert not any(wait.done() for wait in (first, *others))
    storage.gate.set()
    await asyncio.gather(first, *others)
    assert storage.writes == [1, 1, 16]
    assert [b"first", b"a", *(bytes([n]) for n in range(16))] == bodies_in(storage)


async def test_who_hangs_up_leaves_the_write_whole() -> None:
    storage = MemoryStorage()
    journal = founded(storage)
    waiter = asyncio.ensure_future(journal.append([b"of one who hangs up"]))
    waiter.cancel()
    await journal.append([b"of the next"])
    assert bodies_in(storage) == [b"first", b"of one who hangs up", b"of the next"]


async def test_an_empty_append_waits_for_all_before_it() -> None:
    storage = MemoryStorage()
    journal = founded(storage)
    before = journal.append([b"before"])
    await journal.append([])
    assert before.done()
    assert journal.length == 2


async def test_a_failed_write_refuses_every_waiter_and_every_later_append() -> None:
    storage = FullDisk(writes=2)
    journal = founded(storage)
    watcher = asyncio.ensure_future(journal.failure())
    await journal.append([b"kept"])
    assert journal.broken is None
    refused = journal.append([b"one"])
    await asyncio.sleep(0)
    behind = journal.append([b"two"])
    for waiting in (refused, behind):
        with pytest.raises(StorageFailed, match="memory: cannot write: no space left on device"):
            await waiting
    with pytest.raises(StorageFailed):
        journal.append([b"three"])
    with pytest.raises(StorageFailed):
        journal.replace([b"three"])
    assert journal.broken is await watcher
    assert bodies_in(storage) == [b"first", b"kept"]
    assert journal.length == 2


async def test_a_second_writer_is_noticed_before_anything_is_lost(storage: Storage) -> None:
    ours = founded(storage)
    theirs, _ = Journal.open(storage, KEY)
    await theirs.append([b"theirs"])
    with pytest.raises(Conflict, match="expected record 0 to be the last, got 1"):
        await ours.append([b"ours"])
    assert isinstance(ours.broken, Conflict)
    assert bodies_in(storage) == [b"first", b"theirs"]


async def test_a_snapshot_that_lost_the_race_replaces_nothing(storage: Storage) -> None:
    ours = founded(storage)
    theirs, _ = Journal.open(storage, KEY)
    await theirs.append([b"theirs"])
    with pytest.raises(Conflict):
        await ours.replace([b"all"])
    assert bodies_in(storage) == [b"first", b"theirs"]


async def test_a_snapshot_stands_in_for_its_history_and_the_chain_goes_on(storage: Storage) -> None:
    journal = founded(storage, b"one", b"two")
    await asyncio.gather(journal.append([b"three"]), journal.replace([b"all", b"more"]), journal.append([b"next"]))
    assert bodies_in(storage) == [b"all", b"more", b"next"]
    assert (journal.length, journal.head.sequence) == (3, 4)
    again, _ = Journal.open(storage, KEY)
    assert journal.head == again.head
    await again.append([b"last"])
    assert bodies_in(storage) == [b"all", b"more", b"next", b"last"]


async def test_the_numbers_of_a_storage_go_on_across_a_snapshot(storage: Storage) -> None:
    storage.create({"name": b"value"}, [b"0", b"1"])
    storage.replace([b"2"], expected_head=1)
    with pytest.raises(Conflict):
        storage.append([b"1"], expected_head=0)
    storage.append([b"3"], expected_head=2)
    assert Stored({"name": b"value"}, [b"2", b"3"]) == storage.read()


@pytest.mark.parametrize(
    ("change", "record", "field"),
    [
        pytest.param(lambda r: [*r[:2], r[2][:-1] + bytes([r[2][-1] ^ 1]), *r[3:]], 2, "seal", id="a flipped bit"),
        pytest.param(lambda r: [*r[:2], *r[3:]], 2, "sequence", id="a record dropped"),
        pytest.param(lambda r: r[1:], 0, "sequence", id="the first record dropped"),
        pytest.param(lambda r: [r[0], r[2], r[1], *r[3:]], 1, "sequence", id="two records swapped"),
        pytest.param(lambda r: [*r[:2], r[1], *r[2:]], 2, "sequence", id="a record twice"),
        pytest.param(lambda r: [*r[:2], b"", *r[3:]], 2, "length", id="an empty record"),
        pytest.param(lambda r: r[:-1], 5, "record", id="half of an append dropped"),
        pytest.param(lambda r: [], 0, "record", id="everything dropped"),
    ],
)
async def test_tampering_is_named_with_the_record(
    change: Callable[[list[bytes]], list[bytes]], record: int, field: str
) -> None:
    honest = MemoryStorage()
    journal = founded(honest)
    for body in (b"one", b"two", b"three"):
        await journal.append([body])
    await journal.append([b"together", b"with this"])
    assert len(Journal.open(TamperedStorage(honest, lambda records: records), KEY)[1]) == 6
    with pytest.raises(BrokenLink) as refused:
        Journal.open(TamperedStorage(honest, change), KEY)
    assert (record, field) == (refused.value.record, refused.value.field)


async def test_a_record_of_another_history_with_the_same_key_is_named() -> None:
    ours, theirs = MemoryStorage(), MemoryStorage()
    for storage, body in ((ours, b"ours"), (theirs, b"theirs")):
        await founded(storage, body).append([b"second"])
    foreign = theirs.read().records[1]
    with pytest.raises(BrokenLink, match="record 1: previous link: expected"):
        Journal.open(TamperedStorage(ours, lambda records: [records[0], foreign]), KEY)


async def test_the_history_before_a_snapshot_cannot_be_put_back_before_it() -> None:
    storage = MemoryStorage()
    journal = founded(storage)
    history = storage.read().records
    await journal.replace([b"all"])
    with pytest.raises(BrokenLink, match="record 1: place: expected nothing before a snapshot"):
        Journal.open(TamperedStorage(storage, lambda records: history + records), KEY)


async def test_a_snapshot_without_its_end_is_refused() -> None:
    storage = MemoryStorage()
    await founded(storage).replace([b"all", b"of it"])
    with pytest.raises(BrokenLink, match="expected the rest of the append before it"):
        Journal.open(TamperedStorage(storage, lambda records: records[:1]), KEY)


async def test_another_key_is_told_from_damage(storage: Storage) -> None:
    founded(storage)
    with pytest.raises(WrongKey):
        Journal.open(storage, DataKey(b"x" * 32))
    assert bodies_in(storage) == [b"first"]


def test_a_keyring_is_read_before_there_is_a_key(storage: Storage) -> None:
    assert isinstance(read_keyring(storage), NoJournal)
    Journal.create(storage, KEY, [b"first"], journal_id=ID, wrapped_keys={"cce": b"c"}, notes={"language": b"1"})
    assert Keyring(ID, {"cce": b"c"}, {"language": b"1"}, KEY.check_value(ID)) == read_keyring(storage)


def test_a_second_journal_is_not_written_over_the_first(storage: Storage) -> None:
    founded(storage)
    with pytest.raises(Conflict, match="expected record -1 to be the last, got 0"):
        founded(storage, b"another")
    assert bodies_in(storage) == [b"first"]


def test_a_journal_moved_aside_makes_room_for_a_new_one(storage: Storage) -> None:
    founded(storage)
    storage.move_aside()
    assert isinstance(read_keyring(storage), NoJournal)
    founded(storage, b"anew")
    assert bodies_in(storage) == [b"anew"]


async def test_closing_waits_for_what_is_under_way_and_then_refuses() -> None:
    storage = MemoryStorage()
    journal = founded(storage)
    pending = journal.append([b"under way"])
    await journal.close()
    assert pending.done()
    with pytest.raises(JournalError, match="the journal was closed"):
        journal.append([b"too late"])
    assert bodies_in(storage) == [b"first", b"under way"]


async def test_the_same_place_written_twice_uses_another_nonce() -> None:
    class LosesWrites(MemoryStorage):
        seen: list[bytes]

        def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
            self.seen.extend(records)
            raise StorageFailed("memory", "write", "power cut")

        def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
            self.seen = []
            super().put_meta(meta)
            super().append(records, expected_head=-1)

    storage = LosesWrites()
    founded(storage)
    for body in (b"before the power cut", b"after the power cut."):
        journal, _ = Journal.open(storage, KEY)
        with pytest.raises(StorageFailed):
            await journal.append([body])
    first, second = storage.seen
    assert first[:42] == second[:42]
    assert first[42:54] != second[42:54]
