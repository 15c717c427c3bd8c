"""The server's end of one HTTP/2 connection, without I/O: frames in, events out; answers in, bytes out.

Only what unary calls need: no push, no priorities.  Whatever is malformed ends the connection, also where one stream
could be reset instead: no honest client sends it, and nobody can make us work by it.  Header fields that we send name
no table, so that they are the same bytes on every connection.  Source: RFC 9113; RFC 7541, by `hpack`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, cast

from hpack import Decoder, Encoder, HPACKError

from coordinator.rpc import frames
from coordinator.rpc.fields import Fields, FieldsMalformed, check_request, check_trailers
from coordinator.rpc.frames import ErrorCode, Frame, Http2Error, encode_frame


class RequestBegan(NamedTuple):
    """A new stream.  ended: the request has no body."""

    stream_id: int
    fields: Fields
    ended: bool


class DataCame(NamedTuple):
    """Of a body.  ended: this is the end of the request.  The stream may be one that we have reset."""

    stream_id: int
    data: bytes
    ended: bool


class WasReset(NamedTuple):
    """A request ended before it was answered: by the client, or by us for what the client did."""

    stream_id: int


class PeerLeaves(NamedTuple):
    """The client will say nothing more."""


Event: TypeAlias = RequestBegan | DataCame | WasReset | PeerLeaves


@dataclass(eq=False, slots=True)
class _Stream:
    """A request that is not answered.

    room: bytes that the client takes.  left: bytes that it has announced and not sent; None where it announced nothing.
    owed: bytes that it sent, and that its window is to be widened by.  sending: it has not ended.
    """

    room: int
    left: int | None
    owed: int = 0
    sending: bool = True


@dataclass(eq=False, slots=True)
class _Block:
    """A header block that is not complete.  size: of its frames."""

    stream_id: int
    ended: bool
    size: int
    raw: bytes


class Http2Server:
    """What both sides have said so far.  streams: at a time.  header_list: bytes of one request's header fields.

    `output` has first what a server says before all.
    """

    def __init__(self, streams: int, header_list: int) -> None:
        self._most = streams
        self._most_block = _BLOCK_FACTOR * header_list
        self._decoder = Decoder()
        self._decoder.max_header_list_size = header_list
        self._streams: dict[int, _Stream] = {}
        self._given_up: deque[int] = deque(maxlen=_GIVEN_UP)
        self._last = 0
        self._block: _Block | None = None
        self._greeted = False
        self._room = self._first_room = _DEFAULT_WINDOW
        self._owed = 0
        self._table = _TABLE_SIZE_ZERO
        settings = (
            (_MAX_CONCURRENT_STREAMS, streams),
            (_INITIAL_WINDOW_SIZE, _WINDOW),
            (_MAX_HEADER_LIST_SIZE, header_list),
        )
        said = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings)
        self._output = bytearray(encode_frame(frames.SETTINGS, 0, 0, said))
        self._grant(0, _WINDOW)

    def output(self) -> bytes:
        """What is to be sent, and has not been taken yet."""
        taken = bytes(self._output)
        self._output.clear()
        return taken

    def take(self, frame: Frame) -> Event | None:
        """Go on with what the client says.  Raises Http2Error; nothing may be taken after it."""
        if self._block is not None and (frame.kind, frame.stream_id) != (frames.CONTINUATION, self._block.stream_id):
            raise _wrong("a header block was interrupted")
        if not self._greeted and (frame.kind != frames.SETTINGS or frame.flags & frames.ACK):
            raise _wrong("expected settings first")
        taking = self._TAKING.get(frame.kind)
        return None if taking is None else taking(self, frame)

    # Answers.

    def room(self, stream_id: int) -> int:
        """Bytes of data that may be sent now in one piece."""
        return min(self._room, self._streams[stream_id].room, frames.MAX_FRAME)

    def begin_answer(self, stream_id: int, block: bytes) -> None:
        """Send header fields.  block: as `encode_fields` makes it."""
        self._send_block(stream_id, block, 0)

    def send_data(self, stream_id: int, data: bytes) -> None:
        """Send a part of the body, no more than there is room for."""
        self._room -= len(data)
        self._streams[stream_id].room -= len(data)
        self._output += encode_frame(frames.DATA, 0, stream_id, data)

    def end_answer(self, stream_id: int, block: bytes) -> None:
        """Send the last header fields; a client that has not ended learns that it need not go on (RFC 9113, 8.1)."""
        self._send_block(stream_id, block, frames.END_STREAM)
        if self._streams[stream_id].sending:
            self.reset(stream_id, ErrorCode.NO_ERROR)
        else:
            del self._streams[stream_id]

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """End a stream at once; what its client has sent meanwhile is ignored."""
        if self._streams.pop(stream_id).sending:
            self._given_up.append(stream_id)
        self._output += encode_frame(frames.RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))

    def go_away(self, last_stream_id: int, code: ErrorCode) -> None:
        """Say that requests above this one are not answered."""
        said = last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big")
        self._output += encode_frame(frames.GOAWAY, 0, 0, said)

    def _send_block(self, stream_id: int, block: bytes, flags: int) -> None:
        payload, self._table = self._table + block, b""
        self._output += encode_frame(frames.HEADERS, flags | frames.END_HEADERS, stream_id, payload)

    def _grant(self, stream_id: int, amount: int) -> None:
        self._output += encode_frame(frames.WINDOW_UPDATE, 0, stream_id, amount.to_bytes(4, "big"))

    # Requests.

    def _take_headers(self, frame: Frame) -> Event | None:
        raw = _unpadded(frame)
        if frame.flags & frames.PRIORITIZED:
            _demand_size(len(raw) >= _PRIORITY_BYTES, frame)
            _demand_other(raw, frame)
            raw = raw[_PRIORITY_BYTES:]
        if not frame.stream_id % 2:
            raise _wrong("a client's streams have odd numbers")
        self._block = _Block(frame.stream_id, bool(frame.flags & frames.END_STREAM), 0, b"")
        return self._add_to_block(self._block, frame, raw)

    def _take_continuation(self, frame: Frame) -> Event | None:
        if self._block is None:
            raise _wrong("a continuation of nothing")
        return self._add_to_block(self._block, frame, frame.payload)

    def _add_to_block(self, block: _Block, frame: Frame, raw: bytes) -> Event | None:
        block.size += _FRAME_COST + len(raw)
        if block.size > self._most_block:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, f"header block: expected at most {self._most_block} bytes")
        block.raw += raw
        if not frame.flags & frames.END_HEADERS:
            return None
        self._block = None
        _check_updates(block.raw)
        try:
            fields = cast(Fields, self._decoder.decode(block.raw, raw=True))
        except (HPACKError, IndexError, TypeError) as cause:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR, f"header block: {cause}") from cause
        try:
            return self._began(block, fields) if block.stream_id > self._last else self._trailed(block, fields)
        except FieldsMalformed as cause:
            raise _wrong(str(cause)) from cause

    def _began(self, block: _Block, fields: Fields) -> Event:
        announced = check_request(fields)
        if len(self._streams) >= self._most:
            raise _wrong(f"expected at most {self._most} streams at a time")
        self._last = block.stream_id
        stream = self._streams[block.stream_id] = _Stream(self._first_room, announced)
        if block.ended:
            self._end(stream)
        return RequestBegan(block.stream_id, fields, block.ended)

    def _trailed(self, block: _Block, fields: Fields) -> Event | None:
        stream = self._sending(block.stream_id)
        check_trailers(fields)
        if not block.ended:
            raise _wrong("a second header block that does not end its request")
        if stream is not None:
            self._end(stream)
        return DataCame(block.stream_id, b"", True)

    def _take_data(self, frame: Frame) -> Event:
        size = len(frame.payload)
        if not 0 < frame.stream_id <= self._last:
            raise _wrong("data without a request")
        stream = self._sending(frame.stream_id)
        self._owed = self._widen(0, self._owed + size)
        data, ended = _unpadded(frame), bool(frame.flags & frames.END_STREAM)
        if stream is not None:
            if stream.left is not None:
                stream.left -= len(data)
            if ended:
                self._end(stream)
            else:
                stream.owed = self._widen(frame.stream_id, stream.owed + size)
        return DataCame(frame.stream_id, data, ended)

    def _widen(self, stream_id: int, owed: int) -> int:
        """Take what came for processed, since who handles it bounds what is held; what is owed now."""
        if owed < _WINDOW // 2:
            return owed
        self._grant(stream_id, owed)
        return 0

    def _end(self, stream: _Stream) -> None:
        if stream.left:
            raise _wrong("content-length: the body is longer or shorter")
        stream.sending = False

    def _sending(self, stream_id: int) -> _Stream | None:
        """The stream of a request that goes on; None for one that we have given up."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.sending:
            return stream
        if stream is None and stream_id in self._given_up:
            return None
        raise Http2Error(ErrorCode.STREAM_CLOSED, f"stream {stream_id} has ended")

    def _take_reset(self, frame: Frame) -> Event | None:
        _demand_size(len(frame.payload) == 4, frame)
        if not 0 < frame.stream_id <= self._last:
            raise _wrong("a reset without a request")
        return WasReset(frame.stream_id) if self._streams.pop(frame.stream_id, None) else None

    # Everything else.

    def _take_settings(self, frame: Frame) -> None:
        _demand_connection(frame)
        _demand_size(len(frame.payload) % 6 == 0 and not (frame.flags & frames.ACK and frame.payload), frame)
        if frame.flags & frames.ACK:
            return
        if len(frame.payload) > 6 * _MOST_SETTINGS:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, f"settings: expected at most {_MOST_SETTINGS} in a frame")
        self._greeted = True
        for at in range(0, len(frame.payload), 6):
            key, value = int.from_bytes(frame.payload[at : at + 2], "big"), frame.payload[at + 2 : at + 6]
            self._apply(key, int.from_bytes(value, "big"))
        self._output += _SETTINGS_ACK

    def _apply(self, key: int, value: int) -> None:
        if key == _ENABLE_PUSH and value > 1:
            raise _wrong("SETTINGS_ENABLE_PUSH: expected 0 or 1")
        if key == _INITIAL_WINDOW_SIZE:
            for stream in self._streams.values():
                stream.room = _widened(stream.room, value - self._first_room)
            self._first_room = _widened(0, value)
        if key == _MAX_FRAME_SIZE and not frames.MAX_FRAME <= value < 1 << 24:
            raise _wrong("SETTINGS_MAX_FRAME_SIZE: expected 2^14 to 2^24-1")

    def _take_window_update(self, frame: Frame) -> Event | None:
        _demand_size(len(frame.payload) == 4, frame)
        more = int.from_bytes(frame.payload, "big") & _MOST_31_BITS
        if not more or frame.stream_id > self._last:
            raise _wrong("a window update of zero bytes, or without a request")
        if not frame.stream_id:
            self._room = _widened(self._room, more)
        elif stream := self._streams.get(frame.stream_id):
            if stream.room + more > _MOST_31_BITS:
                self.reset(frame.stream_id, ErrorCode.FLOW_CONTROL_ERROR)
                return WasReset(frame.stream_id)
            stream.room += more
        return None

    def _take_ping(self, frame: Frame) -> None:
        _demand_connection(frame)
        _demand_size(len(frame.payload) == 8, frame)
        if not frame.flags & frames.ACK:
            self._output += encode_frame(frames.PING, frames.ACK, 0, frame.payload)

    def _take_goaway(self, frame: Frame) -> Event:
        _demand_connection(frame)
        _demand_size(len(frame.payload) >= 8, frame)
        return PeerLeaves()

    def _take_priority(self, frame: Frame) -> None:
        _demand_size(len(frame.payload) == _PRIORITY_BYTES, frame)
        _demand_other(frame.payload, frame)

    def _take_push(self, frame: Frame) -> None:
        raise _wrong("a client cannot push")

    _TAKING: Mapping[int, Callable[["Http2Server", Frame], Event | None]] = {
        frames.DATA: _take_data,
        frames.HEADERS: _take_headers,
        frames.PRIORITY: _take_priority,
        frames.RST_STREAM: _take_reset,
        frames.SETTINGS: _take_settings,
        frames.PUSH_PROMISE: _take_push,
        frames.PING: _take_ping,
        frames.GOAWAY: _take_goaway,
        frames.WINDOW_UPDATE: _take_window_update,
        frames.CONTINUATION: _take_continuation,
    }


