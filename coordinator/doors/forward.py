"""A replica that does not lead passes connections on to the one that does, as the bytes that they are.

TLS ends in the leader, so this side needs no key, sees nothing, and a client notices nothing.  A connection that comes
while nobody leads, or while the leader is gone and no other has taken over, waits, as long as `wait_seconds`.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

Target: TypeAlias = tuple[str, int]
"""Host and port."""
FindTarget: TypeAlias = Callable[[], Awaitable[Target]]
"""Waits until there is a leader, and says where its door is."""


@dataclass(frozen=True, slots=True)
class ForwardLimits:
    """connections: at a time; wait_seconds: for a leader whose door opens; connect_seconds: for one try of it to open.

    retry_seconds: between two tries.
    idle_seconds: a connection on which neither side said anything for so long is ended.
    """

    connections: int = 10_000
    wait_seconds: float = 40.0
    connect_seconds: float = 3.0
    retry_seconds: float = 0.5
    idle_seconds: float = 180.0


class Forwarder:
    """Listens on one socket, and passes on what comes."""

    def __init__(self, find: FindTarget, limits: ForwardLimits) -> None:
        self._find, self._limits = find, limits
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        """Of those, whose other end is not there yet."""

    async def listen(self, listening: socket.socket) -> None:
        """Begin.  listening: stays the caller's own; connections that are not accepted yet stay in its queue."""
        self._server = await asyncio.start_server(self._serve, sock=listening.dup(), limit=_PIECE)

    async def cease(self) -> None:
        """Accept no more, and end what reached a leader that is gone; who waits for one goes on waiting."""
        await self._end(self._open - self._waiting)

    async def stop(self) -> None:
        """Accept no more, and end what is open."""
        await self._end(set(self._open))

    async def _end(self, tasks: set[asyncio.Task[None]]) -> None:
        if self._server is not None:
            self._server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs every handler in a task of its own"
        if len(self._open) >= self._limits.connections:
            writer.transport.abort()
            return
        self._open.add(task)
        try:
            await self._pass_on(task, reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            self._waiting.discard(task)

    async def _pass_on(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._waiting.add(task)
        far_reader, far_writer = await asyncio.wait_for(self._reach(), self._limits.wait_seconds)
        self._waiting.discard(task)
        try:
            await self._both_ways(_Way(reader, far_writer), _Way(far_reader, writer))
        finally:
            far_writer.transport.abort()
            writer.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The leader's door.  One that does not open may be that of a leader which is gone: ask again who leads."""
        while True:
            host, port = await self._find()
            opening = asyncio.open_connection(host, port, limit=_PIECE)
            try:
                return await asyncio.wait_for(opening, self._limits.connect_seconds)
            except (OSError, TimeoutError):
                await asyncio.sleep(self._limits.retry_seconds)

    async def _both_ways(self, there: "_Way", back: "_Way") -> None:
        ways = {asyncio.ensure_future(there.copy()), asyncio.ensure_future(back.copy())}
        try:
            while ways:
                before = there.copied + back.copied
                done, ways = await asyncio.wait(
                    ways, timeout=self._limits.idle_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                for way in done:
                    way.result()
                if ways and not done and there.copied + back.copied == before:
                    return
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


class _Way:
    """One direction of a connection.  copied: bytes so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.copied = 0

    async def copy(self) -> None:
        """Until the sender ends; then end the receiver's side, which may still answer (half-close)."""
        while piece := await self._reader.read(_PIECE):
            self._writer.write(piece)
            self.copied += len(piece)
            await self._writer.drain()
        with contextlib.suppress(OSError):
            self._writer.write_eof()


_PIECE: Final = 64 * 1024
