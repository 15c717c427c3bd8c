"""Is what an interface handed out a quote, and one over our report data?  A mistake shows here, not at the verifier."""

from attestation.dcap.format import parse_signed_part
from attestation.errors import EvidenceFormatError, NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sgx import format as sgx
from attestation.tdx import format as tdx


def quote_over(raw: bytes, kind: Kind, report_data: bytes, place: str) -> Evidence:
    """The quote as Evidence.  place: where it comes from, for the error.

    Raises NoDevice if it is no quote of this kind, or one over other report data: somebody else's request.
    """
    try:
        body = parse_signed_part(raw, kind).body
        found = sgx.parse_body(body).report_data if kind is Kind.SGX else tdx.parse_body(body).report_data
    except EvidenceFormatError as error:
        raise NoDevice(f"{place}: expected a quote, got something else: {error}") from error
    if found != report_data:
        raise NoDevice(f"{place}: expected a quote over our report data, got one over other data")
    return Evidence(kind, raw)
