"""Collateral and certificate chains: dates, revocation, roles, and vendors that must not be mixed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import TrustAnchors, Vendor
from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import TcbStatus
from attestation.dcap.signature import sign
from attestation.endorsements import Endorsements, encode_bundle, parse_bundle
from attestation.errors import EndorsementFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.intel_pki import Machine, certificate, new_key, pem
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.verification import Verification
from attestation.verify import Verifier

DOMAIN = TrustDomain(b"\3" * 48)


def quote(machine: Machine) -> Evidence:
    return QuotingEnclave(machine, Kind.TDX).quote_trust_domain(DOMAIN, bytes(64))


def failed(verification: Verification) -> list[str]:
    return [c.name for c in verification.checks if c.status is Status.FAILED]


def with_field(vendor: SimulatedVendor, **fields: str) -> Endorsements:
    return parse_bundle(encode_bundle((vendor.collateral(Kind.TDX) | fields,)))


def test_dates_are_compared_again_each_time(vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime) -> None:
    verifier = Verifier(anchors, parse_bundle(vendor.bundle(validity=timedelta(days=30))))
    evidence = quote(vendor.machine)
    dated = [f"collateral.{name}-dates" for name in ("root-crl", "pck-crl", "tcb-info", "qe-identity")]

    assert verifier.verify(evidence, Unbound(), now=now + timedelta(days=30)).genuine
    late = verifier.verify(evidence, Unbound(), now=now + timedelta(days=30, seconds=1))
    assert dated == failed(late)
    assert "TCB info is valid from 2026-11-24T12:00:00Z to 2026-12-25T12:00:00Z" in [c.found for c in late.checks]
    assert verifier.verify(evidence, Unbound(), now=now).genuine
    assert set(dated) < set(failed(verifier.verify(evidence, Unbound(), now=now - timedelta(days=2))))


def test_an_expired_pck_certificate_is_refused(vendor: SimulatedVendor, verifier: Verifier, now: datetime) -> None:
    evidence = quote(vendor.new_machine(validity=timedelta(days=1)))

    assert verifier.verify(evidence, Unbound(), now=now).genuine
    assert ["pck.validity"] == failed(verifier.verify(evidence, Unbound(), now=now + timedelta(days=2)))


def test_a_revoked_machine_is_refused_and_another_is_not(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    machine = vendor.new_machine()
    serial = x509.load_pem_x509_certificate(machine.chain_pem).serial_number
    verifier = Verifier(anchors, parse_bundle(vendor.bundle(revoked=[serial])))

    assert ["pck.crl"] == failed(verifier.verify(quote(machine), Unbound(), now=now))
    assert verifier.verify(quote(vendor.machine), Unbound(), now=now).genuine


def test_a_vendors_certificate_that_its_root_revoked_is_refused(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    signer = Verifier(anchors, parse_bundle(vendor.bundle(revoked=[vendor.tcb_signer.serial_number])))
    names = ["collateral.tcb-info-signer-revocation", "collateral.qe-identity-signer-revocation"]
    assert names == failed(signer.verify(quote(vendor.machine), Unbound(), now=now))

    ca = Verifier(anchors, parse_bundle(vendor.bundle(revoked=[vendor.platform_ca.serial_number])))
    names = ["collateral.pck-crl-issuer-revocation", "pck.crl"]
    assert names == failed(ca.verify(quote(vendor.machine), Unbound(), now=now))


def test_of_several_collaterals_the_one_that_holds_now_is_used(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    old = parse_bundle(vendor.bundle(validity=timedelta(days=1)))
    later = now + timedelta(days=9)

    assert not Verifier(anchors, old).verify(quote(vendor.machine), Unbound(), now=later).genuine
    both = old.and_those(vendor.endorsements)
    assert Verifier(anchors, both).verify(quote(vendor.machine), Unbound(), now=later).genuine


def test_the_order_of_certificates_does_not_matter(vendor: SimulatedVendor, verifier: Verifier, now: datetime) -> None:
    leaf, ca, root = x509.load_pem_x509_certificates(vendor.machine.chain_pem)
    for chain in (pem(leaf, root, ca), pem(leaf, ca)):
        assert verifier.verify(quote(replace(vendor.machine, chain_pem=chain)), Unbound(), now=now).genuine
    for chain in (pem(leaf), pem(leaf, root), pem(ca, leaf, root), b"no certificate", pem(*[root] * 9)):
        assert "pck.chain" in failed(
            verifier.verify(quote(replace(vendor.machine, chain_pem=chain)), Unbound(), now=now)
        ) or "pck.roles" in failed(verifier.verify(quote(replace(vendor.machine, chain_pem=chain)), Unbound(), now=now))


def test_a_pck_certificate_may_not_issue_another(vendor: SimulatedVendor, verifier: Verifier, now: datetime) -> None:
    leaf, ca, root = x509.load_pem_x509_certificates(vendor.machine.chain_pem)
    key, name = new_key(), "Intel SGX PCK Certificate"
    forged = certificate(name, key, name, vendor.machine.pck_key, vendor.made_at, timedelta(days=9))
    machine = replace(vendor.machine, pck_key=key, chain_pem=pem(forged, leaf, ca, root))

    verification = verifier.verify(quote(machine), Unbound(), now=now)

    assert not verification.genuine
    assert "pck.chain" in failed(verification)


@pytest.mark.parametrize(
    ("field", "check"),
    [
        ("pck_crl", "collateral.pck-crl"),
        ("root_ca_crl", "collateral.root-crl"),
        ("tcb_info_signature", "collateral.tcb-info-signature"),
        ("qe_identity_signature", "collateral.qe-identity-signature"),
        ("pck_crl_issuer_chain", "collateral.pck-crl-issuer-format"),
        ("tcb_info_issuer_chain", "collateral.tcb-info-signer-format"),
    ],
)
def test_an_empty_part_of_collateral_fails_its_own_check(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime, field: str, check: str
) -> None:
    verification = Verifier(anchors, with_field(vendor, **{field: ""})).verify(
        quote(vendor.machine), Unbound(), now=now
    )

    assert check in failed(verification)
    assert Outcome.CONTRAINDICATED is judge(verification, DefaultPolicy()).outcome


def test_only_the_tcb_signing_certificate_may_sign_collateral(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    other = certificate("Intel SGX Other", vendor.tcb_key, "Intel SGX Root CA", vendor.root_key, now, timedelta(days=9))
    endorsements = with_field(vendor, tcb_info_issuer_chain=pem(other, vendor.root).decode())

    verification = Verifier(anchors, endorsements).verify(quote(vendor.machine), Unbound(), now=now)

    assert "collateral.tcb-info-signer-role" in failed(verification)


def test_a_signed_document_of_another_shape_is_refused(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    document = json.loads(vendor.collateral(Kind.TDX)["tcb_info"])
    for change in ({"version": 9}, {"tcbLevels": [{}]}, {"fmspc": "f0f1f2f3f4f5", "tdxModule": None}):
        body = json.dumps(document | change)
        endorsements = with_field(vendor, tcb_info=body, tcb_info_signature=sign(vendor.tcb_key, body.encode()).hex())
        verification = Verifier(anchors, endorsements).verify(quote(vendor.machine), Unbound(), now=now)
        assert ["collateral.tcb-info-format"] == failed(verification)


def test_one_simulated_vendor_cannot_vouch_for_anothers_machine(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    other = new_vendor(now)
    both = anchors.with_simulated(other.trust_pem)

    mixed = Verifier(both, other.endorsements).verify(quote(vendor.machine), Unbound(), now=now)

    assert ["anchor.same"] == failed(mixed)
    assert Verifier(both, vendor.endorsements).verify(quote(vendor.machine), Unbound(), now=now).genuine
    assert Verifier(both, other.endorsements).verify(quote(other.machine), Unbound(), now=now).genuine


def test_a_simulated_root_does_not_change_what_is_genuine(case: Callable, anchors: TrustAnchors) -> None:
    real = case("tdx-01")
    verification = Verifier(anchors, real.endorsements).verify(Evidence(Kind.TDX, real.quote), Unbound(), now=real.at)

    assert (True, False) == (verification.genuine, verification.simulated)


def test_only_a_marked_self_signed_root_can_be_added(vendor: SimulatedVendor) -> None:
    genuine = TrustAnchors.genuine()
    assert 2 == len(genuine.with_simulated(vendor.trust_pem).of(Vendor.INTEL).anchors)
    intel = genuine.of(Vendor.INTEL).anchors[0].certificate.public_bytes(Encoding.PEM)
    for raw, words in (
        (intel, "marks a simulated vendor"),
        (pem(vendor.platform_ca), "expected a self-signed CA certificate"),
        (b"", "expected 1 to 64 CA certificates in PEM, got 0"),
    ):
        with pytest.raises(EndorsementFormatError, match=words):
            genuine.with_simulated(raw)


def test_collateral_of_the_other_kind_is_no_collateral(
    vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime
) -> None:
    only_sgx = parse_bundle(encode_bundle((vendor.collateral(Kind.SGX),)))

    verification = Verifier(anchors, only_sgx).verify(quote(vendor.machine), Unbound(), now=now)

    assert (False, False) == (verification.genuine, verification.complete)
    assert Outcome.NONE is judge(verification, DefaultPolicy()).outcome


def test_a_status_reaches_the_claims_with_its_parts(vendor: SimulatedVendor, verifier: Verifier, now: datetime) -> None:
    machine = vendor.new_machine(TcbStatus.CONFIGURATION_NEEDED)

    claims = verifier.verify(quote(machine), Unbound(), now=now).claims

    assert TcbStatus.CONFIGURATION_NEEDED is claims.tcb_status
    assert ("ConfigurationNeeded", "UpToDate", "UpToDate") == tuple(
        claims.details[name] for name in ("platform_status", "qe_status", "tdx_module_status")
    )
