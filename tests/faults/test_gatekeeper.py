"""The watch over headers and bodies, by itself: however the bytes come, the verdict is the same."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.limits import RestLimits
from coordinator.rest.gatekeeper import BodyMemory, BodyTooLong, HeaderGuard, NoRoom

LIMITS = RestLimits(header=100)
HEADER = b"GET / HTTP/1.1\r\nX: " + b"y" * 77 + b"\r\n\r\n"
cuts = st.lists(st.integers(1, 300), max_size=8)


class Connection(asyncio.Transport):
    """A transport that remembers what was written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True


class Receiver(asyncio.Protocol):
    """A protocol that remembers what came."""

    def __init__(self) -> None:
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data


def feed(raw: bytes, at: Sequence[int]) -> tuple[bytes, Connection]:
    """What is handed on of `raw`, cut at these places, and the connection afterwards."""

    async def run() -> tuple[bytes, Connection]:
        receiver, connection = Receiver(), Connection()
        guard = HeaderGuard(receiver, LIMITS)
        guard.connection_made(connection)
        places = [0, *sorted(place for place in at if place < len(raw)), len(raw)]
        for begin, end in pairwise(places):
            if not connection.closed:
                guard.data_received(raw[begin:end])
        guard.connection_lost(None)
        return receiver.received, connection

    return asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(at=cuts, empty_lines=st.integers(0, 3))
def test_a_header_of_the_limit_and_any_body_pass_however_they_are_cut(at: list[int], empty_lines: int) -> None:
    assert len(HEADER) == LIMITS.header
    received, connection = feed(b"\r\n" * empty_lines + HEADER + b"b" * 200, at)
    assert received.endswith(HEADER + b"b" * 200)
    assert not connection.closed


@settings(max_examples=60, deadline=None)
@given(at=cuts, empty_lines=st.integers(0, 3))
def test_a_header_of_one_byte_more_is_431_however_it_is_cut(at: list[int], empty_lines: int) -> None:
    _, connection = feed(b"\r\n" * empty_lines + HEADER.replace(b"X: ", b"X: y") + b"b" * 200, at)
    assert connection.written.startswith(b"HTTP/1.1 431 ")
    assert connection.closed


async def test_a_header_that_does_not_end_is_408_and_the_next_one_has_its_own_time() -> None:
    receiver, connection = Receiver(), Connection()
    guard = HeaderGuard(receiver, RestLimits(request_seconds=0.05))
    guard.connection_made(connection)
    guard.data_received(HEADER)
    await asyncio.sleep(0.1)
    assert not connection.closed, "the header is complete, and the rest is the application's"
    guard.answered()
    guard.data_received(HEADER[:-1])
    await asyncio.sleep(0.1)
    assert connection.written.startswith(b"HTTP/1.1 408 ")
    assert connection.closed


async def test_bodies_share_a_memory_that_is_given_back() -> None:
    memory = BodyMemory(10)
    with memory.share() as one:
        assert b"x" * 8 == await one.read(pieces(b"xxxx", b"xxxx"), 8)
        with memory.share() as two, pytest.raises(NoRoom):
            await two.read(pieces(b"yy", b"y"), 8)
    with memory.share() as three:
        assert b"z" * 10 == await three.read(pieces(b"z" * 10), 10)
    with memory.share() as four, pytest.raises(BodyTooLong):
        await four.read(pieces(b"z" * 5, b"z" * 4), 8)
    with memory.share() as five:
        assert b"z" * 10 == await five.read(pieces(b"z" * 10), 10)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
