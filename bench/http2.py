"""The smallest HTTP/2 that one unary gRPC call needs, as bytes in and bytes out.

Written for the load generator, which shares two cores with what it measures: a full HTTP/2 library would cost the
client more than the call.  Source: RFC 9113 (frames), RFC 7541 (header compression, by `hpack`), gRPC over HTTP/2.
"""

from dataclasses import dataclass, field

from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
_MAX_FRAME = 16_384
_INITIAL_WINDOW = 65_535
_STREAM = 1


class CallFailed(Exception):
    """The call did not end with grpc-status 0; the text says how it ended."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One HTTP/2 frame."""

    type: int
    flags: int
    stream: int
    payload: bytes


def encode_frame(frame: Frame) -> bytes:
    """RFC 9113, 4.1: length u24, type u8, flags u8, stream u31, payload."""
    return (
        len(frame.payload).to_bytes(3, "big")
        + bytes((frame.type, frame.flags))
        + frame.stream.to_bytes(4, "big")
        + frame.payload
    )


def take_frames(buffer: bytearray) -> list[Frame]:
    """Every whole frame at the front of `buffer`, which keeps the rest."""
    frames = []
    while len(buffer) >= 9:
        end = 9 + int.from_bytes(buffer[:3], "big")
        if len(buffer) < end:
            break
        stream = int.from_bytes(buffer[5:9], "big") & 0x7FFFFFFF
        frames.append(Frame(buffer[3], buffer[4], stream, bytes(buffer[9:end])))
        del buffer[:end]
    return frames


def opening() -> bytes:
    """What a client says first: the preface and its (default) settings."""
    return PREFACE + encode_frame(Frame(SETTINGS, 0, 0, b""))


def farewell() -> bytes:
    """GOAWAY without an error, as grpc-go sends it when a connection is closed."""
    return encode_frame(Frame(GOAWAY, 0, 0, bytes(8)))


def unary_request(method: str, message: bytes) -> bytes:
    """HEADERS and DATA of one unary call on stream 1 of a fresh connection.

    method: "/package.Service/Method".  message: small enough for the initial window (65,530 bytes), else ValueError.
    """
    body = b"\0" + len(message).to_bytes(4, "big") + message
    if len(body) > _INITIAL_WINDOW:
        raise ValueError(f"message: expected at most {_INITIAL_WINDOW - 5} bytes, got {len(message)}")
    headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", method),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("user-agent", "enclasp-bench/1"),
        ("te", "trailers"),
    ]
    frames = [Frame(HEADERS, END_HEADERS, _STREAM, Encoder().encode(headers))]
    for start in range(0, len(body), _MAX_FRAME):
        chunk = body[start : start + _MAX_FRAME]
        flags = END_STREAM if start + _MAX_FRAME >= len(body) else 0
        frames.append(Frame(DATA, flags, _STREAM, chunk))
    return b"".join(map(encode_frame, frames))


@dataclass(slots=True)
class UnaryCall:
    """The client's half of one unary call: feed it what the server sends, send what it returns."""

    request: bytes
    started: bool = False
    ended: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _body: bytearray = field(default_factory=bytearray)
    _headers: dict[str, str] = field(default_factory=dict)
    _decoder: Decoder = field(default_factory=Decoder)

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the server; the answer is what must be sent now (perhaps nothing).

        Like grpc-go, the request leaves only when the server's settings are there.
        Raises CallFailed where the server resets the stream, goes away or splits its headers.
        """
        self._buffer += data
        answer = b""
        for frame in take_frames(self._buffer):
            answer += self._take(frame)
        return answer

    def response(self) -> bytes:
        """The message of the answer, once `ended`.  Raises CallFailed unless the server said grpc-status 0."""
        status = self._headers.get("grpc-status")
        if status != "0":
            text = self._headers.get("grpc-message", "no message")
            raise CallFailed(f"grpc-status {status}, HTTP status {self._headers.get(':status')}: {text}")
        size = int.from_bytes(self._body[1:5], "big")
        if len(self._body) < 5 or self._body[0] or size != len(self._body) - 5:
            raise CallFailed(f"malformed message: announces {size} bytes, {max(0, len(self._body) - 5)} came")
        return bytes(self._body[5:])

    def _take(self, frame: Frame) -> bytes:
        match frame.type:
            case 0x4 if not frame.flags & ACK:
                acknowledgement = encode_frame(Frame(SETTINGS, ACK, 0, b""))
                if self.started:
                    return acknowledgement
                self.started = True
                return acknowledgement + self.request
            case 0x6 if not frame.flags & ACK:
                return encode_frame(Frame(PING, ACK, 0, frame.payload))
            case 0x1:
                if not frame.flags & END_HEADERS or frame.flags & PADDED:
                    raise CallFailed("the server split or padded its headers, which this client does not read")
                for name, value in self._decoder.decode(frame.payload):
                    self._headers[str(name)] = str(value)
                self.ended = self.ended or bool(frame.flags & END_STREAM)
            case 0x0:
                if frame.flags & PADDED:
                    raise CallFailed("the server padded its data, which this client does not read")
                self._body += frame.payload
                self.ended = self.ended or bool(frame.flags & END_STREAM)
            case 0x3 if not self.ended:
                raise CallFailed(f"the server reset the stream, error {int.from_bytes(frame.payload[:4], 'big')}")
            case 0x7 if not self.ended and int.from_bytes(frame.payload[4:8], "big"):
                raise CallFailed(f"the server went away, error {int.from_bytes(frame.payload[4:8], 'big')}")
        return b""
