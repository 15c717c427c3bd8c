"""Who asks for much and takes nothing of it holds a bounded memory, and keeps nobody from small answers."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve_on
from coordinator.journal.memory import MemoryStorage
from coordinator.limits import RestLimits
from coordinator.observe import Observer
from coordinator.rest import app
from tests.support.in_process import World

MEGABYTES = 1_000_000
"""The kernel takes the first few of what nobody reads."""


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[int]:
    """The port of a front door with room for one and a half manifests."""
    world = World(tmp_path)
    coordinator = world.coordinator(MemoryStorage())
    large = {"Package": "tdx", "Parameters": {"Files": {"/large": "x" * 6 * MEGABYTES}}}
    await coordinator.set_manifest(world.manifest(Marbles={"web": large}))
    front = await app.open_front_door(coordinator, Observer("test"), RestLimits(answers=12 * MEGABYTES))
    authority = coordinator.authority
    context = make_context(
        (authority.root,), authority.root_key, client_certificate=ClientCertificate.REQUEST, alpn=("http/1.1",)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = await serve_on(listening, front.connection, lambda: context, limits=TlsLimits())
        yield listening.getsockname()[1]
        server.close()
    await front.runner.cleanup()
    await coordinator.close()


@asynccontextmanager
async def asking(port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """A request, and where its answer comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plain, ssl=context, server_hostname="localhost")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        yield reader
        writer.transport.abort()


async def status(port: int, path: str) -> int:
    async with asking(port, path) as reader:
        return int((await reader.readline()).split()[1])


@pytest.mark.parametrize("gone", [False, True], ids=["it is taken late", "who asked goes"])
async def test_large_answers_that_nobody_takes_share_a_bound_and_leave_room_for_small_ones(
    door: int, gone: bool
) -> None:
    async with asking(door, "/api/v2/manifest") as reader:
        assert b"200" in await reader.readline()
        assert 503 == await status(door, "/api/v2/manifest")
        assert 200 == await status(door, "/api/v2/status")
        if not gone:
            assert len(await reader.read()) > 8 * MEGABYTES
    for _ in range(100):
        if (now := await status(door, "/api/v2/manifest")) == 200:
            break
        await asyncio.sleep(0.05)
    assert 200 == now
