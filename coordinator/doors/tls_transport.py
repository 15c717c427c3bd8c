"""TLS as an asyncio transport that carries any asyncio protocol.  Public interfaces only.

Bounded in both directions.  Output is encrypted in pieces, only while the socket takes it; a peer that does not read
makes us stop reading, too, and is cut off in the end.  Input that the application does not want stays unread.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any, Final

from OpenSSL import SSL

from coordinator.doors.backlog import PIECE, Backlog
from coordinator.doors.engine import TlsEngine, TlsFailed
from coordinator.doors.gate import Gate, Turn
from coordinator.doors.limits import TlsLimits

_log = logging.getLogger(__name__)
_TO_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nthis port speaks HTTPS only\n"


_TLS_INFO: Final[Mapping[str, Callable[[TlsEngine], Any]]] = {
    "peer_leaf_der": TlsEngine.peer_leaf_der,
    "alpn": TlsEngine.protocol,
    "tls_version": TlsEngine.version,
    "cipher": TlsEngine.cipher,
    "tls_group": TlsEngine.group,
    "tls_exporter": lambda engine: engine.export,
    "sslcontext": lambda engine: engine.context,
}


class _Phase(Enum):
    WAITING = auto()  # for a turn at the gate
    HANDSHAKE = auto()
    OPEN = auto()
    CLOSING = auto()  # the application closed; output is still on its way
    LINGERING = auto()  # all is said; the peer may still be sending
    LOST = auto()


class TlsTransport(asyncio.Transport):
    """What the carried protocol sees.

    get_extra_info, besides what the socket's transport knows (`peername`, `sockname`, …):
    `peer_leaf_der`: the certificate that the peer proved to hold, or None; `alpn`; `tls_version`; `cipher`;
    `tls_group`; `tls_exporter`: (label, length, context) -> bytes; `sslcontext`.
    When the peer has closed its side, `eof_received` is called as ever; but a protocol that was given data and has not
    answered yet keeps the write side for `answer_seconds`, unless it closes by itself.
    """

    def __init__(self, connection: "TlsServerProtocol", engine: TlsEngine) -> None:
        super().__init__()
        self._connection = connection
        self._engine = engine

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See the class; `default` for names that nobody knows."""
        ask = _TLS_INFO.get(name)
        return self._connection.socket_info(name, default) if ask is None else ask(self._engine)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Carry another protocol from now on; only protocols that take bytes, no BufferedProtocol."""
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError(f"TLS transport: expected an asyncio.Protocol, got {type(protocol).__name__}")
        self._connection.application = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that is carried."""
        return self._connection.application

    def is_closing(self) -> bool:
        """True from close() or the loss of the connection on."""
        return self._connection.is_closing

    def is_reading(self) -> bool:
        """False while the protocol wants no data."""
        return not self._connection.application_pauses

    def pause_reading(self) -> None:
        """No more data_received until resume_reading."""
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Undo pause_reading."""
        self._connection.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As for any asyncio transport."""
        self._connection.backlog.set_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Plaintext bytes that are not yet encrypted."""
        return self._connection.backlog.size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high)."""
        return self._connection.backlog.low_water, self._connection.backlog.high_water

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue data; it is encrypted as the peer takes it.  Ignored once the transport is closing."""
        self._connection.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """As one write."""
        self._connection.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Protocols close; they do not half-close."""
        return False

    def close(self) -> None:
        """Send what is queued and close_notify, then close."""
        self._connection.close()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        self._connection.abort()


