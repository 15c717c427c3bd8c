"""OAEP by hand, where an owner's token does RSA but no OAEP with SHA-256 (SoftHSM 2.6 knows SHA-1 only).

Runs on the owner's own machine, over a share of the owner's own; nobody sends it chosen ciphertexts.  Tests compare it
with `cryptography`.  Source: RFC 8017, 7.1.2, step 3, with SHA-256, MGF1 with SHA-256 and an empty label.
"""

import hashlib
from typing import Final

from coordinator.recovery.errors import EnvelopeUnreadable


def decode_oaep(encoded: bytes) -> bytes:
    """The message in the result of the raw RSA operation, as long as the modulus.  Raises EnvelopeUnreadable."""
    length = hashlib.sha256().digest_size
    if len(encoded) < 2 * length + 2:
        raise EnvelopeUnreadable(_WRONG)
    masked_seed, masked_block = encoded[1 : 1 + length], encoded[1 + length :]
    seed = _xor(masked_seed, _mgf1(masked_block, length))
    block = _xor(masked_block, _mgf1(seed, len(masked_block)))
    padding, separator, message = block[length:].partition(b"\x01")
    if encoded[0] or block[:length] != hashlib.sha256(b"").digest() or not separator or any(padding):
        raise EnvelopeUnreadable(_WRONG)
    return message


def _mgf1(seed: bytes, length: int) -> bytes:
    """RFC 8017, B.2.1."""
    blocks = range((length + 31) // 32)
    return b"".join(hashlib.sha256(seed + count.to_bytes(4, "big")).digest() for count in blocks)[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


_WRONG: Final = "this share was encrypted for another key, or was changed"
