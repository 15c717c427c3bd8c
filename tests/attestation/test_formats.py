"""Parsers: whatever the bytes, they give a value or refuse in words."""

import json
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.dcap import format as dcap_format
from attestation.dcap.pck import SGX_EXTENSION, parse_pck_platform
from attestation.dcap.report import parse_enclave_report
from attestation.dcap.tcb_documents import parse_qe_identity, parse_tcb_info
from attestation.endorsements import Endorsements, encode_bundle, parse_bundle
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence, recognise, with_open_enclave_header
from attestation.kinds import Kind
from attestation.sgx.format import flag_names
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.tdx import format as tdx_format

QUICK = settings(max_examples=100, deadline=None)
SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["format", "dcap", "tcb_info", "id"]), inner),
    max_leaves=8,
)


@QUICK
@given(raw=st.binary(max_size=700) | st.binary(min_size=384, max_size=384) | st.binary(min_size=648, max_size=648))
def test_report_bodies_are_read_or_refused(raw: bytes) -> None:
    try:
        flag_names(parse_enclave_report(raw))
    except EvidenceFormatError:
        assert len(raw) != 384
    try:
        report = tdx_format.parse_body(raw)
    except EvidenceFormatError:
        assert len(raw) not in (584, 648)
    else:
        assert [48] * 4 == [len(rtmr) for rtmr in report.rtmrs]


@QUICK
@given(raw=st.binary(max_size=700))
def test_a_quoting_enclave_part_is_read_or_refused(raw: bytes) -> None:
    try:
        part = dcap_format.parse_quoting_enclave_part(raw)
    except EvidenceFormatError:
        return
    assert 384 == len(part.report)


@QUICK
@given(raw=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_documents_and_bundles_are_read_or_refused(raw: bytes) -> None:
    for parse in (parse_bundle, parse_tcb_info, parse_qe_identity):
        with pytest.raises(EndorsementFormatError):
            parse(raw)


@QUICK
@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["format", "dcap", "tcb_info", "id", "x"]), s),
        max_leaves=8,
    )
)
def test_any_json_is_a_bundle_or_refused(raw: object) -> None:
    try:
        bundle = parse_bundle(json.dumps(raw).encode())
    except EndorsementFormatError:
        return
    assert Endorsements.none() == bundle


def test_a_deeply_nested_bundle_is_refused() -> None:
    with pytest.raises(EndorsementFormatError):
        parse_bundle(b"[" * 100_000)


def test_a_bundle_and_a_bare_collateral_say_the_same(case: Callable, vendor: SimulatedVendor) -> None:
    bare = case("tdx-01").collateral
    assert parse_bundle(bare) == parse_bundle(encode_bundle((json.loads(bare),)))
    assert [Kind.SGX, Kind.TDX] == [c.kind for c in vendor.endorsements.dcap]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "enclasp-collateral/9"}, "expected format 'enclasp-collateral/1'"),
        ({"format": "enclasp-collateral/1", "dcap": {}}, "/dcap: expected a list"),
        ({"format": "enclasp-collateral/1", "dcap": [{}]}, "/dcap/0/pck_crl_issuer_chain: expected a string"),
    ],
)
def test_a_wrong_bundle_is_refused_with_its_place(change: dict, words: str) -> None:
    with pytest.raises(EndorsementFormatError, match=words):
        parse_bundle(json.dumps(change).encode())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("pck_crl", "zz", "/pck_crl: expected hex digits"),
        ("tcb_info", "[]", "/tcb_info: expected an object"),
        ("tcb_info", '{"id":"SNP"}', "/tcb_info/id: expected SGX or TDX"),
        ("qe_identity", "\ud800", "/qe_identity: expected Unicode text"),
    ],
)
def test_a_wrong_field_of_collateral_is_refused_with_its_place(
    case: Callable, field: str, value: str, words: str
) -> None:
    document = json.loads(case("tdx-01").collateral)
    parse_bundle(json.dumps(document).encode())
    with pytest.raises(EndorsementFormatError, match=words):
        parse_bundle(json.dumps(document | {field: value}).encode())


def _platform_of(extension: bytes, vendor: SimulatedVendor):
    leaf = x509.load_pem_x509_certificate(vendor.machine.chain_pem)
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(1)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
        .add_extension(x509.UnrecognizedExtension(SGX_EXTENSION, extension), critical=False)
    )
    return parse_pck_platform(builder.sign(vendor.platform_ca_key, hashes.SHA256()))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_sgx_extension_is_read_or_refused(data: st.DataObject, vendor: SimulatedVendor) -> None:
    leaf = x509.load_pem_x509_certificate(vendor.machine.chain_pem)
    whole = leaf.extensions.get_extension_for_oid(SGX_EXTENSION).value.public_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:position] + data.draw(st.binary(max_size=3)) + whole[position + 1 :]

    try:
        platform = _platform_of(changed, vendor)
    except EndorsementFormatError:
        return
    assert (16, 16, 16, 6, 2) == tuple(
        len(x) for x in (platform.ppid, platform.components, platform.cpu_svn, platform.fmspc, platform.pce_id)
    )


def test_a_certificate_without_the_sgx_extension_names_no_platform(vendor: SimulatedVendor) -> None:
    assert parse_pck_platform(x509.load_pem_x509_certificate(vendor.machine.chain_pem)).fmspc.hex() == "f0f1f2f3f4f5"
    with pytest.raises(EndorsementFormatError, match="expected extension"):
        parse_pck_platform(vendor.root)


def test_an_open_enclave_header_is_taken_off(case: Callable) -> None:
    quote = case("sgx-02").quote
    assert Evidence(Kind.SGX, quote) == recognise(with_open_enclave_header(quote))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "at least 48 bytes, got 0"),
        (b"\6" + bytes(99), "expected an SGX or TDX quote of version 3, 4 or 5, got version 6"),
        (b"\4\0\2\0\x82" + bytes(99), "TEE type 00000082"),
        (bytes(64 * 1024 + 1), "at most 65536 bytes"),
        (b"\1\0\0\0\2\0\0\0" + b"\xff" * 8 + bytes(99), "Open Enclave header: announces"),
    ],
)
def test_bytes_that_are_no_evidence_are_refused_in_words(raw: bytes, words: str) -> None:
    with pytest.raises(EvidenceFormatError, match=words):
        recognise(raw)


def test_a_signature_section_must_add_up(vendor: SimulatedVendor) -> None:
    quote = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64), 5).raw
    signed = dcap_format.parse_signed_part(quote, Kind.TDX)
    part = dcap_format.parse_signature_part(quote, signed)
    assert 5 == dcap_format.parse_quoting_enclave_part(part.quoting_enclave).certification_type

    for at, words in ((48, "quote body type"), (706 + 128, "outer certification data"), (706 + 130, "announces")):
        changed = bytearray(quote)
        changed[at] ^= 1
        with pytest.raises(EvidenceFormatError, match=words):
            dcap_format.parse_signature_part(bytes(changed), dcap_format.parse_signed_part(bytes(changed), Kind.TDX))
    with pytest.raises(EvidenceFormatError, match="announces"):
        dcap_format.parse_quoting_enclave_part(part.quoting_enclave[:-1])
