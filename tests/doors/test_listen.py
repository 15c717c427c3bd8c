"""What a door accepts sends at once."""

import asyncio
import socket

import pytest

from coordinator.doors.listen import listen


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
async def test_accepted_connections_do_not_wait_for_acknowledgements(host: str) -> None:
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown: socket.socket = writer.get_extra_info("socket")
        accepted.set_result(shown.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen(host, 0) as listening:
        async with await asyncio.start_server(serve, sock=listening.dup()):
            _, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
            assert 1 == await asyncio.wait_for(accepted, 10)
            writer.close()
