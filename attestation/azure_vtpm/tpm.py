"""What does a TPM 2.0 quote say, and is it signed?  TPMS_ATTEST with TPMS_QUOTE_INFO, big endian.

Source: TCG TPM 2.0 Library, part 2, 10.12 (attestation structures) and 10.6 (PCR selections).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from attestation.errors import EvidenceFormatError
from pki.keys import is_slow

SPECIFICATION: Final = "TCG TPM 2.0 Library, part 2, TPMS_ATTEST"
MAX_PCRS: Final = 24
PCR_BYTES: Final = 32
MIN_KEY_BITS: Final = 2048
MAX_KEY_BITS: Final = 8192
MAX_MESSAGE_BYTES: Final = 1024

_GENERATED: Final = 0xFF544347
_ATTEST_QUOTE: Final = 0x8018
_SHA256: Final = 0x000B
_SELECTION_BYTES: Final = 3


@dataclass(frozen=True, slots=True)
class TpmQuote:
    """extra_data: the nonce.  selection: numbers of the PCRs in the digest, of the SHA-256 bank, ascending.

    resets: how often the vTPM was reset; restarts: how often it was resumed.
    """

    extra_data: bytes
    selection: tuple[int, ...]
    pcr_digest: bytes
    resets: int
    restarts: int
    firmware_version: int


def parse_quote(raw: bytes) -> TpmQuote:
    """Read a quote to its last byte; nothing is trusted yet.  Raises EvidenceFormatError."""
    if len(raw) > MAX_MESSAGE_BYTES:
        raise EvidenceFormatError(f"TPM quote: expected at most {MAX_MESSAGE_BYTES} bytes, got {len(raw)}")
    reader = _Reader(raw)
    magic, attest_type = reader.unpack(">IH")
    if (magic, attest_type) != (_GENERATED, _ATTEST_QUOTE):
        raise EvidenceFormatError(
            f"TPM quote: expected magic {_GENERATED:x} and type {_ATTEST_QUOTE:x}, got {magic:x} and {attest_type:x}"
        )
    reader.sized()
    extra_data = reader.sized()
    _, resets, restarts, _, firmware_version, banks = reader.unpack(">QIIBQI")
    if banks != 1:
        raise EvidenceFormatError(f"TPM quote: expected one bank of PCRs, got {banks}")
    algorithm, size = reader.unpack(">HB")
    if (algorithm, size) != (_SHA256, _SELECTION_BYTES):
        raise EvidenceFormatError(
            f"TPM quote: expected the SHA-256 bank and {MAX_PCRS} PCRs, got algorithm {algorithm:#x} and {size} bytes"
        )
    bits = int.from_bytes(reader.take(size), "little")
    digest = reader.sized()
    reader.end()
    selection = tuple(number for number in range(MAX_PCRS) if bits >> number & 1)
    return TpmQuote(extra_data, selection, digest, resets, restarts, firmware_version)


def pcr_digest(selection: tuple[int, ...], pcrs: Mapping[int, bytes]) -> bytes | None:
    """SHA-256 over the selected values, ascending; None if one of them is not given."""
    if any(number not in pcrs for number in selection):
        return None
    return sha256(b"".join(pcrs[number] for number in selection)).digest()


def rsa_key(modulus: int, exponent: int) -> rsa.RSAPublicKey | None:
    """The key, or None if it is none that is fit for signatures."""
    if not MIN_KEY_BITS <= modulus.bit_length() <= MAX_KEY_BITS:
        return None
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return None if is_slow(key) else key


def is_signed_by(key: rsa.RSAPublicKey, signature: bytes, message: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256, as the vTPM's attestation key signs."""
    try:
        key.verify(signature, message, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


class _Reader:
    """Takes fields off the front of a TPM structure."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        part = self._raw[self._at : self._at + size]
        if len(part) != size:
            raise EvidenceFormatError(f"TPM quote: expected {size} bytes at {self._at}, got {len(part)}")
        self._at += size
        return part

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def sized(self) -> bytes:
        """A TPM2B: u16 size and that many bytes."""
        (size,) = self.unpack(">H")
        return self.take(size)

    def end(self) -> None:
        if self._at != len(self._raw):
            raise EvidenceFormatError(f"TPM quote: expected its end at byte {self._at}, got {len(self._raw)} bytes")
