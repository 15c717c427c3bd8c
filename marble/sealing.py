"""Answers that only one program can read: encrypted for a key that its Evidence binds.

HPKE (RFC 9180), base mode, with ML-KEM-768 and X25519 together (MLKEM768-X25519, draft-ietf-hpke-pq): who records the
connection today cannot read it with a quantum computer later, and X25519 holds where ML-KEM should not.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from attestation.binding import Bound

_MLKEM_BYTES: Final = 1184
_X25519_BYTES: Final = 32
SEALING_KEY_BYTES: Final = _MLKEM_BYTES + _X25519_BYTES


class SealingFailed(Exception):
    """Not a key for which anything can be encrypted, or not something that was encrypted for this key."""


class SealingKey:
    """A key pair for one join.  public: ML-KEM's encapsulation key, then X25519's: 1216 bytes."""

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._pair = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "SealingKey":
        """A new one."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    def open(self, sealed: bytes, bound: Bound) -> bytes:
        """What was sealed for this key, in answer to the Evidence that bound `bound`.  Raises SealingFailed."""
        try:
            return _SUITE.decrypt(sealed, self._pair, _info(bound))
        except (InvalidTag, ValueError) as cause:
            raise SealingFailed("sealed answer: expected one for this marble's key, got other bytes") from cause


class Recipient:
    """Who an answer is encrypted for."""

    def __init__(self, public: bytes) -> None:
        """Read a public key of SEALING_KEY_BYTES.  Raises SealingFailed."""
        try:
            mlkem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_BYTES])
            self._key = MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(public[_MLKEM_BYTES:]))
        except ValueError as cause:
            raise _no_key(public) from cause
        self._public = public

    def seal(self, plain: bytes, bound: Bound) -> bytes:
        """Encrypt.  bound: what the recipient's Evidence bound.  Raises SealingFailed for a key of low order."""
        try:
            return _SUITE.encrypt(plain, self._key, _info(bound))
        except ValueError as cause:
            raise _no_key(self._public) from cause


def _no_key(public: bytes) -> SealingFailed:
    return SealingFailed(f"sealing key: expected ML-KEM-768's and X25519's public keys, got {len(public)} other bytes")


def _info(bound: Bound) -> bytes:
    return b"enclasp join v1" + bound.report_data


_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
