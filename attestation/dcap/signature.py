"""ECDSA over P-256 in the form that Intel's quotes and collateral use: raw numbers, big endian."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from attestation.anchors import MALFORMED


def is_signed_by(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    """Whether `signature` (64 bytes r || s) over SHA-256 of `data` is by `key`."""
    if len(signature) != 64:
        return False
    numbers = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(numbers, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """64 bytes r || s over SHA-256 of `data`."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def p256_point(raw: bytes) -> ec.EllipticCurvePublicKey | None:
    """The public key with these coordinates (64 bytes x || y); None if they are no point of the curve."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw)
    except ValueError:
        return None


def p256_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | None:
    """A certificate's key if it is on P-256."""
    try:
        key = certificate.public_key()
    except MALFORMED:
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return None
