"""HTTP/2 frames: bytes to frames and back.

A frame's length is judged by its header, before anything of it is kept.  Source: RFC 9113, 3.4, 4.1, 4.2, 6 and 7.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME: Final = 16 * 1024
"""SETTINGS_MAX_FRAME_SIZE, which we leave at its least value; no peer takes less."""

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20

_HEADER: Final = 9
_STREAM_ID: Final = 0x7FFFFFFF


class ErrorCode(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class Http2Error(Exception):
    """The peer's bytes are no HTTP/2 that we speak; the connection ends with this code."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        self.code = code
        super().__init__(message)


class Frame(NamedTuple):
    """One frame.  kind, flags: as the constants above.  stream_id: 0 for the connection."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def encode_frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A frame as bytes; payload: at most MAX_FRAME."""
    return b"%b%c%c%b%b" % (len(payload).to_bytes(3, "big"), kind, flags, stream_id.to_bytes(4, "big"), payload)


class FrameReader:
    """Cuts a client's bytes into frames; keeps at most one that is not complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._greeted = False

    def read(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes.  Raises Http2Error for another preface, or a frame that is too long."""
        rest = self._rest
        rest += data
        if not self._greeted:
            if not PREFACE.startswith(rest[: len(PREFACE)]):
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "expected the preface of HTTP/2")
            if len(rest) < len(PREFACE):
                return
            self._greeted = True
            del rest[: len(PREFACE)]
        while len(rest) >= _HEADER:
            length = int.from_bytes(rest[:3], "big")
            if length > MAX_FRAME:
                problem = f"HTTP/2 frame: expected at most {MAX_FRAME} bytes, got {length}"
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, problem)
            end = _HEADER + length
            if len(rest) < end:
                return
            stream_id = int.from_bytes(rest[5:_HEADER], "big") & _STREAM_ID
            frame = Frame(rest[3], rest[4], stream_id, bytes(rest[_HEADER:end]))
            del rest[:end]
            yield frame