def encode_fields(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block that no table of any connection matters to; fits into one frame up to some 10 kB."""
    return Encoder().encode([(name, value, True) for name, value in fields], huffman=False)


def _check_updates(block: bytes) -> None:
    """At most two changes of the table's size stand before the fields (RFC 7541, 4.2); `hpack` takes any number."""
    at = 0
    for _ in range(_MOST_UPDATES):
        if at >= len(block) or block[at] & 0xE0 != _UPDATE:
            return
        longer, at = block[at] & 0x1F == 0x1F, at + 1
        while longer and at < len(block):
            longer, at = bool(block[at] & 0x80), at + 1
    if at < len(block) and block[at] & 0xE0 == _UPDATE:
        raise Http2Error(ErrorCode.COMPRESSION_ERROR, f"header block: expected at most {_MOST_UPDATES} table sizes")


def _unpadded(frame: Frame) -> bytes:
    if not frame.flags & frames.PADDED:
        return frame.payload
    if not frame.payload or frame.payload[0] >= len(frame.payload):
        raise _wrong("padding that is longer than its frame")
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]


def _widened(window: int, more: int) -> int:
    if window + more > _MOST_31_BITS:
        raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
    return window + more


def _demand_size(fits: bool, frame: Frame) -> None:
    if not fits:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"frame of type {frame.kind}: {len(frame.payload)} bytes")


