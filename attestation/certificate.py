"""Evidence in an X.509 extension, and out of it again (RA-TLS): a CMW JSON record.

Source: draft-ietf-rats-msg-wrap-23, sections 3.1 (record) and 3.5 (id-pe-cmw: CHOICE of json UTF8String and cbor
OCTET STRING).  A record is `[media type, base64url value, indicator]`; indicator bit 2 says Evidence.
"""

import base64
import binascii
import json
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

from attestation.anchors import MALFORMED
from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_EVIDENCE_BYTES, Evidence, recognise
from attestation.kinds import Kind
from pki.oids import CMW

MEDIA_TYPES: Final = {
    Kind.SGX: "application/vnd.enclasp.sgx-dcap-quote",
    Kind.TDX: "application/vnd.enclasp.tdx-dcap-quote",
}
_EVIDENCE_INDICATOR: Final = 1 << 2


def evidence_extension(evidence: Evidence) -> x509.UnrecognizedExtension:
    """The extension (to be added as non-critical) that carries this Evidence."""
    fields = [MEDIA_TYPES[evidence.kind], _to_base64url(evidence.raw), _EVIDENCE_INDICATOR]
    record = json.dumps(fields, separators=(",", ":"))
    return x509.UnrecognizedExtension(CMW, asn1.encode_der(record))


def evidence_of(certificate: x509.Certificate) -> Evidence | None:
    """The Evidence that a certificate carries; None if it has no such extension.

    Raises EvidenceFormatError if the extension holds something else, or if the certificate's extensions are malformed.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(CMW).value
    except x509.ExtensionNotFound:
        return None
    except MALFORMED as error:
        raise EvidenceFormatError(f"certificate extensions: expected X.509, got {error}") from error
    if not isinstance(extension, x509.UnrecognizedExtension):
        raise EvidenceFormatError("CMW extension: expected raw bytes")
    return _read_record(extension.value)


def _read_record(raw: bytes) -> Evidence:
    if len(raw) > 2 * MAX_EVIDENCE_BYTES:
        raise EvidenceFormatError(f"CMW: expected at most {2 * MAX_EVIDENCE_BYTES} bytes, got {len(raw)}")
    try:
        record = json.loads(asn1.decode_der(str, raw))
    except (ValueError, RecursionError) as error:
        raise EvidenceFormatError(f"CMW: expected a JSON record in a UTF8String, got {error}") from error
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
