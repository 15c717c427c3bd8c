"""Evidence in an X.509 extension, and out of it again (RA-TLS): a CMW JSON record.

Source: draft-ietf-rats-msg-wrap-23, sections 3.1 (record) and 3.5 (id-pe-cmw: CHOICE of json UTF8String and cbor
OCTET STRING).
"""

import json

from cryptography import x509
from cryptography.hazmat import asn1

from attestation.anchors import MALFORMED
from attestation.cmw import encode_record, read_record
from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_EVIDENCE_BYTES, Evidence
from pki.oids import CMW


def evidence_extension(evidence: Evidence) -> x509.UnrecognizedExtension:
    """The extension (to be added as non-critical) that carries this Evidence."""
    record = json.dumps(encode_record(evidence), separators=(",", ":"))
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
    return _read_extension(extension.value)


def _read_extension(raw: bytes) -> Evidence:
    if len(raw) > 2 * MAX_EVIDENCE_BYTES:
        raise EvidenceFormatError(f"CMW: expected at most {2 * MAX_EVIDENCE_BYTES} bytes, got {len(raw)}")
    try:
        record = json.loads(asn1.decode_der(str, raw))
    except (ValueError, RecursionError) as error:
        raise EvidenceFormatError(f"CMW: expected a JSON record in a UTF8String, got {error}") from error
    return read_record(record)
