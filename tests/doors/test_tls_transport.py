"""What happens when the peer is slow, rude, half gone, or does not speak TLS at all."""

import asyncio
import hashlib
import os
import socket
import ssl
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("version", [V12, V13])


def raw(port: int, *, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(5)
    connection.connect(("127.0.0.1", port))
    return connection


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket.close(connection)


def until_closed(connection: socket.socket) -> bytes:
    got = b""
    while data := connection.recv(65536):
        got += data
    return got


def echoed(port: int, context: ssl.SSLContext, data: bytes = b"hello") -> bytes:
    with context.wrap_socket(raw(port)) as connection:
        connection.sendall(data)
        got = b""
        while len(got) < len(data):
            got += connection.recv(65536)
        return got


async def eventually(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


NOISE = b"".join(hashlib.sha512(number.to_bytes(4, "big")).digest() for number in range(16_384))  # 1 MiB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.0 400 Bad Request\r\n\r\nthis port speaks HTTPS only\n"),
        (NOISE[:4096], b""),
        (b"\x16\x03\x01\xff\xff" + bytes(100), b"\x15\x03\x03\x00\x02\x02\x16"),  # alert record_overflow
    ],
)
async def test_who_speaks_no_tls_is_told_and_not_reset(open_door: Any, echo: Any, text: bytes, expected: bytes) -> None:
    async with open_door(echo) as door:

        def attempt() -> bytes:
            with raw(door.port) as connection:
                connection.sendall(text)
                return until_closed(connection)

        answer = await asyncio.to_thread(attempt)
    assert answer == expected
    assert door.inner == []


async def test_resets_in_the_middle_of_a_handshake_leave_nothing_behind(
    open_door: Any, echo: Any, client_context: Any
) -> None:
    async with open_door(echo) as door:
        before = open_files()

        def rude() -> None:
            for _ in range(50):
                connection = raw(door.port)
                connection.sendall(b"\x16\x03\x01\x02\x00\x01")
                reset(connection)
            for _ in range(20):
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                client = client_context().wrap_bio(incoming, outgoing)
                with pytest.raises(ssl.SSLWantReadError):
                    client.do_handshake()
                connection = raw(door.port)
                connection.sendall(outgoing.read())
                connection.recv(100)
                reset(connection)

        await asyncio.to_thread(rude)
        assert await asyncio.to_thread(echoed, door.port, client_context()) == b"hello"
        await eventually(lambda: open_files() <= before)


