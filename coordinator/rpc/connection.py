"""One HTTP/2 connection of the marble door: frames in, calls made, answers out.

Events only change our own state; answers are sent when all that came together is digested.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

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
from coordinator.rpc.frames import CONTINUATION, DATA, HEADERS, ErrorCode, FrameReader, Http2Error
from coordinator.rpc.http2 import DataCame, Event, Http2Server, PeerLeaves, RequestBegan, WasReset
from coordinator.rpc.limits import Allowance, RpcLimits
from coordinator.rpc.status import RpcError, StatusCode

_log = logging.getLogger(__name__)
_CONTROL_FRAMES_EARNED_BY_A_CALL = 10
_CARRIERS = frozenset({DATA, HEADERS, CONTINUATION})
_SMALL = 128
"""Bytes of data below which a frame costs us more than it carries; an honest call has one or two such."""


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
        self._frames = FrameReader()
        self._http2 = Http2Server(limits.streams, limits.header_list)
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
        self._flush()
        self._drain_when_due()

    def data_received(self, data: bytes) -> None:
        """Frames."""
        try:
            for frame in self._frames.read(data):
                if frame.kind not in _CARRIERS and not self._control_frames.spend():
                    raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that carry no call")
                event = self._http2.take(frame)
                if event is not None:
                    self._HANDLERS[type(event)](self, event)
                    if self.transport.is_closing():
                        return
        except Http2Error as error:
            self._cut(error)
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
        """Take no more calls, and close when the open ones are answered."""
        if not self._draining and not self.transport.is_closing():
            self._draining = True
            self._http2.go_away(self._last_stream_id, ErrorCode.NO_ERROR)
            self._flush()
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

    def _cut(self, error: Http2Error) -> None:
        _log.debug("HTTP/2 connection cut: %s", error, extra={"peer": self._peer.address})
        self._http2.go_away(self._last_stream_id, error.code)
        self._flush()
        self.transport.close()

    # Events.

    def _on_request(self, event: RequestBegan) -> None:
        call = self._calls[event.stream_id] = Call(event.stream_id)
        if self._draining:
            self._release(call)
            return  # above the last stream id of our GOAWAY: `_send_answers` refuses it
        self._last_stream_id = event.stream_id
        limit = self._limits.deadline_seconds
        try:
            header = parse_header(event.fields)
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
        if event.ended:
            self._begin(call)

    def _on_data(self, event: DataCame) -> None:
        if len(event.data) < _SMALL and not self._control_frames.spend():
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too many small frames")
        call = self._calls.get(event.stream_id)
        if call is None or call.request is None:
            return
        try:
            if not self._memory.spend(len(event.data)):
                raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "too much data on one connection")
            if not self._shared_memory.spend(len(event.data)):
                self._memory.earn(len(event.data))
                raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "the server is busy with other requests")
            call.add(event.data, self._limits.message)
        except RpcError as error:
            self._refuse(call, error)
            return
        if event.ended:
            self._begin(call)

    def _on_reset(self, event: WasReset) -> None:
        self._forget(self._calls[event.stream_id])
        if not self._resets.spend():
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too many resets")

    def _on_leave(self, event: PeerLeaves) -> None:
        self.transport.close()

    # A handler only ever gets the event of its own line; the table's type cannot say so.
    _HANDLERS: Mapping[type[Event], Callable[["UnaryProtocol", Any], None]] = {
        RequestBegan: _on_request,
        DataCame: _on_data,
        WasReset: _on_reset,
        PeerLeaves: _on_leave,
    }

    # Calls.

    def _begin(self, call: Call) -> None:
        """The request is whole."""
        if call.request is None:
            return
        try:
            message = call.message()
        except RpcError as error:
            self._refuse(call, error)
            return
        self._release(call)
        call.task = self._loop.create_task(self._handle(call, message))

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
            self._http2.reset(call.stream_id, ErrorCode.ENHANCE_YOUR_CALM)
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
            self._http2.reset(call.stream_id, ErrorCode.CANCEL)
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
            self._http2.reset(stream_id, ErrorCode.REFUSED_STREAM)
            self._end(call)
            return
        if answer.head:
            self._http2.begin_answer(stream_id, answer.head)
            answer.head = b""
        while self._writable and answer.rest:
            room = self._http2.room(stream_id)
            if room <= 0:
                return
            self._http2.send_data(stream_id, bytes(answer.rest[:room]))
            answer.rest = answer.rest[room:]
            if answer.rest:
                self._flush()
        if answer.rest:
            return
        self._http2.end_answer(stream_id, answer.end)
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
        if data := self._http2.output():
            self.transport.write(data)
