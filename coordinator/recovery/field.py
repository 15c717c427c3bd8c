"""Arithmetic in GF(2^8) with the polynomial 0x11B (FIPS 197, 4.2), on strings of its elements.

A string times one element is one table look-up for each byte, which `bytes.translate` does.  Like every look-up in a
table it is not constant in time, so it only ever runs inside the Coordinator (scheme.py).
"""

from functools import cache, reduce
from typing import Final


def times(string: bytes, factor: int) -> bytes:
    """Every element of `string` times `factor`."""
    return string.translate(_row(factor))


def plus(left: bytes, right: bytes) -> bytes:
    """Element by element; both of one length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def product(factors: list[int]) -> int:
    """Of elements, 1 for none."""
    return reduce(lambda left, right: _row(left)[right], factors, 1)


def inverse(element: int) -> int:
    """Of an element that is not 0."""
    return _row(element).index(1)


@cache
def _row(factor: int) -> bytes:
    """`factor` times each element, in order."""
    row = bytearray(256)
    for bit in range(8):
        step = factor
        for _ in range(bit):
            step = (step << 1) ^ (_POLYNOMIAL if step & 0x80 else 0)
        for element in range(1 << bit, 2 << bit):
            row[element] = row[element ^ (1 << bit)] ^ step
    return bytes(row)


_POLYNOMIAL: Final = 0x11B