@both_versions
async def test_every_byte_may_come_alone(
    open_door: Any, echo: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    async with open_door(echo) as door:

        def drip() -> bytes:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = client_context(version=version).wrap_bio(incoming, outgoing)
            connection = raw(door.port)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def step(action: Callable[[], Any]) -> Any:
                while True:
                    try:
                        return action()
                    except ssl.SSLWantReadError:
                        for byte in outgoing.read():
                            connection.sendall(bytes([byte]))
                        incoming.write(connection.recv(65536))

            step(client.do_handshake)
            client.write(b"drop by drop")
            answer = step(lambda: client.read(100))
            connection.close()
            assert isinstance(answer, bytes)
            return answer

        assert await asyncio.to_thread(drip) == b"drop by drop"


@both_versions
async def test_megabytes_arrive_whole_in_both_directions(
    open_door: Any, echo: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    data = NOISE * 8
    async with open_door(echo) as door:
        context = client_context(version=version)
        context.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=context)
        got, _ = await asyncio.gather(reader.readexactly(len(data)), _write(writer, data))
        writer.transport.abort()
    assert got == data


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


class Answers(asyncio.Protocol):
    """Answers what it got, a moment later, and does not close: like a keep-alive HTTP server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(0.05, self.transport.write, b"answer to " + data)


@both_versions
@pytest.mark.parametrize("politely", [True, False])
async def test_a_request_is_answered_though_its_peer_has_closed_its_side(
    open_door: Any, client_context: Any, version: ssl.TLSVersion, politely: bool
) -> None:
    async with open_door(Answers, limits=TlsLimits(quiet_seconds=0.05)) as door:

        def ask() -> bytes:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = client_context(version=version).wrap_bio(incoming, outgoing)
            connection = raw(door.port)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))
            client.write(b"request")
            if politely:
                with pytest.raises(ssl.SSLWantReadError):
                    client.unwrap()  # sends close_notify
            connection.sendall(outgoing.read())
            connection.shutdown(socket.SHUT_WR)
            incoming.write(until_closed(connection))
            connection.close()
            return client.read(100)

        assert await asyncio.wait_for(asyncio.to_thread(ask), 3) == b"answer to request"


@both_versions
async def test_close_notify_is_answered_at_once(
    open_door: Any, echo: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    async with open_door(echo) as door:

        def polite() -> float:
            connection = client_context(version=version).wrap_socket(raw(door.port))
            connection.sendall(b"x")
            connection.recv(1)
            started = os.times().elapsed
            connection.unwrap().close()
            return os.times().elapsed - started

        assert await asyncio.to_thread(polite) < 0.5
        await eventually(lambda: door.inner[0].told == ["eof", "lost"])


async def test_an_answer_before_the_end_of_a_request_is_not_overtaken_by_a_reset(
    open_door: Any, client_context: Any
) -> None:
    class Refuses(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"too large")
            self.transport.close()

    async with open_door(Refuses) as door:

        def upload() -> bytes:
            with client_context(version=V12).wrap_socket(raw(door.port)) as connection:
                for _ in range(20):
                    connection.sendall(bytes(16_000))
                return connection.recv(100)

        assert await asyncio.to_thread(upload) == b"too large"


class Fountain(asyncio.Protocol):
    """Writes whenever it may, up to a size, and then closes."""

    size = 30_000_000

    def __init__(self) -> None:
        self.written = 0
        self.most_buffered = 0
        self.may_write = True
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._flow()

    def pause_writing(self) -> None:
        self.may_write = False

    def resume_writing(self) -> None:
        self.may_write = True
        self._flow()

    def _flow(self) -> None:
        while self.may_write and self.written < self.size:
            self.transport.write(bytes(10_000))
            self.written += 10_000
            self.most_buffered = max(self.most_buffered, self.transport.get_write_buffer_size())
        if self.written >= self.size:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@both_versions
async def test_a_peer_that_does_not_read_pauses_the_writer_and_loses_nothing(
    open_door: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    async with open_door(Fountain) as door:
        go_on = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow_reader() -> int:
            with client_context(version=version).wrap_socket(raw(door.port, receive_buffer=65536)) as connection:
                connection.sendall(b"go")
                connection.recv(1)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
                total = 1
                while data := connection.recv(1 << 18):
                    total += len(data)
                return total

        reading = asyncio.create_task(asyncio.to_thread(slow_reader))
        await asyncio.sleep(0.2)
        fountain = door.inner[0]
        assert not fountain.may_write
        assert fountain.written < 8_000_000  # what the kernel's buffers hold, and ours
        assert fountain.most_buffered <= 64 * 1024 + 10_000
        go_on.set()
        assert await asyncio.wait_for(reading, 5) == Fountain.size


async def test_one_large_write_is_not_encrypted_before_the_peer_reads(open_door: Any, client_context: Any) -> None:
    body = bytes(40_000_000)

    class Large(Fountain):
        def data_received(self, data: bytes) -> None:
            self.transport.write(body)

    async with open_door(Large) as door:
        connection = await asyncio.to_thread(lambda: client_context().wrap_socket(raw(door.port, receive_buffer=65536)))
        tracemalloc.start()
        try:
            await asyncio.to_thread(connection.sendall, b"go")
            await asyncio.sleep(0.2)
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()
        assert door.inner[0].transport.get_write_buffer_size() > 30_000_000
        reset(connection)
        await asyncio.wait_for(door.inner[0].lost.wait(), 2)


async def test_a_peer_that_never_reads_is_cut_off(open_door: Any, client_context: Any) -> None:
    async with open_door(Fountain, limits=TlsLimits(stall_seconds=0.1)) as door:
        connection = await asyncio.to_thread(lambda: client_context().wrap_socket(raw(door.port, receive_buffer=65536)))
        await asyncio.to_thread(connection.sendall, b"go")
        await eventually(lambda: bool(door.inner))
        await asyncio.wait_for(door.inner[0].lost.wait(), 2)
        reset(connection)


async def test_a_peer_that_reads_no_answers_is_not_read_either(open_door: Any, echo: Any, client_context: Any) -> None:
    """What the kernel's buffers hold is all that goes: one to read from us, one each to write."""
    largest = [int(Path(f"/proc/sys/net/ipv4/tcp_{way}mem").read_text().split()[2]) for way in "rww"]
    kernels = 2 * sum(largest)  # it counts its own structures, too
    async with open_door(echo) as door:

        def flood() -> int:
            sent = 0
            connection = client_context().wrap_socket(raw(door.port, receive_buffer=65536))
            connection.settimeout(0.3)
            try:
                while sent < 2 * kernels:
                    sent += connection.send(bytes(65536))
            except (TimeoutError, ssl.SSLError):
                pass
            finally:
                reset(connection)
            return sent

        assert await asyncio.to_thread(flood) < kernels
        assert door.inner[0].transport.get_write_buffer_size() < 1_000_000


async def test_an_application_that_pauses_is_not_fed_and_misses_nothing(open_door: Any, client_context: Any) -> None:
    class Sipping(asyncio.Protocol):
        def __init__(self) -> None:
            self.got = b""
            self.ended = asyncio.Event()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert self.transport.is_reading()
            self.got += data
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.001, self.transport.resume_reading)

        def eof_received(self) -> None:
            self.ended.set()
            self.transport.close()

    data = NOISE
    async with open_door(Sipping) as door:

        def send() -> None:
            with client_context().wrap_socket(raw(door.port)) as connection:
                connection.sendall(data)
                connection.unwrap()

        sending = asyncio.create_task(asyncio.to_thread(send))
        await eventually(lambda: bool(door.inner))
        await asyncio.wait_for(door.inner[0].ended.wait(), 3)
        await sending
    assert door.inner[0].got == data


