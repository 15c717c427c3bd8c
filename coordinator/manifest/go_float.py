"""Floating-point numbers as Go writes them: the shortest digits that read back, in the form that the caller needs."""

import struct
from math import copysign, isfinite


def general(value: float, *, bits: int = 64) -> str:
    """strconv.FormatFloat(value, 'g', -1, bits): an exponent below 1e-4 and from 1e6 on; so fmt prints with %v.

    bits: 32 rounds to a 32-bit float first.
    """
    if not isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    sign, digits, point = decimal(value, bits)
    exponent = point - 1
    if not -4 <= exponent < 6:
        return sign + scientific(digits, exponent)
    return sign + plain(digits, point)


def json_number(value: float) -> str:
    """As encoding/json writes it: an exponent only below 1e-6 and from 1e21 on.  ValueError for what is not finite."""
    if not isfinite(value):
        raise ValueError("JSON has no numbers that are not finite")
    sign, digits, point = decimal(value, 64)
    if value and not 1e-6 <= abs(value) < 1e21:
        mantissa, _, exponent = scientific(digits, point - 1).partition("e")
        # Go writes at least two digits of the exponent, and encoding/json takes the zero of small ones away.
        return f"{sign}{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"
    return sign + plain(digits, point)


def decimal(value: float, bits: int) -> tuple[str, str, int]:
    """Sign, shortest digits without zeros at either end ("0" for zero), and where the point stands in them."""
    sign = "-" if copysign(1, value) < 0 else ""
    text = repr(abs(value)) if bits == 64 else _shortest_32(abs(value))
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign, digits or "0", point if digits else 1


def scientific(digits: str, exponent: int) -> str:
    """`d.ddde±dd`."""
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def plain(digits: str, point: int) -> str:
    """`ddd.ddd`, without a point where there is no fraction."""
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def _shortest_32(value: float) -> str:
    """Of a 32-bit float: the fewest digits that make the same one."""
    try:
        wanted = struct.pack("<f", value)
    except OverflowError:
        return "inf"
    rounded: float = struct.unpack("<f", wanted)[0]
    texts = (f"{rounded:.{count}e}" for count in range(9))
    return next(text for text in texts if struct.pack("<f", float(text)) == wanted)
