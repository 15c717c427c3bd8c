"""Calls as honest clients make them: grpcio and bare HTTP/2."""

import asyncio
from typing import Any

import grpc
import h2.events
import pytest

from coordinator.rpc.unary import Peer, RpcError, RpcLimits, StatusCode

HEADERS = (
    (":method", "POST"),
    (":scheme", "https"),
    (":path", "/rpc.Marble/Activate"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)


async def echo(message: bytes, peer: Peer) -> bytes:
    return message


async def refusal(door: Any, call: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as refused:
        await call(door.port, *arguments, **options)
    return refused.value


async def test_grpcio_gets_its_answer_and_the_handler_learns_who_called(
    marble_door: Any, call: Any, client_identity: Any
) -> None:
    peers = []

    async def handler(message: bytes, peer: Peer) -> bytes:
        peers.append(peer)
        return message[::-1]

    async with marble_door(handler) as door:
        assert await call(door.port, b"abc") == b"cba"
    assert peers == [Peer(client_identity.der, "127.0.0.1")]


@pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024])
async def test_messages_up_to_the_limit_pass_in_both_directions(marble_door: Any, call: Any, size: int) -> None:
    async with marble_door(echo) as door:
        assert await call(door.port, bytes(size)) == bytes(size)


async def test_a_message_above_the_limit_is_resource_exhausted(marble_door: Any, call: Any) -> None:
    async with marble_door(echo) as door:
        error = await refusal(door, call, bytes(4 * 1024 * 1024 + 1))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "message: expected at most 4194304 bytes, got 4194305"


async def test_an_answer_may_be_larger_than_every_window(marble_door: Any, call: Any) -> None:
    async def large(message: bytes, peer: Peer) -> bytes:
        return bytes(8_000_000)

    async with marble_door(large) as door:
        assert len(await call(door.port, b"")) == 8_000_000


async def test_one_connection_carries_many_calls(marble_door: Any, call: Any) -> None:
    async with marble_door(echo, RpcLimits(resets=2, control_frames=40)) as door:
        assert await call(door.port, b"x" * 70_000, times=100) == b"x" * 70_000


async def test_an_unknown_method_is_unimplemented(marble_door: Any, call: Any) -> None:
    async with marble_door(echo) as door:
        error = await refusal(door, call, b"x", method="/grpc.health.v1.Health/Check")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_compression_is_unimplemented(marble_door: Any, call: Any) -> None:
    async with marble_door(echo) as door:
        error = await refusal(door, call, bytes(10_000), compression=grpc.Compression.Gzip)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_refusal_arrives_with_its_code_and_every_character_of_its_text(marble_door: Any, call: Any) -> None:
    text = "marble 'bäckend':\n  100 % refused – 雪"

    async def refuse(message: bytes, peer: Peer) -> bytes:
        raise RpcError(StatusCode.PERMISSION_DENIED, text)

    async with marble_door(refuse) as door:
        error = await refusal(door, call, b"x")
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert error.details() == text


async def test_a_bug_in_a_handler_says_nothing_of_itself_to_the_peer(
    marble_door: Any, call: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(message: bytes, peer: Peer) -> bytes:
        raise KeyError("a secret")

    async with marble_door(broken) as door:
        error = await refusal(door, call, b"x")
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "internal error"
    assert "bug: the handler of /rpc.Marble/Activate failed" in caplog.text


async def test_the_clients_deadline_is_kept_and_its_handler_cancelled(marble_door: Any, bare: Any) -> None:
    cancelled = asyncio.Event()

    async def slow(message: bytes, peer: Peer) -> bytes:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return b""

    async with marble_door(slow) as door, bare(door.port) as client:
        stream_id = client.open((*HEADERS, ("grpc-timeout", "50m")))
        client.h2.send_data(stream_id, bytes(5), end_stream=True)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "4"
        await asyncio.wait_for(cancelled.wait(), 1)


async def test_our_deadline_is_kept_where_the_client_has_none(marble_door: Any, bare: Any) -> None:
    async def slow(message: bytes, peer: Peer) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with marble_door(slow, RpcLimits(deadline_seconds=0.05)) as door, bare(door.port) as client:
        client.h2.send_data(client.open(), bytes(5), end_stream=True)
        client.open()  # and a call whose message never comes
        await client.flush()
        assert [(await client.trailers())["grpc-status"] for _ in range(2)] == ["4", "4"]


@pytest.mark.parametrize("way", ["reset", "goes away"])
async def test_the_handler_is_cancelled_when_the_client_no_longer_waits(marble_door: Any, bare: Any, way: str) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(message: bytes, peer: Peer) -> bytes:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return b""

    async with marble_door(slow) as door, bare(door.port) as client:
        stream_id = client.open()
        client.h2.send_data(stream_id, bytes(5), end_stream=True)
        await client.flush()
        await asyncio.wait_for(started.wait(), 2)
        if way == "reset":
            client.h2.reset_stream(stream_id, 8)
            await client.flush()
        else:
            client.writer.close()
        await asyncio.wait_for(cancelled.wait(), 2)


@pytest.mark.parametrize(
    ("headers", "end", "status"),
    [
        (((":method", "GET"), *HEADERS[1:]), True, "405"),
        ((*HEADERS[:4], ("content-type", "application/json")), False, "415"),
        (HEADERS[:4], True, "415"),
    ],
)
async def test_what_is_no_grpc_gets_an_http_status(
    marble_door: Any, bare: Any, call: Any, headers: Any, end: bool, status: str
) -> None:
    async with marble_door(echo) as door, bare(door.port) as client:
        client.open(headers, end=end)
        await client.flush()
        assert (await client.trailers())[":status"] == status
        client.h2.send_data(client.open(), bytes(5), end_stream=True)  # the connection lives
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("body", "end", "status"),
    [
        (b"\0\0\0\0\x02ab", True, "0"),
        (b"\0\0\0\0\x03ab", True, "13"),
        (b"\0\0\0\0\x01ab", False, "13"),
        (b"\x01\0\0\0\x02ab", True, "13"),
        (b"\0\0\0", True, "13"),
        (b"", True, "13"),
    ],
)
async def test_a_request_is_exactly_one_message(
    marble_door: Any, bare: Any, body: bytes, end: bool, status: str
) -> None:
    async with marble_door(echo) as door, bare(door.port) as client:
        client.h2.send_data(client.open(), body, end_stream=end)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == status


