"""Whatever frames come, in whatever pieces: no error but the protocol's, and everything that was held is given back."""

import asyncio
from typing import Any

import hpack
import pytest
from hyperframe import frame
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.rpc.limits import Allowance
from coordinator.rpc.unary import Peer, RpcError, RpcLimits, StatusCode, UnaryProtocol

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame.SettingsFrame(0).serialize()
CALL = [(":method", "POST"), (":scheme", "https"), (":authority", "x"), ("content-type", "application/grpc")]
BODIES = (b"", bytes(3), bytes(5), b"\0\0\0\0\x02ab", b"\x01\0\0\0\0", b"\0\xff\xff\xff\xff", b"\0\0\0\0\x01ab")
EXTRA: tuple[list[tuple[str, str]], ...] = (
    [],
    [],
    [("grpc-timeout", "1u")],
    [("grpc-encoding", "gzip")],
    [("te", "x")],
)


class Wire(asyncio.Transport):
    """A transport whose other end is a test."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: Any) -> None:
        assert data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def _call(stream_id: int, path: str, extra: Any, body: bytes, end: bool, reset: bool) -> bytes:
    headers = frame.HeadersFrame(stream_id, flags=["END_HEADERS"])
    headers.data = hpack.Encoder().encode([(":path", path), *CALL, *extra])
    data = frame.DataFrame(stream_id, body, flags=["END_STREAM"] if end else [])
    tail = frame.RstStreamFrame(stream_id, 8).serialize() if reset else b""
    return headers.serialize() + data.serialize() + tail


def _other(kind: int, stream_id: int, number: int) -> bytes:
    frames: tuple[frame.Frame, ...] = (
        frame.DataFrame(stream_id, b"ab", flags=["END_STREAM"] if number % 2 else []),
        frame.RstStreamFrame(stream_id, number),
        frame.WindowUpdateFrame(number % 2 * stream_id, 1 + number * 4_000_000),
        frame.SettingsFrame(0, {number % 7: number * 2000}),
        frame.PingFrame(0, bytes(8)),
        frame.PriorityFrame(stream_id, 0, 3),
        frame.ContinuationFrame(stream_id, b"\x82"),
        frame.GoAwayFrame(0, stream_id, number),
    )
    return frames[kind].serialize()


calls = st.tuples(
    st.sampled_from(["/a/B", "/a/B", "/a/C"]),
    st.sampled_from(EXTRA),
    st.sampled_from(BODIES),
    st.booleans(),
    st.booleans(),
)
others = st.tuples(st.integers(0, 7), st.sampled_from([1, 1, 3, 5, 7, 2]), st.integers(1, 20))
events = st.lists(st.one_of(calls, calls, others, st.binary(max_size=20), st.none()), max_size=16)


@given(events, st.sampled_from([1, 30, 10_000]), st.booleans())
@settings(max_examples=120, deadline=None)
def test_no_frames_break_a_connection_in_any_other_way(happenings: list[Any], piece: int, draining: bool) -> None:
    asyncio.run(_play(happenings, piece, draining))


async def _play(happenings: list[Any], piece: int, draining: bool) -> None:
    async def handler(message: bytes, peer: Peer) -> bytes:
        await asyncio.sleep(0)
        if message:
            raise RpcError(StatusCode.INTERNAL, "refused")
        return bytes(100_000)

    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    memory, wire, connections = Allowance.of(30), Wire(), set[UnaryProtocol]()
    connection = UnaryProtocol({"/a/B": handler}, RpcLimits(), memory=memory, connections=connections)
    connection.connection_made(wire)
    raw, stream_id = PREFACE, -1
    for happening in happenings:
        if happening is None:
            (connection.drain if draining else connection.pause_writing)()
        elif isinstance(happening, bytes):
            raw += happening
        elif len(happening) == 3:
            raw += _other(*happening)
        else:
            stream_id += 2
            raw += _call(stream_id, *happening)
        while raw and not wire.closed:
            connection.data_received(raw[:piece])
            raw = raw[piece:]
        await asyncio.sleep(0)
    connection.resume_writing()
    for _ in range(3):
        await asyncio.sleep(0)
    wire.close()
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert failures == []
    assert (memory.left, connections) == (memory.full, set())
    assert len(asyncio.all_tasks()) == 1


async def test_a_call_after_goaway_is_not_handled_even_if_its_refusal_must_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handled = []

    async def handler(message: bytes, peer: Peer) -> bytes:
        handled.append(message)
        return b""

    connection = UnaryProtocol({"/a/B": handler}, RpcLimits())
    connection.connection_made(Wire())
    connection.data_received(PREFACE + _call(1, "/a/B", (), bytes(2), False, False))
    connection.drain()
    connection.pause_writing()
    connection.data_received(_call(3, "/a/B", (), bytes(5), True, False))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert handled == []
    connection.connection_lost(None)
    assert caplog.text == ""
