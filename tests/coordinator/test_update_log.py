"""The update log: every entry for ever, and a new one costs what it adds."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.state.events import LogEntry, LogKept, LogPacked, decode_event, encode_event
from coordinator.state.model import State
from coordinator.state.replay import ReplayFailed, condense, replay, replay_all
from coordinator.state.update_log import PAGE, PageUnreadable, UpdateLog
from tests.support.states import deployed_state


def entry(number: int) -> LogEntry:
    details: dict[str, str | int | tuple[str, ...]] = {"user": "alice", "secret": f"s{number}", "users": ("bob", "eve")}
    return LogEntry(1_700_000_000_000 + number, "secret set", details)


ENTRIES = tuple(entry(number) for number in range(3 * PAGE + 5))


def packed(state: State) -> LogPacked:
    (event,) = (event for event in condense(state) if isinstance(event, LogPacked))
    return event


@given(st.lists(st.integers(0, 2 * PAGE), max_size=6))
def test_however_entries_come_they_are_all_there_in_order(sizes: list[int]) -> None:
    log, written = UpdateLog(), 0
    for size in sizes:
        log = log.plus(*(ENTRIES * 4)[written : written + size])
        written += size
    assert (ENTRIES * 4)[:written] == tuple(log)
    assert (written, True) == (len(log), len(log.recent) < PAGE)
    assert log == UpdateLog.read(log.pages, log.recent)


def test_a_longer_log_shares_the_pages_of_the_shorter_one_and_a_page_is_small() -> None:
    log = UpdateLog().plus(*ENTRIES)
    longer = log.plus(entry(9), entry(10))
    assert all(mine is theirs for mine, theirs in zip(log.pages, longer.pages, strict=True))
    assert sum(map(len, log.pages)) < 40 * len(log)


def test_a_snapshot_keeps_every_entry_of_a_long_log() -> None:
    state = deployed_state()
    log = state.deployment.log if state.deployment is not None else UpdateLog()
    state = replay(state, LogPacked(log.plus(*ENTRIES).pages, log.plus(*ENTRIES).recent))
    again = replay_all([decode_event(encode_event(event)) for event in condense(state)])
    assert again.deployment is not None
    assert (*log, *ENTRIES) == tuple(again.deployment.log)
    assert packed(state) == packed(again)


def test_the_log_of_a_snapshot_of_before_there_were_pages_is_still_read() -> None:
    """Its first entry is that of the manifest; those which an update that waits has made are in it again."""
    state = deployed_state()
    assert state.deployment is not None
    (first,) = state.deployment.log
    state = replay(state, LogPacked((), (first, entry(1))))
    state = replay(state, LogKept((entry(1), entry(2))))
    assert state.deployment is not None
    assert (first, entry(1), entry(2)) == tuple(state.deployment.log)


GOOD = UpdateLog().plus(*ENTRIES[:PAGE]).pages[0]


@pytest.mark.parametrize(
    "page",
    [
        GOOD[:-1],
        GOOD + b"\0",
        zlib.compress(msgspec.msgpack.encode(ENTRIES[: PAGE - 1])),
        zlib.compress(b"\xc1"),
        b"",
    ],
    ids=["cut", "longer", "an entry less", "no MessagePack", "empty"],
)
def test_a_page_that_holds_something_else_is_refused(page: bytes) -> None:
    assert ENTRIES[:PAGE] == tuple(UpdateLog.read((GOOD,), ()))
    with pytest.raises(PageUnreadable):
        UpdateLog.read((page,), ())
    with pytest.raises(ReplayFailed, match="update log"):
        replay(deployed_state(), LogPacked((page,), ()))
