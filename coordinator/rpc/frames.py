"""The outline of HTTP/2 frames, read before h2 sees them.

h2 checks a frame's length only when the whole frame has arrived, so it would collect 16 MiB for anybody; it reports no
event for many frames, so nobody could count them; and each of thousands of settings in one frame concerns all streams.
Source: RFC 9113, 3.4, 4.1, 4.2 and 6.5.
"""

from typing import Final

MAX_FRAME: Final = 16 * 1024
"""SETTINGS_MAX_FRAME_SIZE, which we leave at its least value."""

_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_HEADER: Final = 9
_NEVER_ENOUGH: Final = MAX_FRAME + 1
_SETTINGS: Final = 0x4
_MAX_SETTINGS: Final = 64 * 6
_SMALL: Final = 128
"""Bytes of data below which a frame costs us more than it carries; an honest call has one or two such."""
_LEAST: Final = {0x0: _SMALL, 0x1: 0, 0x9: 0}
"""DATA, HEADERS and CONTINUATION carry a call, with at least so many bytes."""


class FrameTooLong(Exception):
    """A frame announces more bytes than one of its kind may have."""


class FrameOutline:
    """Follows one connection's bytes from frame to frame; keeps at most one frame's header."""

    def __init__(self) -> None:
        self._header = b""
        self._skip = _PREFACE

    def follow(self, data: bytes) -> int:
        """How many frames that carry little or nothing of a call begin in `data`.  Raises FrameTooLong."""
        data = self._header + data
        found, at, size = 0, self._skip, len(data)
        while at + _HEADER <= size:
            length = int.from_bytes(data[at : at + 3], "big")
            most = _MAX_SETTINGS if data[at + 3] == _SETTINGS else MAX_FRAME
            if length > most:
                raise FrameTooLong(f"HTTP/2 frame: expected at most {most} bytes, got {length}")
            found += length < _LEAST.get(data[at + 3], _NEVER_ENOUGH)
            at += _HEADER + length
        self._header, self._skip = data[at:], max(0, at - size)
        return found