class TlsServerProtocol(asyncio.Protocol):
    """One connection: between the socket's transport below and the application's protocol above."""

    _raw: asyncio.Transport
    _engine: TlsEngine

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        chooser: Callable[[], SSL.Context],
        limits: TlsLimits,
        gate: Gate,
    ) -> None:
        self._factory = factory
        self._chooser = chooser
        self._limits = limits
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._phase = _Phase.WAITING
        self._turn: Turn | None = None
        self._timer: asyncio.TimerHandle | None = None  # of the phase
        self._stall_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._raw_paused = False
        self._socket_full = False
        self._peer_done = False
        self._answer_owed = False
        self._application_told = False
        self._lingered_bytes = 0
        self._emission_scheduled = False
        self._writing_paused = False
        self.application = asyncio.Protocol()  # which ignores everything, until the handshake is complete
        self.application_pauses = False
        self.backlog = Backlog(limits.write_high_water)

    # The socket's transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A TCP connection: wait for a turn."""
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        address = transport.get_extra_info("peername")
        turn = Turn(str(address[0]) if address else "", self._begin, self._too_slow)
        self._timer = self._loop.call_later(self._limits.handshake_seconds, self._too_slow)
        if self._gate.enter(turn):
            self._turn = turn
            self._steer_reading()
            if self._raw_paused:
                self._loop.call_soon(self._pause_anew)
        else:
            _log.debug("connection refused: the door is full", extra={"peer": address})
            self.abort()

    def _pause_anew(self) -> None:
        """Python 3.11.2, which Debian 12 has, begins to read after `connection_made` whatever was said there; what came
        while nobody has a turn for it would be lost."""
        if self._raw_paused and not self._raw.is_closing():
            self._raw.resume_reading()
            self._raw.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Ciphertext, at most what one read of the event loop takes."""
        if self._phase is _Phase.LINGERING:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > self._limits.linger_bytes:
                self._raw.abort()
            return
        if self._phase not in (_Phase.HANDSHAKE, _Phase.OPEN):
            return
        self._engine.feed(data)
        if self._phase is _Phase.HANDSHAKE:
            self._handshake()
        self._go_on()

    def eof_received(self) -> bool:
        """FIN.  Without close_notify it may be a truncation, which both of our protocols notice by themselves."""
        self._go_on()
        self._end_of_input()
        return self._phase in (_Phase.OPEN, _Phase.CLOSING)

    def pause_writing(self) -> None:
        """The peer does not read: make nothing more for it, and read nothing that could make us."""
        self._socket_full = True
        self._stall_timer = self._loop.call_later(self._limits.stall_seconds, self._raw.abort)
        self._steer_reading()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._socket_full = False
        self._cancel(self._stall_timer)
        self._steer_reading()
        self._emit()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._phase = _Phase.LOST
        for timer in (self._timer, self._stall_timer, self._answer_timer):
            self._cancel(timer)
        if self._turn:
            self._gate.leave(self._turn)
        self.backlog.clear()
        self._tell_application_of_loss(exc)
        # Without these references nothing is circular, so all of the connection is freed now, not by the collector.
        self._turn, self.application = None, asyncio.Protocol()

    # The handshake.

    def _begin(self) -> None:
        try:
            self._engine = TlsEngine(self._chooser())
        except Exception:
            _log.exception("no certificate to show: the door cannot choose its TLS context")
            self.abort()
            return
        self._phase = _Phase.HANDSHAKE
        self._steer_reading()

    def _too_slow(self) -> None:
        _log.debug("handshake took too long", extra={"peer": self.socket_info("peername")})
        self.abort()

    def _handshake(self) -> None:
        try:
            complete = self._engine.handshake()
        except TlsFailed as failure:
            self._fail(failure)
            return
        if complete:
            self._open()
        else:
            self._send_output()

    def _open(self) -> None:
        assert self._turn
        self._phase = _Phase.OPEN
        self._cancel(self._timer)
        self.application = self._factory()
        self.application.connection_made(TlsTransport(self, self._engine))
        self._gate.handshake_over(self._turn)

    def _fail(self, failure: TlsFailed) -> None:
        """Send the alert and close; nothing of the application's is sent any more."""
        _log.debug("TLS failed: %s", failure, extra={"peer": self.socket_info("peername")})
        self.backlog.clear()
        self._send_output()
        if failure.plain_http and not self._raw.is_closing():
            self._raw.write(_TO_PLAIN_HTTP)
        self._linger(failure)

    # Input.

    def _go_on(self) -> None:
        """Hand up what arrived, and send what the application wrote meanwhile together with TLS's own answers."""
        if self._phase is _Phase.OPEN:
            self._emission_scheduled = True  # below, which spares each write its own
            self._deliver()
            if self.backlog.size:
                self._emit()
            else:
                self._emission_scheduled = False
                self._send_output()

    def _deliver(self) -> None:
        """Hand decrypted data up, in pieces, until the application pauses or nothing is left."""
        while self._phase is _Phase.OPEN and not self.application_pauses and not self._peer_done:
            pieces, size, ended = [], 0, False
            try:
                while size < PIECE and (piece := self._engine.decrypt()):
                    pieces.append(piece)
                    size += len(piece)
                ended = size < PIECE and piece is None
            except TlsFailed as failure:
                self._fail(failure)
                return
            if pieces:
                self._answer_owed = True
                self.application.data_received(b"".join(pieces))
            if ended:
                self._end_of_input()
            elif size < PIECE:
                return

    def _end_of_input(self) -> None:
        """The peer will say no more: close_notify or FIN, whichever comes first."""
        if self._peer_done:
            return
        self._peer_done = True
        self._steer_reading()
        if self._phase is not _Phase.OPEN:
            return
        self.application.eof_received()
        if self._answer_owed:
            self._close_after(self._limits.answer_seconds)
        elif self.backlog.size or self._socket_full:
            self._close_after(self._limits.quiet_seconds)
        else:
            self.close()

    def _close_after(self, seconds: float) -> None:
        self._cancel(self._answer_timer)
        self._answer_timer = self._loop.call_later(seconds, self.close)

    def pause_reading(self) -> None:
        """The application wants no data."""
        self.application_pauses = True
        self._steer_reading()

    def resume_reading(self) -> None:
        """The application wants data again; what is decrypted or waiting here comes first."""
        if self.application_pauses:
            self.application_pauses = False
            self._steer_reading()
            self._loop.call_soon(self._go_on)

    def _steer_reading(self) -> None:
        """Read from the socket only what somebody will take."""
        pause = (
            self._phase is _Phase.WAITING
            or self._peer_done
            or (self._phase is not _Phase.LINGERING and (self.application_pauses or self._socket_full))
        )
        if pause != self._raw_paused and not self._raw.is_closing():
            self._raw_paused = pause
            if pause:
                self._raw.pause_reading()
            else:
                self._raw.resume_reading()

    # Output.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue plaintext.  Many small writes of one turn of the event loop become few records."""
        if self._phase is not _Phase.OPEN or not data:
            return
        self.backlog.add(data)
        self._answer_owed = False
        if self._peer_done:
            self._close_after(self._limits.quiet_seconds)
        if self.backlog.size >= PIECE:
            self._emit()
        elif not self._emission_scheduled:
            self._emission_scheduled = True
            self._loop.call_soon(self._emit)
        self._steer_application()

    def _emit(self) -> None:
        """Encrypt and send while the socket takes it."""
        self._emission_scheduled = False
        while self.backlog.size and not self._socket_full and self._phase in (_Phase.OPEN, _Phase.CLOSING):
            try:
                self._engine.encrypt(self.backlog.take())
            except TlsFailed as failure:
                self._fail(failure)
                return
            self._send_output()
            if self._raw.is_closing():
                return
        self._steer_application()
        if self._phase is _Phase.CLOSING and not self.backlog.size and not self._socket_full:
            self._say_goodbye()

    def _send_output(self) -> None:
        if not self._raw.is_closing() and (ciphertext := self._engine.output()):
            self._raw.write(ciphertext)

    def _steer_application(self) -> None:
        if self._phase is not _Phase.OPEN:
            return
        if not self._writing_paused and self.backlog.size > self.backlog.high_water:
            self._writing_paused = True
            self.application.pause_writing()
        elif self._writing_paused and self.backlog.size <= self.backlog.low_water:
            self._writing_paused = False
            self.application.resume_writing()

    # The end.

    @property
    def is_closing(self) -> bool:
        """True from close() or the loss of the connection on."""
        return self._phase is not _Phase.OPEN or self._raw.is_closing()

    def close(self) -> None:
        """The application has said all."""
        if self._phase is _Phase.OPEN:
            self._phase = _Phase.CLOSING
            self._emit()

    def abort(self) -> None:
        """Close at once."""
        if self._phase is not _Phase.LOST:
            self._raw.abort()

    def _say_goodbye(self) -> None:
        self._engine.close_notify()
        self._send_output()
        self._linger(None)

    def _linger(self, reason: Exception | None) -> None:
        """Our last byte is on its way.  Closing now, with input unread, would make the kernel send RST, which can
        overtake our answer; so close our half, and take what comes until the peer closes, too, or the time is up."""
        established = self._phase in (_Phase.OPEN, _Phase.CLOSING)
        self._phase = _Phase.LINGERING
        self._cancel(self._timer)
        if self._turn:
            self._gate.handshake_over(self._turn)
        if established:
            self._loop.call_soon(self._tell_application_of_loss, reason)
        self._timer = self._loop.call_later(self._limits.linger_seconds, self._linger_is_over)
        if self._peer_done or self._raw.is_closing():
            self._raw.close()
        else:
            self._close_our_half()
            self._steer_reading()

    def _close_our_half(self) -> None:
        """FIN, if it can be sent now; otherwise close_notify, which is on its way, must do."""
        if not self._raw.get_write_buffer_size():
            try:
                self._raw.write_eof()
            except OSError:  # the peer has reset the connection; connection_lost will follow
                self._raw.abort()

    def _linger_is_over(self) -> None:
        """Time is up, unless the socket has not yet taken our last bytes; then it is up when the peer has stalled."""
        self._raw.close()
        if self._raw.get_write_buffer_size():
            self._timer = self._loop.call_later(self._limits.stall_seconds, self._raw.abort)

    def _tell_application_of_loss(self, reason: Exception | None) -> None:
        if not self._application_told:
            self._application_told = True
            self.application.connection_lost(reason)

    # What the application's transport asks.

    def socket_info(self, name: str, default: Any = None) -> Any:
        """What the socket's transport knows."""
        return self._raw.get_extra_info(name, default)

    @staticmethod
    def _cancel(timer: asyncio.TimerHandle | None) -> None:
        if timer:
            timer.cancel()
