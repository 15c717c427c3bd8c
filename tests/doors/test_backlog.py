import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.doors.backlog import PIECE, Backlog

Sizes = st.lists(st.sampled_from([1, 7, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5]), max_size=12)


@given(Sizes)
@settings(max_examples=40, deadline=None)
def test_what_goes_in_comes_out_in_pieces_of_bounded_size(sizes: list[int]) -> None:
    backlog = Backlog(1000)
    expected = b""
    for number, size in enumerate(sizes):
        data = bytes([number]) * size
        backlog.add(data)
        expected += data
    assert backlog.size == len(expected)
    got = b""
    while backlog.size:
        piece = backlog.take()
        assert 0 < len(piece) <= PIECE
        got += piece
    assert got == expected


def test_small_writes_become_one_piece() -> None:
    backlog = Backlog(1000)
    for _ in range(100):
        backlog.add(b"small")
    assert len(backlog.take()) == 500


def test_a_buffer_that_its_owner_changes_later_is_not_changed_here() -> None:
    backlog, buffer = Backlog(1000), bytearray(b"then")
    backlog.add(buffer)
    buffer[:] = b"now!"
    assert bytes(backlog.take()) == b"then"


@pytest.mark.parametrize(
    ("high", "low", "expected"),
    [(None, None, (250, 1000)), (400, None, (100, 400)), (None, 10, (10, 40)), (5, 5, (5, 5)), (0, None, (0, 0))],
)
def test_water_marks_default_as_in_asyncio(high: int | None, low: int | None, expected: tuple[int, int]) -> None:
    backlog = Backlog(1000)
    backlog.set_limits(high, low)
    assert (backlog.low_water, backlog.high_water) == expected


def test_a_low_water_above_the_high_one_is_refused() -> None:
    with pytest.raises(ValueError, match="expected high >= low >= 0, got 1 and 2"):
        Backlog(1000).set_limits(1, 2)
