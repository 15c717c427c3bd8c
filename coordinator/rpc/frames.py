"""The outline of HTTP/2 frames, read before h2 sees them.

h2 checks a frame's length only when the whole frame has arrived, so it would collect 16 MiB for anybody; and it reports
no event for many frames, so nobody could count them.  Source: RFC 9113, 3.4, 4.1 and 4.2.
"""

from typing import Final

MAX_FRAME: Final = 16 * 1024
"""SETTINGS_MAX_FRAME_SIZE, which we leave at its least value."""

_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_HEADER: Final = 9
_CARRIERS: Final = frozenset({0x0, 0x1, 0x9})  # DATA, HEADERS, CONTINUATION


class FrameTooLong(Exception):
    """A frame announces more than MAX_FRAME bytes."""


class FrameOutline:
    """Follows one connection's bytes from frame to frame; keeps at most one frame's header."""

    def __init__(self) -> None:
        self._header = b""
        self._skip = _PREFACE

    def follow(self, data: bytes) -> int:
        """How many frames that carry no part of a call begin in `data`.  Raises FrameTooLong."""
        data = self._header + data
        found, at, size = 0, self._skip, len(data)
        while at + _HEADER <= size:
            length = int.from_bytes(data[at : at + 3], "big")
            if length > MAX_FRAME:
                raise FrameTooLong(f"HTTP/2 frame: expected at most {MAX_FRAME} bytes, got {length}")
            found += data[at + 3] not in _CARRIERS
            at += _HEADER + length
        self._header, self._skip = data[at:], max(0, at - size)
        return found
