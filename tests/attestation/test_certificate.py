"""Evidence travels in a certificate and comes out as it went in."""

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.certificate import evidence_extension, evidence_of
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.intel_pki import certificate, new_key
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from pki.oids import CMW

KEY = new_key()


def carrier(now, *extensions: x509.ExtensionType) -> x509.Certificate:
    return certificate("a root", KEY, "a root", KEY, now, timedelta(days=1), extra=extensions)


@pytest.mark.parametrize("kind", [Kind.SGX, Kind.TDX])
def test_evidence_comes_out_of_a_certificate_as_it_went_in(vendor: SimulatedVendor, now, kind: Kind) -> None:
    quoting_enclave = QuotingEnclave(vendor.machine, kind)
    if kind is Kind.SGX:
        evidence = quoting_enclave.quote_enclave(Enclave(bytes(32), bytes(32)), bytes(64))
    else:
        evidence = quoting_enclave.quote_trust_domain(TrustDomain(bytes(48)), bytes(64))

    assert evidence == evidence_of(carrier(now, evidence_extension(evidence)))
    assert evidence_of(carrier(now)) is None


@settings(max_examples=80, deadline=None)
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(asn1.encode_der))
def test_any_other_extension_is_refused_in_words(raw: bytes, now) -> None:
    with pytest.raises(EvidenceFormatError, match=r"CMW"):
        evidence_of(carrier(now, x509.UnrecognizedExtension(CMW, raw)))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (["application/x", "AAAA", 4], "expected one of"),
        (["application/vnd.enclasp.tdx-dcap-quote", "AAAA", 8], "for Evidence"),
        (["application/vnd.enclasp.tdx-dcap-quote", "A+/=", 4], "base64url"),
        (["application/vnd.enclasp.tdx-dcap-quote", "AAAA", 4], "at least 48 bytes"),
        ({"evidence": 1}, "expected \\[media type, value, 4\\]"),
    ],
)
def test_a_wrong_record_is_refused_with_its_reason(now, record: object, words: str) -> None:
    extension = x509.UnrecognizedExtension(CMW, asn1.encode_der(json.dumps(record)))
    with pytest.raises(EvidenceFormatError, match=words):
        evidence_of(carrier(now, extension))


def test_a_media_type_that_names_another_kind_is_refused(vendor: SimulatedVendor, now) -> None:
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64))
    with pytest.raises(EvidenceFormatError, match="media type says sgx, the bytes are tdx"):
        evidence_of(carrier(now, evidence_extension(Evidence(Kind.SGX, evidence.raw))))