def _demand_other(priority: bytes, frame: Frame) -> None:
    if not frame.stream_id or int.from_bytes(priority[:4], "big") & _MOST_31_BITS == frame.stream_id:
        raise _wrong("a priority without a stream, or behind itself")


def _demand_connection(frame: Frame) -> None:
    if frame.stream_id:
        raise _wrong(f"frame of type {frame.kind}: it belongs to no stream")


def _wrong(problem: str) -> Http2Error:
    return Http2Error(ErrorCode.PROTOCOL_ERROR, problem)


_ENABLE_PUSH: Final = 0x2
_MAX_CONCURRENT_STREAMS: Final = 0x3
_INITIAL_WINDOW_SIZE: Final = 0x4
_MAX_FRAME_SIZE: Final = 0x5
_MAX_HEADER_LIST_SIZE: Final = 0x6
_WINDOW: Final = 1024 * 1024
_DEFAULT_WINDOW: Final = 65_535
_MOST_31_BITS: Final = 0x7FFFFFFF
_PRIORITY_BYTES: Final = 5
_FRAME_COST: Final = 9
_BLOCK_FACTOR: Final = 4
"""No field is so much longer in a header block than by itself."""
_GIVEN_UP: Final = 1_000
_UPDATE: Final = 0x20
_MOST_UPDATES: Final = 2
_MOST_SETTINGS: Final = 64
"""One of them concerns every stream."""
_TABLE_SIZE_ZERO: Final = b"\x20"
"""Said once, before all fields that we send: whatever the client's setting, our table is not larger (RFC 7541, 4.2)."""
_SETTINGS_ACK: Final = encode_frame(frames.SETTINGS, frames.ACK, 0, b"")
