"""The update log: all entries for ever, at a cost for each new one that does not grow with them.

Entries come in pages of 256.  A full page is packed (MessagePack, then zlib), about 25 bytes for an entry, and never
touched again: a longer log shares it.  Only the entries behind the last full page are values.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from coordinator.state.events import LogEntry

PAGE: Final = 256
"""Entries of a full page."""


class PageUnreadable(ValueError):
    """A packed page of the update log does not hold what a page holds."""


@dataclass(frozen=True, slots=True)
class UpdateLog:
    """`plus` and `read` make one.  pages: packed, oldest first.  recent: what came after them, fewer than `PAGE`."""

    pages: tuple[bytes, ...] = ()
    recent: tuple[LogEntry, ...] = ()

    @classmethod
    def read(cls, pages: Sequence[bytes], recent: Sequence[LogEntry]) -> "UpdateLog":
        """The log that a snapshot kept.  Raises PageUnreadable."""
        for page in pages:
            _unpack(page)
        return cls(tuple(pages)).plus(*recent)

    def __iter__(self) -> Iterator[LogEntry]:
        """Every entry, oldest first."""
        for page in self.pages:
            yield from _unpack(page)
        yield from self.recent

    def __len__(self) -> int:
        return len(self.pages) * PAGE + len(self.recent)

    def plus(self, *entries: LogEntry) -> "UpdateLog":
        """The same, and these at its end."""
        pages, recent = self.pages, (*self.recent, *entries)
        while len(recent) >= PAGE:
            pages, recent = (*pages, _pack(recent[:PAGE])), recent[PAGE:]
        return UpdateLog(pages, recent)


def _pack(entries: tuple[LogEntry, ...]) -> bytes:
    return zlib.compress(_encoder.encode(entries))


def _unpack(page: bytes) -> tuple[LogEntry, ...]:
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(page, _MOST_BYTES)
        entries = _decoder.decode(raw)
    except (zlib.error, ValueError) as cause:
        raise PageUnreadable(f"update log: a page cannot be read: {cause}") from cause
    if len(entries) != PAGE or not unpacker.eof or unpacker.unused_data:
        raise PageUnreadable(f"update log: expected a page of {PAGE} entries, got {len(entries)}")
    return entries


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[tuple[LogEntry, ...]] = msgspec.msgpack.Decoder(tuple[LogEntry, ...])
_MOST_BYTES: Final = 64 * 1024 * 1024
