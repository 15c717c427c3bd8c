"""Keys that own shares: encrypt a share for one, open it, prove who gave it.

RSA: OAEP with SHA-256 (hash and MGF1) and an empty label; proof: PKCS#1 v1.5 over SHA-256.  Contract 1.9 and 1.12.
EC (P-256, P-384) and X25519: HPKE (RFC 9180) with HKDF-SHA256 and AES-256-GCM, base mode, `info` below; the
envelope is enc || ciphertext.  Proof of an EC key: ECDSA with SHA-256.  X25519 signs nothing, so there the share
proves itself: HMAC-SHA256 with the share as key.

`cryptography` draws the entropy of all of these itself.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from coordinator.recovery.errors import EnvelopeUnreadable, OwnerKeyInvalid, ProofWrong

OwnerKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | x25519.X25519PublicKey
OwnerPrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey

FEWEST_RSA_BITS: Final = 1024
"""OAEP with SHA-256 has no room for a share in fewer than 800; MarbleRun takes 1024 (contract 3.7)."""
_MOST_RSA_BITS: Final = 16384


class Opener(Protocol):
    """An owner's private key, wherever it lives."""

    def open(self, envelope: bytes) -> bytes:
        """The share in an envelope.  Raises EnvelopeUnreadable."""

    def prove(self, message: bytes, share: bytes) -> bytes:
        """What `check_proof` accepts."""


def parse_owner_key(pem: bytes) -> OwnerKey:
    """Read one `PUBLIC KEY` block.  Raises OwnerKeyInvalid."""
    try:
        return _known(load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise OwnerKeyInvalid("expected a public key in PEM") from cause


def decode_owner_key(spki: bytes) -> OwnerKey:
    """Read a SubjectPublicKeyInfo in DER.  Raises OwnerKeyInvalid."""
    try:
        return _known(load_der_public_key(spki))
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise OwnerKeyInvalid("expected a SubjectPublicKeyInfo in DER") from cause


def encode_owner_key(key: OwnerKey) -> bytes:
    """SubjectPublicKeyInfo, DER: what two texts of one key have in common."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def seal_for(key: OwnerKey, share: bytes) -> bytes:
    """The envelope of a share that only `key`'s holder opens."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.encrypt(share, OAEP)
    return _suite(key).encrypt(share, key, _INFO)


def check_proof(key: OwnerKey, message: bytes, share: bytes, proof: bytes) -> None:
    """Raises ProofWrong unless `proof` is that of `key`'s holder over `message`."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(proof, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(proof, message, ec.ECDSA(hashes.SHA256()))
        elif not hmac.compare_digest(proof, hmac.digest(share, message, "sha256")):
            raise InvalidSignature
    except InvalidSignature:
        raise ProofWrong(f"expected a signature by the key {fingerprint(key)}, got another one") from None


def fingerprint(key: OwnerKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hex: how people tell keys apart."""
    return hashlib.sha256(encode_owner_key(key)).hexdigest()


class KeyInMemory:
    """An `Opener` whose key was read from a file."""

    def __init__(self, key: OwnerPrivateKey) -> None:
        self._key = key

    @classmethod
    def parse(cls, pem: bytes, password: bytes | None) -> "KeyInMemory":
        """Read a private key in PEM.  Raises OwnerKeyInvalid, whose text holds nothing of it."""
        try:
            key = load_pem_private_key(pem, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise OwnerKeyInvalid("expected a private key in PEM, and its password if it has one") from None
        if not isinstance(key, OwnerPrivateKey):
            raise OwnerKeyInvalid(f"expected an RSA, EC or X25519 key, got {type(key).__name__}")
        _known(key.public_key())
        return cls(key)

    def open(self, envelope: bytes) -> bytes:
        """The share in an envelope.  Raises EnvelopeUnreadable."""
        key = self._key
        if isinstance(key, rsa.RSAPrivateKey):
            return open_oaep(lambda: key.decrypt(envelope, OAEP))
        try:
            return _suite(key.public_key()).decrypt(envelope, key, _INFO)
        except (InvalidTag, ValueError):
            raise EnvelopeUnreadable(_NOT_FOR_THIS_KEY) from None

    def prove(self, message: bytes, share: bytes) -> bytes:
        """What `check_proof` accepts."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return hmac.digest(share, message, "sha256")


def open_oaep(decrypt: Callable[[], bytes]) -> bytes:
    """What `decrypt` gives.  Raises EnvelopeUnreadable, which says nothing of why."""
    try:
        return decrypt()
    except ValueError:
        raise EnvelopeUnreadable(_NOT_FOR_THIS_KEY) from None


def _known(key: object) -> OwnerKey:
    if isinstance(key, rsa.RSAPublicKey):
        if not FEWEST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
            raise OwnerKeyInvalid(f"expected RSA of {FEWEST_RSA_BITS} to {_MOST_RSA_BITS} bits, got {key.key_size}")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _KEMS:
            raise OwnerKeyInvalid(f"expected an EC key on P-256 or P-384, got one on {key.curve.name}")
        return key
    if isinstance(key, x25519.X25519PublicKey):
        return key
    raise OwnerKeyInvalid(f"expected an RSA, EC or X25519 key, got {type(key).__name__}")


def _suite(key: ec.EllipticCurvePublicKey | x25519.X25519PublicKey) -> Suite:
    kem = KEM.X25519 if isinstance(key, x25519.X25519PublicKey) else _KEMS[key.curve.name]
    return Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


OAEP: Final = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
_INFO: Final = b"enclasp recovery share v1"
_KEMS: Final = {"secp256r1": KEM.P256, "secp384r1": KEM.P384}
_NOT_FOR_THIS_KEY: Final = "this share was encrypted for another key, or was changed"