async def test_resets_during_a_download_reach_the_application(open_door: Any, client_context: Any) -> None:
    async with open_door(Fountain) as door:

        def rude() -> None:
            for _ in range(10):
                connection = client_context().wrap_socket(raw(door.port))
                connection.sendall(b"go")
                connection.recv(1000)
                reset(connection)

        await asyncio.to_thread(rude)
        for fountain in door.inner:
            await asyncio.wait_for(fountain.lost.wait(), 2)


async def test_half_open_handshakes_end_by_the_time_limit(open_door: Any, echo: Any, client_context: Any) -> None:
    async with open_door(echo, limits=TlsLimits(handshake_seconds=0.15)) as door:
        before = open_files()

        def stall() -> list[socket.socket]:
            connections = [raw(door.port) for _ in range(60)]
            for connection in connections[::2]:
                connection.sendall(b"\x16\x03\x01")
            return connections

        connections = await asyncio.to_thread(stall)
        await eventually(lambda: open_files() <= before + 60)  # ours are still open
        assert await asyncio.to_thread(echoed, door.port, client_context()) == b"hello"
        for connection in connections:
            connection.close()


async def test_stalled_handshakes_make_room_for_honest_ones(open_door: Any, echo: Any, client_context: Any) -> None:
    limits = TlsLimits(handshakes=4, patience_seconds=0.05)
    async with open_door(echo, limits=limits) as door:
        stalled = await asyncio.to_thread(lambda: [raw(door.port) for _ in range(12)])
        assert await asyncio.wait_for(asyncio.to_thread(echoed, door.port, client_context()), 3) == b"hello"
        for connection in stalled:
            connection.close()


async def test_a_burst_of_honest_handshakes_loses_nobody(open_door: Any, echo: Any, client_context: Any) -> None:
    context = client_context()

    async def one(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        writer.transport.abort()
        return answer

    async with open_door(echo, limits=TlsLimits(handshakes=8)) as door:
        answers = await asyncio.gather(*(one(door.port) for _ in range(60)))
    assert answers == [b"hello"] * 60


async def test_a_full_door_closes_new_connections_until_one_leaves(
    open_door: Any, echo: Any, client_context: Any
) -> None:
    async with open_door(echo, limits=TlsLimits(connections=2)) as door:
        first, second = await asyncio.to_thread(lambda: [client_context().wrap_socket(raw(door.port)) for _ in "12"])
        with pytest.raises(OSError, match=r".*"):
            await asyncio.to_thread(echoed, door.port, client_context())
        first.close()
        await eventually(lambda: bool(door.inner) and door.inner[0].lost.is_set())
        assert await asyncio.to_thread(echoed, door.port, client_context()) == b"hello"
        second.close()


async def test_a_door_without_a_certificate_closes_and_serves_again_when_it_has_one(
    identities: Any, echo: Any, client_context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = identities["server"]
    contexts = [make_context(server.chain, server.key, client_certificate=ClientCertificate.REQUEST, alpn=())]

    def choose() -> Any:
        if len(contexts) > 1:
            raise LookupError("no certificate yet")
        return contexts[0]

    contexts *= 2
    listener = await serve(echo, choose, host="127.0.0.1", port=0, limits=TlsLimits())
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match=r".*"):
        await asyncio.to_thread(echoed, port, client_context())
    assert "the door cannot choose its TLS context" in caplog.text
    contexts.pop()
    assert await asyncio.to_thread(echoed, port, client_context()) == b"hello"
    listener.close()


async def test_the_transport_behaves_like_any_other(open_door: Any, echo: Any, client_context: Any) -> None:
    async with open_door(echo) as door:
        connection = await asyncio.to_thread(lambda: client_context().wrap_socket(raw(door.port)))
        await eventually(lambda: bool(door.inner))
        transport = door.inner[0].transport
        assert transport.get_protocol() is door.inner[0]
        assert (transport.can_write_eof(), transport.is_closing(), transport.is_reading()) == (False, False, True)
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        with pytest.raises(ValueError, match="expected high >= low"):
            transport.set_write_buffer_limits(high=1, low=2)
        with pytest.raises(TypeError, match=r"expected an asyncio\.Protocol"):
            transport.set_protocol(asyncio.DatagramProtocol())
        other = echo()
        transport.set_protocol(other)
        transport.writelines([b"one ", bytearray(b"two "), memoryview(b"three")])
        transport.close()
        transport.write(b"too late")
        assert await asyncio.to_thread(until_closed, connection) == b"one two three"
        connection.close()
        await asyncio.wait_for(other.lost.wait(), 1)
        assert other.told == ["lost"]
        assert door.inner[0].told == []
        assert transport.is_closing()
