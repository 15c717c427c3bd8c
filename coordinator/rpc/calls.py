"""One call: what its headers ask, and the single message that it carries.

Source: gRPC over HTTP/2, "Requests": Length-Prefixed-Message is a flag byte (compressed or not), four bytes of length,
big endian, and the message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from coordinator.rpc.status import RpcError, StatusCode, encode_message

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_HEAD: Headers = ((b":status", b"200"), (b"content-type", b"application/grpc"))
_PREFIX = 5
_TIMEOUT_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MAX_TIMEOUT_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Peer:
    """Who calls.  leaf_der: the certificate whose key it proved to hold, or None; nothing else in it was checked."""

    leaf_der: bytes | None
    address: str


Handler: TypeAlias = Callable[[bytes, Peer], Awaitable[bytes]]
"""Message in, message out.  Raises RpcError to refuse; cancelled when the client goes or the deadline passes."""


class NotGrpc(Exception):
    """This HTTP request is no gRPC call; `http_status` is the answer."""

    def __init__(self, http_status: int) -> None:
        self.http_status = http_status
        super().__init__(f"HTTP status {http_status}")


@dataclass(frozen=True, slots=True)
class CallHeader:
    """path: `/package.Service/Method`.  timeout_seconds: what the client asks for; None without `grpc-timeout`.
    encoding: of the messages, `identity` if they are not compressed."""

    path: str
    timeout_seconds: float | None
    encoding: str


def parse_header(fields: Iterable[tuple[bytes, bytes]]) -> CallHeader:
    """Read a call's header fields.  Raises NotGrpc for other HTTP requests, RpcError for a malformed timeout."""
    values = dict(fields)
    if values.get(b":method") != b"POST":
        raise NotGrpc(405)
    content_type = values.get(b"content-type", b"")
    if content_type != b"application/grpc" and not content_type.startswith(
        (b"application/grpc+", b"application/grpc;")
    ):
        raise NotGrpc(415)
    return CallHeader(
        path=values.get(b":path", b"").decode("utf-8", "replace"),
        timeout_seconds=parse_timeout(values[b"grpc-timeout"]) if b"grpc-timeout" in values else None,
        encoding=values.get(b"grpc-encoding", b"identity").decode("ascii", "replace"),
    )


def parse_timeout(value: bytes) -> float:
    """`grpc-timeout` in seconds: 1 to 8 digits and a unit of H, M, S, m, u, n.  Raises RpcError (INTERNAL)."""
    digits, unit = value[:-1], value[-1:]
    if not (1 <= len(digits) <= _MAX_TIMEOUT_DIGITS and digits.isdigit() and unit in _TIMEOUT_UNITS):
        raise RpcError(StatusCode.INTERNAL, f"grpc-timeout: expected digits and a unit, got {value!r}")
    return int(digits) * _TIMEOUT_UNITS[unit]


@dataclass(eq=False, slots=True)
class Answer:
    """What is still to be sent: a header block, unless it is out; the rest of a body; and trailers that end it.

    Without trailers the header block ends the answer.
    """

    head: Headers
    rest: memoryview = field(default_factory=lambda: memoryview(b""))
    trailers: Headers = ()


def answer_with(message: bytes) -> Answer:
    """A call that went well."""
    prefix = b"\x00" + len(message).to_bytes(4, "big")
    return Answer(_HEAD, memoryview(prefix + message), ((b"grpc-status", b"0"),))


def answer_with_error(error: RpcError) -> Answer:
    """A call that did not: "Trailers-Only"."""
    return Answer((*_HEAD, (b"grpc-status", b"%d" % error.code), (b"grpc-message", encode_message(error.message))))


def answer_with_http(refusal: NotGrpc) -> Answer:
    """To what is no call at all."""
    return Answer(((b":status", b"%d" % refusal.http_status),))


@dataclass(eq=False, slots=True)
class Call:
    """A call that is open.  Its message arrives in pieces; its answer leaves in pieces.

    path: empty until the header is understood.  request: None when no more of it is wanted.
    ended: the client has sent all.  answer: None until there is one.  kept: bytes of it that count as memory.
    """

    stream_id: int
    path: str = ""
    request: bytearray | None = field(default_factory=bytearray)
    ended: bool = False
    task: asyncio.Task[None] | None = None
    deadline: asyncio.TimerHandle | None = None
    answer: Answer | None = None
    kept: int = 0

    def add(self, data: bytes, limit: int) -> None:
        """Take a piece of the request.  Raises RpcError as soon as the prefix announces more than `limit` bytes."""
        assert self.request is not None
        self.request += data
        if len(self.request) >= _PREFIX:
            announced = int.from_bytes(self.request[1:_PREFIX], "big")
            if announced > limit:
                raise RpcError(
                    StatusCode.RESOURCE_EXHAUSTED, f"message: expected at most {limit} bytes, got {announced}"
                )
            if len(self.request) > _PREFIX + announced:
                raise RpcError(StatusCode.INTERNAL, "request: expected one message, got more")

    def message(self) -> bytes:
        """The whole message.  Raises RpcError if the request ended too early or is compressed."""
        assert self.request is not None
        if len(self.request) < _PREFIX or len(self.request) != _PREFIX + int.from_bytes(self.request[1:_PREFIX], "big"):
            raise RpcError(StatusCode.INTERNAL, "request: ended before its message was complete")
        if self.request[0] != 0:
            raise RpcError(StatusCode.INTERNAL, "request: compressed, but no grpc-encoding was agreed on")
        return bytes(memoryview(self.request)[_PREFIX:])
