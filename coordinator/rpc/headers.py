"""A header block before `hpack` unpacks it, which takes any number of table sizes: they cost, and say nothing."""

from collections.abc import Iterable
from typing import Final

from hpack import Decoder, HeaderTuple, HPACKDecodingError

_MOST_SIZES: Final = 2
"""A table may shrink and grow again between two blocks (RFC 7541, 4.2)."""


class HeaderDecoder(Decoder):
    """hpack's, for at most two changes of the table's size before the fields of a block."""

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """The fields.  Raises HPACKError."""
        _check_sizes(data)
        return super().decode(data, raw=raw)


def _check_sizes(block: bytes) -> None:
    at = 0
    for _ in range(_MOST_SIZES):
        if at >= len(block) or block[at] & 0xE0 != _SIZE:
            return
        longer, at = block[at] & 0x1F == 0x1F, at + 1
        while longer and at < len(block):
            longer, at = bool(block[at] & 0x80), at + 1
    if at < len(block) and block[at] & 0xE0 == _SIZE:
        raise HPACKDecodingError(f"header block: expected at most {_MOST_SIZES} table sizes")


_SIZE: Final = 0x20
