"""Key pairs: make, load, encode and tell apart."""

import hashlib
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

MIN_RSA_BITS = 1024
MAX_RSA_BITS = 16384
_MOST_EXPONENT_BITS = 33


class KeyFormatError(ValueError):
    """These bytes are no key of a kind that we use.  The message never holds bytes of the key."""


class KeyAlgorithm(StrEnum):
    """Algorithms whose keys need no size; RSA has `generate_rsa`."""

    EC_P224 = "ec-p224"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    ED25519 = "ed25519"


def generate(algorithm: KeyAlgorithm) -> PrivateKey:
    """A new key pair; about 0.2 ms for P-384."""
    if algorithm is KeyAlgorithm.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[algorithm])


def generate_p384() -> ec.EllipticCurvePrivateKey:
    """A new P-384 key pair, as CAs and marbles have them."""
    return ec.generate_private_key(ec.SECP384R1())


def generate_rsa(bits: int) -> rsa.RSAPrivateKey:
    """A new RSA key pair with exponent 65537.  Takes up to seconds, in which the interpreter lock is free.

    bits: MIN_RSA_BITS to MAX_RSA_BITS; ValueError otherwise.
    """
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise ValueError(f"RSA key: expected {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, got {bits}")
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def spki_der(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, DER.  Source: RFC 5280, 4.1.2.7."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_der(key: PublicKey) -> bytes:
    """The same as `spki_der`, under the name of its twin `private_der`."""
    return spki_der(key)


def public_pem(key: PublicKey) -> bytes:
    """One `PUBLIC KEY` block."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_der(key: PrivateKey) -> bytes:
    """Unencrypted PKCS#8, DER: a secret.  Source: RFC 5958."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_pem(key: PrivateKey) -> bytes:
    """Unencrypted PKCS#8 as one `PRIVATE KEY` block: a secret."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private(der: bytes) -> PrivateKey:
    """Read what `private_der` wrote.  Raises KeyFormatError for anything but an unencrypted EC, Ed25519 or RSA key."""
    try:
        key = serialization.load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFormatError("private key: expected unencrypted PKCS#8 in DER") from None
    return private_of_known_kind(key)


def load_public(der: bytes) -> PublicKey:
    """Read what `spki_der` wrote.  Raises KeyFormatError for anything but an EC, Ed25519 or RSA key."""
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise KeyFormatError("public key: expected SubjectPublicKeyInfo in DER") from cause
    return public_of_known_kind(key)


def private_of_known_kind(key: object) -> PrivateKey:
    """Narrow what `cryptography` loaded.  Raises KeyFormatError for a kind that we do not use."""
    if isinstance(key, PrivateKey):
        return key
    raise KeyFormatError(f"private key: expected EC, Ed25519 or RSA, got {type(key).__name__}")


def public_of_known_kind(key: object) -> PublicKey:
    """Narrow what a certificate or CSR holds.  Raises KeyFormatError for a kind that we do not use."""
    if isinstance(key, PublicKey):
        return key
    raise KeyFormatError(f"public key: expected EC, Ed25519 or RSA, got {type(key).__name__}")


def is_slow(key: object, *, most_bits: int = MAX_RSA_BITS) -> bool:
    """Whether a signature by this key takes far longer to check than others do: RSA of too many bits, or with a public
    exponent that is no small number.  Only who wants to keep others busy makes such keys.
    """
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    return key.key_size > most_bits or key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS


def fingerprint(key: PublicKey) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo: 32 bytes."""
    return hashlib.sha256(spki_der(key)).digest()


_CURVES = {
    KeyAlgorithm.EC_P224: ec.SECP224R1(),
    KeyAlgorithm.EC_P256: ec.SECP256R1(),
    KeyAlgorithm.EC_P384: ec.SECP384R1(),
    KeyAlgorithm.EC_P521: ec.SECP521R1(),
}
