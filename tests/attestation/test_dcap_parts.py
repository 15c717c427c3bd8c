"""Parts of DCAP verification alone, where a whole quote would be refused by a later step as well."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from attestation import codes
from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.chain import build_path
from attestation.checks import Status
from attestation.claims import TcbStatus
from attestation.dcap.format import parse_signed_part
from attestation.dcap.pck import parse_pck_platform
from attestation.dcap.report import parse_enclave_report
from attestation.dcap.signature import is_signed_by, p256_point, sign
from attestation.dcap.tcb import TdxTcb, assess
from attestation.dcap.tcb_documents import parse_qe_identity, parse_tcb_info
from attestation.endorsements import encode_bundle, parse_bundle
from attestation.errors import EvidenceFormatError
from attestation.kinds import Kind
from attestation.simulation.intel_pki import certificate, new_key
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.verify import Verifier

QUOTE_FIELDS = [(2, "attestation key type"), (12, "QE vendor"), (0, "quote version"), (4, "TEE type")]


@pytest.mark.parametrize(("at", "words"), QUOTE_FIELDS)
def test_a_header_of_another_kind_of_quote_is_refused_before_its_signature(
    vendor: SimulatedVendor, at: int, words: str
) -> None:
    quote = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64)).raw
    assert 4 == parse_signed_part(quote, Kind.TDX).version
    changed = bytearray(quote)
    changed[at] ^= 0x40

    with pytest.raises(EvidenceFormatError, match=words):
        parse_signed_part(bytes(changed), Kind.TDX)


def test_a_signature_is_exactly_64_bytes() -> None:
    key = new_key()
    signature = sign(key, b"data")

    assert is_signed_by(key.public_key(), signature, b"data")
    assert not is_signed_by(key.public_key(), signature[:32] + b"\0" + signature[32:], b"data")
    assert not is_signed_by(key.public_key(), signature, b"other")
    assert not is_signed_by(key.public_key(), bytes(64), b"data")
    assert p256_point(b"\1" * 64) is None


def test_only_a_ca_with_room_below_it_may_issue(vendor: SimulatedVendor, anchors: TrustAnchors) -> None:
    def leaf_below(name: str, path_length: int | None) -> tuple[x509.Certificate, x509.Certificate]:
        ca_key, made_at, week = new_key(), vendor.made_at, timedelta(days=7)
        ca = certificate(name, ca_key, "Intel SGX Root CA", vendor.root_key, made_at, week, path_length=path_length)
        return certificate("a leaf", new_key(), name, ca_key, made_at, week), ca

    leaf, ca = leaf_below("a CA", 0)
    assert build_path(leaf, [ca], anchors).anchor is not None
    leaf, ca = leaf_below("no CA", None)
    path = build_path(leaf, [ca], anchors)
    assert (None, codes.CHAIN) == (path.anchor, path.code)
    assert "'no CA' is not allowed to issue 'a leaf'" in path.problem


def test_a_chain_that_does_not_end_says_where_it_breaks(vendor: SimulatedVendor, anchors: TrustAnchors) -> None:
    leaf, ca, root = x509.load_pem_x509_certificates(vendor.machine.chain_pem)
    stranger = new_vendor(vendor.made_at).platform_ca

    assert "'Intel SGX PCK Platform CA' is not in the chain" in build_path(leaf, [root], anchors).problem
    assert "is not signed by 'Intel SGX PCK Platform CA', whose name" in build_path(leaf, [stranger], anchors).problem
    unknown = certificate("r", key := new_key(), "r", key, vendor.made_at, timedelta(days=1), path_length=0)
    below = certificate("l", new_key(), "r", key, vendor.made_at, timedelta(days=1))
    assert codes.UNKNOWN_ROOT == build_path(below, [unknown], anchors).code
    assert codes.SIMULATED == build_path(leaf, [ca, root], TrustAnchors.genuine()).code


def test_collateral_is_all_of_one_vendor(vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime) -> None:
    other = new_vendor(now)
    mixed = vendor.collateral(Kind.TDX) | {"root_ca_crl": other.collateral(Kind.TDX)["root_ca_crl"]}
    verifier = Verifier(anchors.with_simulated(other.trust_pem), parse_bundle(encode_bundle((mixed,))))
    evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64))

    verification = verifier.verify(evidence, Unbound(), now=now)

    refused = [c.name for c in verification.checks if c.status is Status.FAILED]
    assert ["collateral.anchor", "anchor.same"] == refused


def test_a_module_of_version_0_is_judged_by_the_platforms_levels(vendor: SimulatedVendor) -> None:
    collateral = vendor.collateral(Kind.TDX)
    document = json.loads(collateral["tcb_info"])
    for level in document["tcbLevels"]:
        level["tcb"]["tdxtcbcomponents"][1]["svn"] = 0
    info = parse_tcb_info(json.dumps(document).encode())
    identity = parse_qe_identity(collateral["qe_identity"].encode())
    platform = parse_pck_platform(x509.load_pem_x509_certificate(vendor.machine.chain_pem))
    enclave = replace(parse_enclave_report(bytes(384)), svn=4)

    def status(first_component: int) -> TcbStatus:
        svn = bytes([first_component, 0, 2]) + bytes(13)
        return assess(info, identity, platform, enclave, TdxTcb(svn, bytes(48), bytes(8), b"")).status

    assert [TcbStatus.UP_TO_DATE, TcbStatus.NOT_SUPPORTED] == [status(5), status(4)]
