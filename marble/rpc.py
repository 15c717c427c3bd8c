"""One unary gRPC call over TLS: the little that a marble needs of HTTP/2, with hard limits.

TLS takes any server certificate, as marbles always did (contract 2.2), and hands it up: `trust.py` judges it.
Source: gRPC over HTTP2 (PROTOCOL-HTTP2), HTTP/2 (RFC 9113).
"""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from marble.contexts import load_identity
from marble.grpc_status import Status as Status
from marble.protocol import MAX_MESSAGE_BYTES
from marble.settings import Address

CONNECT_SECONDS: Final = 10.0
CALL_SECONDS: Final = 30.0
_GOODBYE_SECONDS: Final = 0.2  # some servers never answer TLS's goodbye, and nobody needs it any more
_READ_BYTES: Final = 64 * 1024
_WINDOW_BYTES: Final = 1024 * 1024
_PREFIX_BYTES: Final = 5
_MAX_REASON: Final = 2000
_STATUS_DIGITS: Final = 2
_NO_GRPC: Final = "the server speaks no gRPC: expected the coordinator's marble door"


_STATUSES: Final = {status.value: status for status in Status}


class RpcFailed(Exception):
    """The call has no answer.  reason: the server's own words, or ours where it said nothing; safe to print."""

    def __init__(self, status: Status, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"{status.name}: {reason}")


class Channel:
    """An open connection.  server_der: the certificate that the server showed, which nobody has judged yet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server_der: bytes) -> None:
        self.server_der = server_der
        self._reader = reader
        self._writer = writer
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=False))
        self._http.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES,
            },
        )
        self._http.initiate_connection()

    async def call(self, method: str, message: bytes, *, seconds: float = CALL_SECONDS) -> bytes:
        """Send `message`, return the answer.  method: `/package.Service/Method`.  Raises RpcFailed."""
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(method, message, seconds)
        except TimeoutError as cause:
            raise RpcFailed(Status.DEADLINE_EXCEEDED, f"no answer within {seconds:g} s") from cause
        except OSError as cause:
            raise RpcFailed(Status.UNAVAILABLE, _network_reason(cause)) from cause
        except h2.exceptions.H2Error as cause:
            raise RpcFailed(Status.UNAVAILABLE, f"the answer is not HTTP/2: {type(cause).__name__}") from cause

    def say_goodbye(self) -> None:
        """Tell the server that no call will follow."""
        self._http.close_connection()
        self._writer.write(self._http.data_to_send())

    async def _exchange(self, method: str, message: bytes, seconds: float) -> bytes:
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, _request_headers(method, seconds))
        unsent = memoryview(b"\0" + len(message).to_bytes(4, "big") + message)
        answer = _Answer(stream)
        while not answer.ended:
            unsent = self._send_what_fits(stream, unsent)
            self._writer.write(self._http.data_to_send())
            await self._writer.drain()
            received = await self._reader.read(_READ_BYTES)
            if not received:
                raise RpcFailed(Status.UNAVAILABLE, "the connection was closed without an answer")
            for event in self._http.receive_data(received):
                answer.take(event)
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        return answer.message()

    def _send_what_fits(self, stream: int, unsent: memoryview) -> memoryview:
        while unsent:
            room = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size, len(unsent))
            if room <= 0:
                break
            self._http.send_data(stream, bytes(unsent[:room]), end_stream=room == len(unsent))
            unsent = unsent[room:]
        return unsent


@contextlib.asynccontextmanager
async def connect(
    address: Address, certificate_pem: bytes, key_pem: bytes, *, seconds: float = CONNECT_SECONDS
) -> AsyncIterator[Channel]:
    """Open a connection that shows this client certificate; it is closed at the end.  Raises RpcFailed."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                address.host,
                address.port,
                ssl=_client_context(certificate_pem, key_pem),
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )
    except TimeoutError as cause:
        raise RpcFailed(Status.UNAVAILABLE, f"no connection within {seconds:g} s") from cause
    except OSError as cause:
        raise RpcFailed(Status.UNAVAILABLE, _network_reason(cause)) from cause
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        server_der = tls.getpeercert(binary_form=True)
        if tls.selected_alpn_protocol() != "h2" or server_der is None:
            raise RpcFailed(Status.UNAVAILABLE, _NO_GRPC)
        channel = Channel(reader, writer, server_der)
        yield channel
        channel.say_goodbye()
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()


def _client_context(certificate_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    load_identity(context, certificate_pem, key_pem)
    return context


def _request_headers(method: str, seconds: float) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", method),
        (":authority", "coordinator"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "enclasp-marble"),
        ("grpc-timeout", f"{max(1, int(seconds * 1000))}m"),
    ]


@dataclass(slots=True)
class _Answer:
    """What came back on one stream so far."""

    stream: int
    ended: bool = False
    _body: bytearray = field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, event: h2.events.Event) -> None:
        """Add one event.  Raises RpcFailed for an answer that is too long, cut, or withdrawn."""
        if isinstance(event, h2.events.ConnectionTerminated) and not self.ended:
            raise RpcFailed(Status.UNAVAILABLE, f"the server closed the connection ({_error_name(event.error_code)})")
        if getattr(event, "stream_id", None) != self.stream:
            return
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            self._headers.update((bytes(name), bytes(value)) for name, value in event.headers or ())
        elif isinstance(event, h2.events.DataReceived):
            self._body += event.data or b""
            if len(self._body) > _PREFIX_BYTES + MAX_MESSAGE_BYTES:
                raise RpcFailed(Status.RESOURCE_EXHAUSTED, f"the answer is longer than {MAX_MESSAGE_BYTES} bytes")
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, h2.events.StreamReset) and not self.ended:
            raise RpcFailed(Status.UNAVAILABLE, f"the server reset the call ({_error_name(event.error_code)})")

    def message(self) -> bytes:
        """The answer's one message.  Raises RpcFailed with the server's status if that is not OK."""
        http_status = self._headers.get(b":status", b"")
        status = self._headers.get(b"grpc-status", b"")
        if http_status != b"200" or not status.isdigit() or len(status) > _STATUS_DIGITS:
            got = _printable(f"{http_status.decode('latin-1')} with gRPC status '{status.decode('latin-1')}'")
            raise RpcFailed(Status.UNAVAILABLE, f"the server speaks no gRPC: expected HTTP status 200, got {got}")
        if int(status) != Status.OK:
            reason = unquote(self._headers.get(b"grpc-message", b"").decode("latin-1"), errors="replace")
            raise RpcFailed(_STATUSES.get(int(status), Status.UNKNOWN), _printable(reason) or "no reason given")
        prefix, message = self._body[:_PREFIX_BYTES], bytes(self._body[_PREFIX_BYTES:])
        if len(prefix) < _PREFIX_BYTES or prefix[0] != 0 or int.from_bytes(prefix[1:], "big") != len(message):
            raise RpcFailed(Status.INTERNAL, "the answer is not one uncompressed gRPC message")
        return message


def _printable(text: str) -> str:
    """Text of the other side for a terminal or log: no control characters but line ends, bounded."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text[:_MAX_REASON])
    return shown + " …" if len(text) > _MAX_REASON else shown


def _error_name(code: object) -> str:
    return code.name if isinstance(code, h2.errors.ErrorCodes) else f"error {code}"


def _network_reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        reason = f"TLS: {error.reason or error}".lower().replace("_", " ")
        return _NO_GRPC if "no application protocol" in reason else reason
    return (error.strerror or str(error) or type(error).__name__).lower()