@pytest.mark.parametrize("value", ["", "S", "1", "123456789S", "-1S", "1x", "1.5S"])
async def test_a_malformed_timeout_is_refused(marble_door: Any, bare: Any, value: str) -> None:
    async with marble_door(echo) as door, bare(door.port) as client:
        client.h2.send_data(client.open((*HEADERS, ("grpc-timeout", value))), bytes(5), end_stream=True)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "13"


async def test_a_call_in_which_header_message_and_reset_come_together_harms_nobody(marble_door: Any, bare: Any) -> None:
    async with marble_door(echo) as door, bare(door.port) as client:
        for end in (True, False):
            stream_id = client.open((*HEADERS[:2], (":path", "/unknown"), *HEADERS[3:]))
            client.h2.send_data(stream_id, bytes(5), end_stream=end)
            client.h2.reset_stream(stream_id, 8)
        client.h2.send_data(client.open(), bytes(5), end_stream=True)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "0"


async def test_draining_answers_open_calls_refuses_new_ones_and_closes(marble_door: Any, bare: Any) -> None:
    go = asyncio.Event()

    async def wait(message: bytes, peer: Peer) -> bytes:
        await go.wait()
        return b"done"

    async with marble_door(wait) as door, bare(door.port) as client:
        stream_id = client.open()
        client.h2.send_data(stream_id, bytes(5), end_stream=True)
        await client.flush()
        await client.until(h2.events.SettingsAcknowledged)
        await asyncio.sleep(0.02)
        door.server.drain()
        raw = await client.reader.readexactly(9 + 8)  # GOAWAY by hand: h2's client forgets its calls when it sees one
        assert (raw[3], raw[9:13], raw[13:17]) == (7, stream_id.to_bytes(4, "big"), bytes(4))
        late = client.open()
        client.h2.send_data(late, bytes(5), end_stream=True)
        await client.flush()
        reset = await client.until(h2.events.StreamReset)
        assert reset is not None
        assert (reset.stream_id, reset.error_code) == (late, 7)
        go.set()
        assert (await client.trailers())["grpc-status"] == "0"
        assert await client.until(()) is None


@pytest.mark.parametrize("limits", [RpcLimits(idle_seconds=0.05), RpcLimits(age_seconds=0.05)])
async def test_an_idle_or_old_connection_is_closed_with_goaway(marble_door: Any, bare: Any, limits: RpcLimits) -> None:
    async with marble_door(echo, limits) as door, bare(door.port) as client:
        client.h2.send_data(client.open(), bytes(5), end_stream=True)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "0"
        goaway = await client.until(h2.events.ConnectionTerminated, 1)
        assert isinstance(goaway, h2.events.ConnectionTerminated)
        assert goaway.error_code == 0
        assert await client.until(()) is None


async def test_a_call_keeps_its_connection_from_being_idle(marble_door: Any, call: Any) -> None:
    async def slow(message: bytes, peer: Peer) -> bytes:
        await asyncio.sleep(0.15)
        return b"late"

    async with marble_door(slow, RpcLimits(idle_seconds=0.05)) as door:
        assert await call(door.port, b"") == b"late"
