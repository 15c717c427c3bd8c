"""Plaintext that waits to be encrypted: taken in pieces, measured against the water marks of its writer."""

from collections import deque
from typing import Final

PIECE: Final = 64 * 1024
"""Bytes that are encrypted and handed to the socket at a time."""


class Backlog:
    """A queue of bytes.  Large writes are cut without copying, small ones are joined.

    size: bytes that wait.  high_water, low_water: the writer should pause above the one, and go on at the other.
    """

    def __init__(self, high_water: int) -> None:
        self.size = 0
        self._default_high_water = high_water
        self._parts: deque[memoryview] = deque()
        self.set_limits(None, None)

    def set_limits(self, high: int | None, low: int | None) -> None:
        """As asyncio's transports: high defaults to four times low, or to the first one; low to a quarter of high."""
        if high is None:
            high = self._default_high_water if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"write buffer limits: expected high >= low >= 0, got {high} and {low}")
        self.high_water, self.low_water = high, low

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Put data at the end; what the caller could still change is copied."""
        view = memoryview(data if isinstance(data, bytes) else bytes(data))
        self._parts.append(view)
        self.size += len(view)

    def take(self) -> memoryview:
        """The next bytes, at most PIECE; only when there are any."""
        first = self._parts.popleft()
        if len(first) > PIECE:
            self._parts.appendleft(first[PIECE:])
            first = first[:PIECE]
        joined, size = [first], len(first)
        while self._parts and size + len(self._parts[0]) <= PIECE:
            joined.append(self._parts.popleft())
            size += len(joined[-1])
        self.size -= size
        return first if len(joined) == 1 else memoryview(b"".join(joined))

    def clear(self) -> None:
        """Forget everything."""
        self._parts.clear()
        self.size = 0
