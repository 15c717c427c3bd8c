"""What does an enclave's signature structure say?  The signature is checked; whose key it is, nobody has said yet."""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from attestation.errors import EvidenceFormatError


@dataclass(frozen=True, slots=True)
class SigStruct:
    """mrenclave, mrsigner: 32 bytes.  debuggable: its attributes allow the DEBUG flag."""

    mrenclave: bytes
    mrsigner: bytes
    product_id: int
    svn: int
    debuggable: bool


def parse_sigstruct(raw: bytes) -> SigStruct:
    """Read a SIGSTRUCT and check that its own key signed it.

    raw: exactly 1808 bytes, little endian.  MRSIGNER is the SHA-256 of the modulus as it stands.
    Raises EvidenceFormatError.  Source: Intel SDM, volume 3D, "Enclave Signature Structure (SIGSTRUCT)".
    """
    if len(raw) != _SIZE:
        raise EvidenceFormatError(f"SIGSTRUCT: expected {_SIZE} bytes, got {len(raw)}")
    if raw[:16] != _HEADER or raw[24:40] != _HEADER2:
        raise EvidenceFormatError("SIGSTRUCT: expected its two fixed headers, got other bytes")
    modulus = raw[128:512]
    exponent = int.from_bytes(raw[512:516], "little")
    if exponent != 3:
        raise EvidenceFormatError(f"SIGSTRUCT: expected the exponent 3, got {exponent}")
    try:
        key = RSAPublicNumbers(exponent, int.from_bytes(modulus, "little")).public_key()
        key.verify(raw[516:900][::-1], raw[:128] + raw[900:1028], padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature) as cause:
        raise EvidenceFormatError("SIGSTRUCT: expected a signature of its own key, got another") from cause
    flags, mask = raw[928:944], raw[944:960]
    product_id, svn = struct.unpack_from("<HH", raw, 1024)
    debuggable = bool(flags[0] & _DEBUG) or not mask[0] & _DEBUG
    return SigStruct(raw[960:992], sha256(modulus).digest(), product_id, svn, debuggable)


_SIZE: Final = 1808
_HEADER: Final = bytes.fromhex("06000000e10000000000010000000000")
_HEADER2: Final = bytes.fromhex("01010000600000006000000001000000")
_DEBUG: Final = 2
