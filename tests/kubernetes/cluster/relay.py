"""Carries connections from a loopback address into the cluster's network namespace, which has no other way in.

python relay.py NETNS LISTEN_PORT TARGET_HOST:PORT
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import sys


async def relay(netns: str, port: int, target: str) -> None:
    """Serve for ever.  The listening socket stays in the namespace that it was made in."""
    listener = socket.create_server(("127.0.0.1", port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it only where the protocol is named
    with open(f"/run/netns/{netns}", "rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    host, _, target_port = target.rpartition(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(target_port))
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))
        finally:
            there_writer.close()
            writer.close()

    await (await asyncio.start_server(serve, sock=listener)).serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
