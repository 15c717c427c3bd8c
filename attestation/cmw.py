"""Evidence in the wrapper that every tool knows: records, and collections of records, in JSON.

Source: draft-ietf-rats-msg-wrap-23, 3.1 (record: `[media type, base64url value, indicator]`; indicator bit 2 says
Evidence) and 3.3 (collection: an object of names to records, which says in `__cmwc_t` what it is).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence, recognise
from attestation.kinds import Kind

MEDIA_TYPES: Final[Mapping[Kind, str]] = {
    Kind.SGX: "application/vnd.enclasp.sgx-dcap-quote",
    Kind.TDX: "application/vnd.enclasp.tdx-dcap-quote",
    Kind.SEV_SNP: "application/vnd.enclasp.sev-snp-report",
    Kind.NITRO: "application/vnd.enclasp.nitro-document",
    Kind.CCA: "application/vnd.enclasp.cca-token",
    Kind.NVIDIA_GPU: "application/vnd.enclasp.nvidia-gpu",
    Kind.AZURE_VTPM: "application/vnd.enclasp.azure-vtpm",
    Kind.COMPOSITE: "application/cmw+json",
}
_EVIDENCE_INDICATOR: Final = 1 << 2


def encode_record(evidence: Evidence) -> list[str | int]:
    """The record of this Evidence, as JSON has it."""
    return [MEDIA_TYPES[evidence.kind], _to_base64url(evidence.raw), _EVIDENCE_INDICATOR]


def read_record(record: object) -> Evidence:
    """The Evidence in a record that came out of JSON.

    Raises EvidenceFormatError unless it is a record of Evidence whose bytes are of the kind that the record says.
    """
    match record:
        case [str(media_type), str(value), int(indicator)] if indicator == _EVIDENCE_INDICATOR:
            kind = next((k for k, known in MEDIA_TYPES.items() if known == media_type), None)
        case _:
            raise EvidenceFormatError("CMW: expected [media type, value, 4] for Evidence")
    if kind is None:
        raise EvidenceFormatError(f"CMW: expected one of {', '.join(MEDIA_TYPES.values())}, got {media_type!r:.80}")
    decoded = _from_base64url(value)
    evidence = recognise(decoded)
    if evidence.kind is not kind or evidence.raw != decoded:
        raise EvidenceFormatError(f"CMW: media type says {kind}, the bytes are {evidence.kind}")
    return evidence


def _to_base64url(raw: bytes) -> str:
    """Without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    """Only the one form that `_to_base64url` gives."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise EvidenceFormatError(f"CMW value: expected base64url, got {error}") from error
    if _to_base64url(raw) != text:
        raise EvidenceFormatError("CMW value: expected base64url without padding, got another form")
    return raw
