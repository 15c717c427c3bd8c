"""What aiohttp does not bound: the time and the length of a request's header, and the memory of all bodies together, of
requests and of answers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from coordinator.limits import RestLimits


class HeaderGuard(asyncio.Protocol):
    """Carries the HTTP protocol of one connection, and ends it if a header is too slow or too long.

    The application says with `answered` when the next header may begin.  (What a client sends ahead of that is in
    aiohttp's hands, which bounds each line and their number.)
    """

    def __init__(self, http: asyncio.Protocol, limits: RestLimits) -> None:
        self._http = http
        self._limits = limits
        self._in_header = True
        self._length = 0
        self._end = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection; nothing is said yet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._http.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request: watched until its header is complete."""
        if self._in_header and not self._watch(data):
            return
        self._http.data_received(data)

    def eof_received(self) -> bool | None:
        """The client will say no more."""
        return self._http.eof_received()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._http.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_clock()
        self._http.connection_lost(exc)

    def answered(self) -> None:
        """The request was read to its end; what follows is the header of the next one."""
        self._in_header, self._length, self._end = True, 0, b""

    def _watch(self, data: bytes) -> bool:
        """False if the connection was ended."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limits.request_seconds, self._refuse, _TOO_SLOW)
        if self._length == 0:
            data = data.lstrip(b"\r\n")  # empty lines before a request are no header (RFC 9112, 2.2)
        found = (self._end + data).find(_END)
        self._length += len(data) if found < 0 else found + len(_END) - len(self._end)
        self._end = (self._end + data)[-len(_END) + 1 :]
        if self._length > self._limits.header:
            self._refuse(_TOO_LONG)
            return False
        if found >= 0:
            self._in_header = False
            self._stop_clock()
        return True

    def _refuse(self, answer: bytes) -> None:
        self._stop_clock()
        self._transport.write(answer)
        self._transport.close()

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BodyTooLong(Exception):
    """A body is longer than its route takes.  got: bytes seen until then."""

    def __init__(self, got: int) -> None:
        super().__init__(got)
        self.got = got


class NoRoom(Exception):
    """Others' bodies fill the memory that there is for them."""


class BodyMemory:
    """Memory for the bodies of all requests that are not answered yet, or of all answers that are not taken yet."""

    def __init__(self, size: int) -> None:
        self._left = size

    @contextmanager
    def share(self) -> Iterator["BodyShare"]:
        """One request's part, given back at the end of the block."""
        share = BodyShare(self)
        try:
            yield share
        finally:
            self._left += share.held

    def take(self, size: int) -> None:
        """Raises NoRoom."""
        if size > self._left:
            raise NoRoom
        self._left -= size


class BodyShare:
    """What one request holds of the memory, in bytes."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self.held = 0

    async def read(self, pieces: AsyncIterator[bytes], limit: int) -> bytes:
        """A whole body.  Raises BodyTooLong as soon as it exceeds the limit, NoRoom."""
        body: list[bytes] = []
        async for piece in pieces:
            if self.held + len(piece) > limit:
                raise BodyTooLong(self.held + len(piece))
            self.take(len(piece))
            body.append(piece)
        return b"".join(body)

    def take(self, size: int) -> None:
        """So much more.  Raises NoRoom."""
        self._memory.take(size)
        self.held += size


_END: Final = b"\r\n\r\n"
_CLOSE: Final = b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout" + _CLOSE
_TOO_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large" + _CLOSE
