"""One secret to the shares of its owners, and back (contract 5.3).

    one owner            the secret itself, 32 bytes
    all of n             n random 32-byte shares whose exclusive or is the secret
    k of n, 2 <= k < n   Shamir over GF(2^8), polynomial 0x11B, byte by byte: 32 bytes of y, then x (1 to 255)

The last is `pyshamir`, whose shares are those of HashiCorp Vault and MarbleRun.  It draws its own entropy, takes time
in proportion to n * k to split and to k * k to combine (64 owners, 32 of them: 0.4 s and 2.6 s), and is not constant
in time; so it only ever runs inside the Coordinator, once for each recovery, and after each share was recognised.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

import pyshamir

SECRET_BYTES: Final = 32


def split(secret: bytes, owners: int, needed: int, entropy: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """A share for each owner.  needed: how many of them recover; `owners`, or from 2 below that."""
    if owners == 1:
        return (secret,)
    if needed == owners:
        drawn = [entropy(SECRET_BYTES) for _ in range(owners - 1)]
        return (*drawn, reduce(_xor, drawn, secret))
    return tuple(bytes(share) for share in pyshamir.split(secret, owners, needed))


def combine(shares: Sequence[bytes], owners: int) -> bytes:
    """The secret.  shares: exactly as many as are needed, each known to be one of this secret's."""
    if owners == 1:
        return shares[0]
    if len(shares) == owners:
        return reduce(_xor, shares)
    return bytes(pyshamir.combine([bytearray(share) for share in shares]))


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
