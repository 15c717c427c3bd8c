"""One HTTP/2 connection of the marble door: frames in, calls made, answers out.

Events only change our own state; answers are sent when a whole batch is digested, since h2 is by then ahead of the
events that it reports (a call may already have been reset by the frame behind it).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from coordinator.rpc.calls import (
    Call,
    Handler,
    NotGrpc,
    Peer,
    answer_with,
    answer_with_error,
    answer_with_http,
    parse_header,
)
from coordinator.rpc.frames import FrameOutline, FrameTooLong
from coordinator.rpc.headers import HeaderDecoder
from coordinator.rpc.limits import Allowance, RpcLimits
from coordinator.rpc.status import RpcError, StatusCode

_log = logging.getLogger(__name__)
_WINDOW = 1024 * 1024
_CONTROL_FRAMES_EARNED_BY_A_CALL = 10
# Header fields that we send are our own (calls.py), in the form that HTTP/2 wants; those of the peer are all checked.
_CONFIGURATION = H2Configuration(
    client_side=False, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
)


class UnaryProtocol(asyncio.Protocol):
    """One connection.  memory, connections: shared with others by `UnaryServer`; by default its own."""

    transport: asyncio.Transport

    def __init__(
        self,
        methods: Mapping[str, Handler],
        limits: RpcLimits,
        *,
        memory: Allowance | None = None,
        connections: "set[UnaryProtocol] | None" = None,
    ) -> None:
        self._methods = methods
        self._limits = limits
        self._shared_memory = Allowance.of(limits.buffered_total) if memory is None else memory
        self._memory = Allowance.of(limits.buffered)
        self._resets = Allowance.of(limits.resets)
        self._control_frames = Allowance.of(limits.control_frames)
        self._connections = set() if connections is None else connections
        self._calls: dict[int, Call] = {}
        self._loop = asyncio.get_running_loop()
        self._outline = FrameOutline()
        self._h2 = H2Connection(_CONFIGURATION)
        self._writable = True
        self._draining = False
        self._last_stream_id = 0
        self._born = self._idle_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say our settings; start the clocks."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._connections.add(self)
        address = transport.get_extra_info("peername")
        self._peer = Peer(transport.get_extra_info("peer_leaf_der"), str(address[0]) if address else "")
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: self._limits.streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: self._limits.header_list,
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
            },
        )
        self._h2.decoder = HeaderDecoder(max_header_list_size=self._limits.header_list)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()
        self._drain_when_due()

    def data_received(self, data: bytes) -> None:
        """Frames."""
        try:
            if not self._control_frames.spend(self._outline.follow(data)):
                self._cut("too many frames that carry little or nothing of a call")
                return
            for event in self._h2.receive_data(data):
                if self.transport.is_closing():
                    return
                if handle := self._HANDLERS.get(type(event)):
                    handle(self, event)
        except FrameTooLong as error:
            self._cut(str(error))
            return
        except ProtocolError as error:
            _log.debug("HTTP/2 error: %s", error, extra={"peer": self._peer.address})
            self._flush()  # h2 has made the GOAWAY
            self.transport.close()
            return
        self._send_answers()

    def eof_received(self) -> None:
        """In HTTP/2 nobody half-closes: the client is gone."""
        self.transport.close()

    def pause_writing(self) -> None:
        """The peer does not read: no more answers for now."""
        self._writable = False

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writable = True
        self._send_answers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Every handler is cancelled: nobody waits for its answer."""
        self._connections.discard(self)
        for call in tuple(self._calls.values()):
            self._forget(call)
        if self._timer:
            self._timer.cancel()

    # Closing.

    def drain(self) -> None:
        """Take no more calls, and close when the open ones are answered.

        h2 has no graceful GOAWAY (its own ends the connection at once), so this frame is written beside it.
        """
        if not self._draining and not self.transport.is_closing():
            self._draining = True
            self._flush()
            self.transport.write(GoAwayFrame(0, last_stream_id=self._last_stream_id).serialize())
        self._close_if_done()

    def _drain_when_due(self) -> None:
        """Drain a connection that is too old or was idle for too long; otherwise look again when it could be."""
        now = self._loop.time()
        idle_since = now if self._calls else self._idle_since
        due = min(self._born + self._limits.age_seconds, idle_since + self._limits.idle_seconds)
        if due <= now:
            self.drain()
        else:
            self._timer = self._loop.call_at(due, self._drain_when_due)

    def _close_if_done(self) -> None:
        if self._draining and not self._calls:
            self.transport.close()

    def _cut(self, why: str) -> None:
        _log.debug("HTTP/2 connection cut: %s", why, extra={"peer": self._peer.address})
        self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        self._flush()
        self.transport.close()

    # Events of h2.

    def _on_request(self, event: events.RequestReceived) -> None:
        call = self._calls[event.stream_id] = Call(event.stream_id, ended=event.stream_ended is not None)
        if self._draining:
            self._release(call)
            return  # above the last stream id of our GOAWAY: `_send_answers` refuses it
        self._last_stream_id = event.stream_id
        limit = self._limits.deadline_seconds
        try:
            header = parse_header(event.headers)
            call.path = header.path
            limit = limit if header.timeout_seconds is None else min(limit, header.timeout_seconds)
            if header.path not in self._methods:
                raise RpcError(StatusCode.UNIMPLEMENTED, f"unknown method {header.path}")
            if header.encoding != "identity":
                raise RpcError(StatusCode.UNIMPLEMENTED, f"grpc-encoding: expected identity, got {header.encoding}")
        except NotGrpc as refusal:
            self._release(call)
            call.answer = answer_with_http(refusal)
        except RpcError as error:
            self._refuse(call, error)
        call.deadline = self._loop.call_later(limit, self._expire, call)

    def _on_data(self, event: events.DataReceived) -> None:
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        call = self._calls.get(event.stream_id)
        if call is None or call.request is None:
            return
        call.ended = event.stream_ended is not None
        try:
            if not self._memory.spend(len(event.data)):
                raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "too much data on one connection")
            if not self._shared_memory.spend(len(event.data)):
                self._memory.earn(len(event.data))
                raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "the server is busy with other requests")
            call.add(event.data, self._limits.message)
        except RpcError as error:
            self._refuse(call, error)

    def _on_end(self, event: events.StreamEnded) -> None:
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        call.ended = True
        if call.request is None:
            return
        try:
            message = call.message()
        except RpcError as error:
            self._refuse(call, error)
            return
        self._release(call)
        call.task = self._loop.create_task(self._handle(call, message))

    def _on_reset(self, event: events.StreamReset) -> None:
        if call := self._calls.get(event.stream_id):
            self._forget(call)
        if not self._resets.spend():
            self._cut("too many resets")

    def _on_goaway(self, event: events.ConnectionTerminated) -> None:
        self.transport.close()

    # A handler only ever gets the event of its own line; the table's type cannot say so.
    _HANDLERS: Mapping[type[events.Event], Callable[["UnaryProtocol", Any], None]] = {
        events.RequestReceived: _on_request,
        events.DataReceived: _on_data,
        events.StreamEnded: _on_end,
        events.StreamReset: _on_reset,
        events.ConnectionTerminated: _on_goaway,
    }

    # Calls.

    async def _handle(self, call: Call, message: bytes) -> None:
        try:
            call.answer = answer_with(await self._methods[call.path](message, self._peer))
        except RpcError as error:
            self._refuse(call, error)
        except Exception:
            _log.exception("bug: the handler of %s failed", call.path)
            self._refuse(call, RpcError(StatusCode.INTERNAL, "internal error"))
        size = len(call.answer.rest) if call.answer else 0
        self._send_answers()
        self._keep(call, size)

    def _keep(self, call: Call, size: int) -> None:
        """What the peer does not take at once costs as much as what it does not finish sending; or it is dropped."""
        if call.stream_id not in self._calls or call.answer is None or not call.answer.rest:
            return
        if self._memory.spend(size):
            if self._shared_memory.spend(size):
                call.kept = size
                return
            self._memory.earn(size)
        if not self.transport.is_closing():
            self._h2.reset_stream(call.stream_id, ErrorCodes.ENHANCE_YOUR_CALM)
            self._forget(call)
            self._flush()
            self._close_if_done()

    def _refuse(self, call: Call, error: RpcError) -> None:
        """Answer with an error; what is still to come of the request is no longer wanted."""
        self._release(call)
        call.answer = answer_with_error(error)

    def _expire(self, call: Call) -> None:
        if call.task:
            call.task.cancel()
        if call.answer is None:
            self._refuse(call, RpcError(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded"))
            call.deadline = self._loop.call_later(self._limits.deadline_seconds, self._expire, call)
            self._send_answers()
        elif not self.transport.is_closing():  # the client does not take its answer
            self._h2.reset_stream(call.stream_id, ErrorCodes.CANCEL)
            self._end(call)
            self._flush()

    def _send_answers(self) -> None:
        """As much of the answers as the peer's flow control and the socket take."""
        for call in tuple(self._calls.values()):
            if not self._writable or self.transport.is_closing():
                return
            if call.answer or call.stream_id > self._last_stream_id:
                self._send(call)
            self._flush()
        if not self.transport.is_closing():
            self._flush()
            self._close_if_done()

    def _send(self, call: Call) -> None:
        answer, stream_id = call.answer, call.stream_id
        if answer is None:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            self._end(call)
            return
        if answer.head:
            self._h2.send_headers(stream_id, answer.head, end_stream=not answer.trailers)
            answer.head = ()
        while self._writable and answer.rest:
            window = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
            if window <= 0:
                return
            self._h2.send_data(stream_id, bytes(answer.rest[:window]))
            answer.rest = answer.rest[window:]
            if answer.rest:
                self._flush()
        if answer.rest:
            return
        if answer.trailers:
            self._h2.send_headers(stream_id, answer.trailers, end_stream=True)
        if not call.ended:
            self._h2.reset_stream(stream_id, ErrorCodes.NO_ERROR)
        self._end(call)

    def _end(self, call: Call) -> None:
        """Answered."""
        self._resets.earn()
        self._control_frames.earn(_CONTROL_FRAMES_EARNED_BY_A_CALL)
        self._forget(call)

    def _forget(self, call: Call) -> None:
        del self._calls[call.stream_id]
        self._release(call)
        self._memory.earn(call.kept)
        self._shared_memory.earn(call.kept)
        if call.deadline:
            call.deadline.cancel()
        if call.task and call.task is not asyncio.current_task(self._loop):
            call.task.cancel()
        self._idle_since = self._loop.time()

    def _release(self, call: Call) -> None:
        """Give the memory of a request back."""
        if call.request is not None:
            self._memory.earn(len(call.request))
            self._shared_memory.earn(len(call.request))
            call.request = None

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self.transport.write(data)
