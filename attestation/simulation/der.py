"""DER, as much of it as the SGX extension of a PCK certificate needs (ITU-T X.690)."""

from cryptography import x509
from cryptography.hazmat import asn1


def sequence(*items: bytes) -> bytes:
    """SEQUENCE of encoded items."""
    return _element(0x30, b"".join(items))


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return asn1.encode_der(value)


def integer(value: int) -> bytes:
    """INTEGER."""
    return asn1.encode_der(value)


def boolean(value: bool) -> bytes:
    """BOOLEAN."""
    return asn1.encode_der(value)


def enumerated(value: int) -> bytes:
    """ENUMERATED, 0 to 127."""
    return _element(0x0A, bytes([value]))


def object_identifier(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    return asn1.encode_der(x509.ObjectIdentifier(dotted))


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = (length.bit_length() + 7) // 8
    prefix = bytes([length]) if length < 0x80 else bytes([0x80 | size]) + length.to_bytes(size, "big")
    return bytes([tag]) + prefix + content
