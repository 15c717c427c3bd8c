"""What do the bytes of an Intel DCAP quote say?  Bytes to frozen fields; nothing in them is trusted yet.

Source: Intel SGX ECDSA QuoteLibReference DCAP API, appendix A.4 (quote v3) and Intel TDX DCAP Quoting Library API,
appendix A.3 (v4) and A.4 (v5).  All integers are little endian.
"""

from dataclasses import dataclass
from enum import IntEnum

from attestation.errors import EvidenceFormatError
from attestation.kinds import Kind

HEADER_BYTES = 48
INTEL_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
ECDSA_P256 = 2
SPECIFICATION = "Intel DCAP quote format, appendix A"


class BodyType(IntEnum):
    """Type of the signed report, as quote v5 numbers them."""

    SGX = 1
    TD_1_0 = 2
    TD_1_5 = 3


BODY_BYTES = {BodyType.SGX: 384, BodyType.TD_1_0: 584, BodyType.TD_1_5: 648}


class CertificationType(IntEnum):
    """Types of certification data that we act on; 1 to 4 name the PCK certificate without carrying it."""

    PCK_CHAIN = 5
    QE_REPORT = 6


@dataclass(frozen=True, slots=True)
class SignedPart:
    """Header and report of a quote.  signed: exactly the bytes under the quote's signature."""

    version: int
    body_type: BodyType
    body: bytes
    signed: bytes


@dataclass(frozen=True, slots=True)
class QuotingEnclavePart:
    """What vouches for the attestation key; the same bytes in every quote of one machine and boot.

    attestation_key: 64 bytes, x || y.  report: 384 bytes, signed by the PCK key with `report_signature` (r || s).
    certification: PEM chain for `certification_type` 5, else something that only names the PCK certificate.
    """

    attestation_key: bytes
    report: bytes
    report_signature: bytes
    authentication: bytes
    certification_type: int
    certification: bytes


@dataclass(frozen=True, slots=True)
class SignaturePart:
    """signature: 64 bytes r || s, big endian, by the attestation key.  quoting_enclave: raw, see `parse_…`."""

    signature: bytes
    quoting_enclave: bytes


def parse_signed_part(raw: bytes, kind: Kind) -> SignedPart:
    """Header and report of a quote of this kind.

    Raises EvidenceFormatError for another version, TEE type, attestation key type, QE vendor, body or length.
    """
    if len(raw) < HEADER_BYTES:
        raise EvidenceFormatError(f"quote header: expected {HEADER_BYTES} bytes, got {len(raw)}")
    version, key_type, tee_type = (_integer(raw, 0, 2), _integer(raw, 2, 2), _integer(raw, 4, 4))
    wanted_tee = 0x81 if kind is Kind.TDX else 0
    if version not in (3, 4, 5) or (version == 3 and kind is not Kind.SGX):
        raise EvidenceFormatError(f"quote version: expected 3 (SGX), 4 or 5, got {version} for {kind}")
    if tee_type != wanted_tee:
        raise EvidenceFormatError(f"TEE type: expected {wanted_tee:#x} for {kind}, got {tee_type:#x}")
    if key_type != ECDSA_P256:
        raise EvidenceFormatError(f"attestation key type: expected 2 (ECDSA P-256), got {key_type}")
    if raw[12:28] != INTEL_QE_VENDOR:
        raise EvidenceFormatError(f"QE vendor: expected {INTEL_QE_VENDOR.hex()} (Intel), got {raw[12:28].hex()}")
    body_type = BodyType.TD_1_0 if kind is Kind.TDX else BodyType.SGX
    start = HEADER_BYTES
    if version == 5:
        body_type = _body_type(raw, kind)
        start += 6
    end = start + BODY_BYTES[body_type]
    if len(raw) < end:
        raise EvidenceFormatError(f"quote body: expected {BODY_BYTES[body_type]} bytes, got {len(raw) - start}")
    return SignedPart(version, body_type, raw[start:end], raw[:end])


def parse_signature_part(raw: bytes, signed: SignedPart) -> SignaturePart:
    """The signature section that follows `signed` in the quote.  Bytes after it are padding and are not looked at.

    Raises EvidenceFormatError if it is cut off, or if a length in it does not add up.
    """
    start = len(signed.signed)
    length = _integer(raw, start, 4)
    section = raw[start + 4 : start + 4 + length]
    if len(raw) < start + 4 or len(section) != length:
        raise EvidenceFormatError(f"signature data: announces {length} bytes, {max(0, len(raw) - start - 4)} follow")
    if length < 128:
        raise EvidenceFormatError(f"signature data: expected at least 128 bytes, got {length}")
    inner = section[128:]
    if signed.version >= 4:
        outer_type, inner = _certification(section, 128)
        if outer_type != CertificationType.QE_REPORT:
            raise EvidenceFormatError(f"outer certification data: expected type 6 (QE report), got {outer_type}")
    return SignaturePart(section[:64], section[64:128] + inner)


def parse_quoting_enclave_part(raw: bytes) -> QuotingEnclavePart:
    """Attestation key, QE report, its signature, authentication data and certification data, in this order.

    Raises EvidenceFormatError if a length does not add up.
    """
    fixed = 64 + 384 + 64 + 2
    if len(raw) < fixed:
        raise EvidenceFormatError(f"QE report data: expected at least {fixed} bytes, got {len(raw)}")
    authentication_end = fixed + _integer(raw, fixed - 2, 2)
    if len(raw) < authentication_end:
        raise EvidenceFormatError(
            f"QE authentication data: announces {authentication_end - fixed} bytes, {len(raw) - fixed} follow"
        )
    certification_type, certification = _certification(raw, authentication_end)
    return QuotingEnclavePart(
        attestation_key=raw[:64],
        report=raw[64:448],
        report_signature=raw[448:512],
        authentication=raw[fixed:authentication_end],
        certification_type=certification_type,
        certification=certification,
    )


def _body_type(raw: bytes, kind: Kind) -> BodyType:
    """Body descriptor of quote v5: u16 type, u32 size."""
    allowed = (BodyType.TD_1_0, BodyType.TD_1_5) if kind is Kind.TDX else (BodyType.SGX,)
    number, size = _integer(raw, HEADER_BYTES, 2), _integer(raw, HEADER_BYTES + 2, 4)
    for body_type in allowed:
        if (number, size) == (body_type, BODY_BYTES[body_type]):
            return body_type
    choices = " or ".join(f"{b.value} of {BODY_BYTES[b]} bytes" for b in allowed)
    raise EvidenceFormatError(f"quote body type: expected {choices} for {kind}, got {number} of {size} bytes")


def _certification(raw: bytes, start: int) -> tuple[int, bytes]:
    """u16 type, u32 size, data; it must end where `raw` ends."""
    data = raw[start + 6 :]
    if len(raw) < start + 6 or len(data) != _integer(raw, start + 2, 4):
        raise EvidenceFormatError(
            f"certification data: announces {_integer(raw, start + 2, 4)} bytes, {len(data)} follow"
        )
    return _integer(raw, start, 2), data


def _integer(raw: bytes, start: int, size: int) -> int:
    return int.from_bytes(raw[start : start + size], "little")
