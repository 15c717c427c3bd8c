"""Was a certificate revoked?  NVIDIA answers by OCSP, for a day at a time.

Source: RFC 6960, 4.2; the responder's certificate is issued by the CA that issued the certificate in question.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from attestation import codes
from attestation.anchors import MALFORMED, common_name, is_issued_by, p384_key
from attestation.checks import Check
from attestation.errors import EndorsementFormatError
from attestation.nvidia_gpu import codes as room_codes
from attestation.nvidia_gpu.steps import missing, settled

_SPECIFICATION: Final = "RFC 6960, 4.2.2"
_CERTIFICATES_KEPT: Final = 1024


class Answers:
    """OCSP responses in any order; remembers which of them are about a certificate (bounded, thread-safe)."""

    def __init__(self, responses: tuple[ocsp.OCSPResponse, ...]) -> None:
        self._responses = responses
        self._about = lru_cache(_CERTIFICATES_KEPT)(self._find)

    def _find(self, certificate: x509.Certificate, issuer: x509.Certificate) -> tuple[ocsp.OCSPResponse, ...]:
        return tuple(r for r in self._responses if _is_about(r, certificate, issuer))

    def check(self, name: str, chain: Sequence[tuple[x509.Certificate, x509.Certificate]], now: datetime) -> Check:
        """One check for all certificates of a chain.  chain: (certificate, its issuer).

        A certificate that was revoked stays so, whatever the answer's age; one without a fresh answer is not checked.
        """
        expected = "an answer of its issuer that each certificate is good"
        unanswered = []
        for certificate, issuer in chain:
            answers = self._about(certificate, issuer)
            revoked = next((r for r in answers if r.certificate_status is ocsp.OCSPCertStatus.REVOKED), None)
            if revoked is not None:
                found = f"'{common_name(certificate.subject)}' was revoked at {revoked.revocation_time_utc:%Y-%m-%d}"
                return settled(False, name, expected, found, _SPECIFICATION, codes.REVOKED)
            if not any(_is_good(r, now) for r in answers):
                unanswered.append(common_name(certificate.subject))
        if unanswered or not chain:
            found = f"no valid answer for: {', '.join(unanswered)}" if unanswered else "no chain to ask about"
            return missing(name, expected, found, _SPECIFICATION, room_codes.NO_REVOCATION)
        return settled(True, name, expected, "all good", _SPECIFICATION, codes.REVOKED)


def read_answers(raw: Iterable[bytes]) -> Answers:
    """Responses in DER.  Raises EndorsementFormatError if one cannot be read or is no answer."""
    responses = []
    for item in raw:
        try:
            response = ocsp.load_der_ocsp_response(item)
            _ = response.certificate_status, response.serial_number, response.this_update_utc, response.certificates
        except (*MALFORMED, Warning) as error:
            raise EndorsementFormatError(
                f"OCSP response: expected a successful one in DER, got {type(error).__name__}: {error}"
            ) from error
        responses.append(response)
    return Answers(tuple(responses))


def _is_good(response: ocsp.OCSPResponse, now: datetime) -> bool:
    ends = response.next_update_utc
    in_time = ends is not None and response.this_update_utc <= now <= ends
    return response.certificate_status is ocsp.OCSPCertStatus.GOOD and in_time


def _is_about(response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Serial number, issuer's name and key, and a signature by whoever may answer for the issuer."""
    if response.serial_number != certificate.serial_number or not _names_issuer(response, certificate, issuer):
        return False
    return any(
        _is_answered_by(response, responder)
        for responder in (*response.certificates, issuer)
        if responder == issuer or _may_answer(responder, issuer)
    )


def _names_issuer(response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """The request's CertID for this pair has the same hashes (RFC 6960, 4.1.1)."""
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, response.hash_algorithm)
        request = builder.build()
    except MALFORMED:
        return False
    return request.issuer_name_hash == response.issuer_name_hash and request.issuer_key_hash == response.issuer_key_hash


def _may_answer(responder: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Issued by the CA for that purpose (RFC 6960, 4.2.2.2)."""
    try:
        usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (*MALFORMED, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage and is_issued_by(responder, issuer)


def _is_answered_by(response: ocsp.OCSPResponse, responder: x509.Certificate) -> bool:
    key, algorithm = p384_key(responder), response.signature_hash_algorithm
    if key is None or algorithm is None:
        return False
    try:
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True
