"""One secret to the shares of its owners, and back (contract 5.3).

    one owner            the secret itself, 32 bytes
    all of n             n random 32-byte shares whose exclusive or is the secret
    k of n, 2 <= k < n   Shamir over GF(2^8), polynomial 0x11B, byte by byte: 32 bytes of y, then x (1 to 255)

The last are shares of HashiCorp Vault and MarbleRun: for each byte a polynomial of degree k - 1 whose value at 0 is
the secret's, evaluated at x.  Shamir, "How to Share a Secret", 1979.  `combine` runs only for shares that were each
recognised by their hash, once for each recovery.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

from coordinator.recovery.field import inverse, plus, product, times

SECRET_BYTES: Final = 32


def split(secret: bytes, owners: int, needed: int, entropy: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """A share for each owner.  needed: how many of them recover; `owners`, or from 2 below that."""
    if owners == 1:
        return (secret,)
    if needed == owners:
        drawn = [entropy(SECRET_BYTES) for _ in range(owners - 1)]
        return (*drawn, reduce(plus, drawn, secret))
    coefficients = [entropy(SECRET_BYTES) for _ in range(needed - 1)]
    return tuple(_value(secret, coefficients, x) + bytes((x,)) for x in _distinct(owners, entropy))


def combine(shares: Sequence[bytes], owners: int) -> bytes:
    """The secret.  shares: exactly as many as are needed, each known to be one of this secret's."""
    if owners == 1:
        return shares[0]
    if len(shares) == owners:
        return reduce(plus, shares)
    return reduce(plus, (times(share[:-1], _weight(share[-1], shares)) for share in shares))


def _value(secret: bytes, coefficients: Sequence[bytes], x: int) -> bytes:
    """Of all polynomials at x, by Horner's rule; coefficients: from x to its highest power."""
    value = bytes(SECRET_BYTES)
    for coefficient in reversed(coefficients):
        value = times(plus(value, coefficient), x)
    return plus(value, secret)


def _weight(x: int, shares: Sequence[bytes]) -> int:
    """Lagrange's factor at 0 of the share at x: the product of other / (other - x) over all others."""
    others = [share[-1] for share in shares if share[-1] != x]
    return product([*others, inverse(product([other ^ x for other in others]))])


def _distinct(count: int, entropy: Callable[[int], bytes]) -> list[int]:
    """Different elements other than 0, each choice of them as likely as another (Fisher and Yates)."""
    elements = list(range(1, 256))
    for place in range(count):
        drawn = place + int.from_bytes(entropy(_DRAW_BYTES), "big") % (len(elements) - place)
        elements[place], elements[drawn] = elements[drawn], elements[place]
    return elements[:count]


_DRAW_BYTES: Final = 16
"""So many that the remainder of a division by at most 255 is as good as even."""
