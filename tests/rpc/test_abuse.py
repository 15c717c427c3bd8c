"""What an attacker does on one connection that any self-signed certificate opens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import h2.events
import h2.settings
import pytest
from hyperframe import frame

from coordinator.rpc.unary import Peer, RpcLimits

METHOD = "/rpc.Marble/Activate"
GIANT = b"\0\xff\xff\xff\xf0"


class Counting:
    """A handler that counts how often it began, and ends at once."""

    began = 0

    async def __call__(self, message: bytes, peer: Peer) -> bytes:
        self.began += 1
        await asyncio.sleep(0)
        return message


@pytest.fixture
def survives(marble_door: Any, bare: Any) -> Any:
    """async with survives(handler, limits) as client: misbehave; afterwards an honest client is served at once."""

    @asynccontextmanager
    async def _survives(handler: Any, limits: RpcLimits = RpcLimits()) -> AsyncIterator[Any]:  # noqa: B008 - frozen
        async with marble_door(handler, limits) as door:
            started = time.process_time()
            async with bare(door.port) as client:
                yield client
            assert time.process_time() - started < 3.0
            async with bare(door.port) as honest:
                honest.h2.send_data(honest.open(), bytes(5), end_stream=True)
                await honest.flush()
                assert (await honest.trailers())["grpc-status"] == "0"

    return _survives


async def cut_off(client: Any) -> h2.events.ConnectionTerminated:
    goaway = await client.until(h2.events.ConnectionTerminated)
    assert isinstance(goaway, h2.events.ConnectionTerminated)
    assert await client.until(()) is None
    return goaway


@pytest.mark.parametrize("complete", [False, True])
async def test_rapid_reset_is_cut_off_after_the_limit(survives: Any, complete: bool) -> None:
    handler = Counting()
    async with survives(handler) as client:
        for _ in range(300):
            stream_id = client.open()
            if complete:
                client.h2.send_data(stream_id, bytes(5), end_stream=True)
            client.h2.reset_stream(stream_id, 8)
        await client.flush()
        assert (await cut_off(client)).error_code == 11  # ENHANCE_YOUR_CALM
    assert handler.began <= 51 + 1


async def test_resets_within_the_limit_are_borne(survives: Any) -> None:
    async with survives(Counting()) as client:
        for _ in range(50):
            client.h2.reset_stream(client.open(), 8)
        client.h2.send_data(client.open(), bytes(5), end_stream=True)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "0"


async def test_errors_that_make_us_reset_count_like_resets(survives: Any) -> None:
    async with survives(Counting(), RpcLimits(resets=20)) as client:
        for _ in range(40):  # "MadeYouReset", CVE-2025-8671: a window increment of zero
            stream_id = client.open()
            await client.flush()
            update = frame.WindowUpdateFrame(stream_id)
            update.window_increment = 0
            await client.send(update.serialize()[:-4] + bytes(4))
        assert await client.until(()) is None


async def test_a_giant_message_is_refused_at_its_prefix(survives: Any) -> None:
    async with survives(Counting()) as client:
        client.h2.send_data(client.open(), GIANT)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "8"
        reset = await client.until(h2.events.StreamReset)
        assert reset is not None


async def test_half_sent_messages_of_one_connection_share_a_bound(survives: Any) -> None:
    limits = RpcLimits(message=60_000, buffered=100_000)
    async with survives(Counting(), limits) as client:
        streams = [client.open() for _ in range(4)]
        await client.flush()
        for stream_id in streams:
            client.h2.send_data(stream_id, b"\0" + (50_000).to_bytes(4, "big") + bytes(11_000))
            await client.flush()
        await client.until(h2.events.SettingsAcknowledged)
        await asyncio.sleep(0.05)
        for _ in range(4):
            for stream_id in streams:
                client.h2.send_data(stream_id, bytes(8_000))
            await client.flush()
            await asyncio.sleep(0.01)
            try:
                assert (await client.trailers(0.1))["grpc-status"] == "8"
            except TimeoutError:
                continue
            return
        pytest.fail("100 kB were exceeded and nobody was refused")


async def test_half_sent_messages_of_all_connections_share_a_bound(marble_door: Any, bare: Any) -> None:
    limits = RpcLimits(buffered_total=30_000)
    async with marble_door(Counting(), limits) as door, bare(door.port) as one, bare(door.port) as two:
        half = b"\0" + (40_000).to_bytes(4, "big") + bytes(16_000)
        for client in (one, two):
            client.h2.send_data(client.open(), half[:16_000])
            await client.flush()
            await asyncio.sleep(0.05)
        assert (await two.trailers())["grpc-status"] == "8"
        one.writer.transport.abort()
        await asyncio.sleep(0.05)
        two.h2.send_data(two.open(), b"\0" + (11_000).to_bytes(4, "big") + bytes(11_000), end_stream=True)
        await two.flush()
        assert (await two.trailers())["grpc-status"] == "0"  # what the first one held is free again


async def test_a_continuation_flood_is_cut_off(survives: Any) -> None:
    async with survives(Counting()) as client:
        headers = frame.HeadersFrame(1)
        headers.data = client.h2.encoder.encode([(":method", "POST")])
        flood = headers.serialize()
        for _ in range(100):
            continuation = frame.ContinuationFrame(1)
            continuation.data = b"\x00\x01a\x7f\x80\x3f" + b"b" * 8000
            flood += continuation.serialize()
        await client.send(flood)
        await cut_off(client)


async def test_a_header_list_that_unpacks_to_more_than_the_limit_is_cut_off(survives: Any) -> None:
    async with survives(Counting()) as client:
        headers = frame.HeadersFrame(1, flags=["END_HEADERS"])
        headers.data = b"\x40\x01a\x7f\xe1\x1e" + b"b" * 4000 + b"\xbe" * 4
        await client.send(headers.serialize())
        await cut_off(client)


@pytest.mark.parametrize(
    "kind", ["ping", "settings", "priority", "window update", "unknown", "empty data", "small data"]
)
async def test_a_flood_of_frames_that_carry_no_call_is_cut_off(survives: Any, kind: str) -> None:
    async with survives(Counting()) as client:
        stream_id = client.open()
        await client.flush()
        frames = {
            "ping": frame.PingFrame(0, b"12345678"),
            "settings": frame.SettingsFrame(0, {3: 100}),
            "priority": frame.PriorityFrame(stream_id, depends_on=0, stream_weight=3),
            "window update": frame.WindowUpdateFrame(0, 1),
            "unknown": frame.ExtensionFrame(0xBB, 0),
            "empty data": frame.DataFrame(stream_id, b""),
            "small data": frame.DataFrame(stream_id, b"x"),
        }
        await client.send(frames[kind].serialize() * 2000)
        assert (await cut_off(client)).error_code == 11


async def test_a_ping_flood_whose_answers_nobody_reads_does_not_grow_us(survives: Any) -> None:
    limits = RpcLimits(control_frames=10**9)  # only back-pressure is left
    async with survives(Counting(), limits) as client:
        client.writer.transport.pause_reading()
        pings = frame.PingFrame(0, b"12345678").serialize() * 10_000
        sent = 0
        try:
            async with asyncio.timeout(0.3):
                for _ in range(100):
                    await client.send(pings)
                    sent += len(pings)
        except TimeoutError:
            pass
        assert sent < 16_000_000  # the rest was never read: the kernel's buffers are full


async def test_more_streams_than_allowed_are_cut_off_and_as_many_are_fine(survives: Any) -> None:
    async with survives(Counting(), RpcLimits(streams=10)) as client:
        await client.until(h2.events.RemoteSettingsChanged)
        client.h2.remote_settings.update({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1000})
        client.h2.remote_settings.acknowledge()
        streams = [client.open() for _ in range(10)]
        await client.flush()
        client.h2.send_data(streams[0], bytes(5), end_stream=True)
        await client.flush()
        assert (await client.trailers())["grpc-status"] == "0"
        for _ in range(2):
            client.open()
        await client.flush()
        await cut_off(client)


async def test_a_client_that_does_not_take_its_answer_is_reset_at_the_deadline(survives: Any) -> None:
    async def large(message: bytes, peer: Peer) -> bytes:
        return bytes(200_000 if message else 0)

    async with survives(large, RpcLimits(deadline_seconds=0.1)) as client:
        client.h2.send_data(client.open(), b"\0\0\0\0\x01x", end_stream=True)
        await client.flush()
        while not isinstance(event := await client.until(h2.events.Event), h2.events.StreamReset):
            assert event is not None  # DataReceived, which we never acknowledge
        assert event.error_code == 8  # CANCEL


@pytest.mark.parametrize("bound", ["buffered", "buffered_total"])
async def test_answers_that_nobody_takes_share_a_bound(marble_door: Any, bare: Any, bound: str) -> None:
    async def large(message: bytes, peer: Peer) -> bytes:
        return bytes(20_000)

    closed = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
    async with marble_door(large, replace(RpcLimits(), **{bound: 50_000})) as door, bare(door.port) as client:
        await client.until(h2.events.RemoteSettingsChanged)
        client.h2.update_settings(closed)
        for _ in range(5):
            client.h2.send_data(client.open(), bytes(5), end_stream=True)
        await client.flush()
        dropped = [await client.until(h2.events.StreamReset) for _ in range(3)]
        assert [11, 11, 11] == [event.error_code for event in dropped]  # ENHANCE_YOUR_CALM
        client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        client.h2.increment_flow_control_window(200_000)
        await client.flush()
        for _ in range(2):  # those that were kept
            assert "0" == (await client.trailers())["grpc-status"]
        for _ in range(5):  # at once, as an honest client takes them
            client.h2.send_data(client.open(), bytes(5), end_stream=True)
        await client.flush()
        for _ in range(5):
            assert "0" == (await client.trailers())["grpc-status"]


async def test_a_frame_longer_than_allowed_is_cut_off_at_its_header(survives: Any) -> None:
    async with survives(Counting()) as client:
        await client.send((16 * 1024 + 1).to_bytes(3, "big") + bytes(6))
        assert (await cut_off(client)).error_code == 11


async def test_a_header_block_of_table_sizes_is_cut_off(survives: Any) -> None:
    async with survives(Counting()) as client:
        await client.send(frame.HeadersFrame(1, b"\x3f\xe1\x1f" * 1000, flags=["END_HEADERS"]).serialize())
        assert (await cut_off(client)).error_code == 1  # PROTOCOL_ERROR


async def test_what_is_no_http_2_is_cut_off(survives: Any) -> None:
    async with survives(Counting()) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        assert await client.until(()) is None
