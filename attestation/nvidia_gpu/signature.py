"""ECDSA over P-384 in the form that SPDM, XMLDSig and JWS use: raw numbers, big endian, over SHA-384."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

SIGNATURE_BYTES = 96
_NUMBER = 48


def is_signed_by(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    """Whether `signature` (96 bytes r || s) over SHA-384 of `data` is by `key`."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    numbers = int.from_bytes(signature[:_NUMBER], "big"), int.from_bytes(signature[_NUMBER:], "big")
    try:
        key.verify(encode_dss_signature(*numbers), data, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """96 bytes r || s over SHA-384 of `data`."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(_NUMBER, "big") + s.to_bytes(_NUMBER, "big")
