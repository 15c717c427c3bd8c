"""Intel's tables: which level applies, whose quoting enclave and TDX module it is, and how statuses merge."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import TcbStatus
from attestation.dcap.signature import sign
from attestation.endorsements import encode_bundle, parse_bundle
from attestation.kinds import Kind
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.verification import Verification
from attestation.verify import Verifier

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="session")
def verify_with(vendor: SimulatedVendor, anchors: TrustAnchors, now: datetime):
    """Verify a quote with TCB info and QE identity that the vendor signed after a change."""

    def verify(
        *,
        tcb_info: Change = lambda document: None,
        qe_identity: Change = lambda document: None,
        status: TcbStatus = TcbStatus.UP_TO_DATE,
        kind: Kind = Kind.TDX,
        version: int = 4,
    ) -> Verification:
        collateral = vendor.collateral(kind)
        for name, change in (("tcb_info", tcb_info), ("qe_identity", qe_identity)):
            document = json.loads(collateral[name])
            change(document)
            collateral[name] = json.dumps(document)
            collateral[f"{name}_signature"] = sign(vendor.tcb_key, collateral[name].encode()).hex()
        quoting_enclave = QuotingEnclave(vendor.new_machine(status), kind)
        if kind is Kind.SGX:
            evidence = quoting_enclave.quote_enclave(Enclave(bytes(32), bytes(32)), bytes(64))
        else:
            evidence = quoting_enclave.quote_trust_domain(TrustDomain(bytes(48)), bytes(64), version)
        endorsements = parse_bundle(encode_bundle((collateral,)))
        return Verifier(anchors, endorsements).verify(evidence, Unbound(), now=now)

    return verify


def failed(verification: Verification) -> list[str]:
    return [c.name for c in verification.checks if c.status is Status.FAILED]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"id": "QE"}, "id"),
        ({"mrsigner": "00" * 32}, "mrsigner"),
        ({"isvprodid": 1}, "isvprodid"),
        ({"miscselect": "01000000"}, "miscselect"),
        ({"attributes": "15" + "00" * 15}, None),
        ({"attributes": "13" + "00" * 15}, "attributes"),
        ({"attributes": "11", "attributesMask": "11"}, "attributes"),
        ({}, None),
    ],
)
def test_a_quoting_enclave_must_be_the_vendors_in_every_field(verify_with, change: dict, name: str | None) -> None:
    verification = verify_with(qe_identity=lambda document: document.update(change))

    assert ([] if name is None else [f"qe.identity.{name}"]) == failed(verification)
    assert (name is None) is verification.genuine


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"mrsigner": "01" * 48}, "tdx.module"),
        ({"attributes": "01" + "00" * 7}, "tdx.module"),
        ({"attributes": "01" + "00" * 7, "attributesMask": "00" * 8}, None),
        ({"id": "TDX_09"}, "tdx.module"),
        ({"id": "tdx_01"}, None),
    ],
)
def test_a_tdx_module_must_be_one_that_the_vendor_lists(verify_with, change: dict, name: str | None) -> None:
    verification = verify_with(tcb_info=lambda document: document["tdxModuleIdentities"][0].update(change))

    assert name is None or name in failed(verification)
    assert (name is None) is verification.genuine


def test_collateral_for_another_pce_is_refused(verify_with) -> None:
    assert ["tcb.platform"] == failed(verify_with(tcb_info=lambda document: document.update(pceId="0001")))


def test_the_fmspc_compares_without_case(verify_with) -> None:
    assert verify_with(tcb_info=lambda document: document.update(fmspc="F0F1F2F3F4F5")).genuine


@pytest.mark.parametrize("part", ["qe", "module"])
@pytest.mark.parametrize(
    ("of_part", "of_platform", "merged"),
    [
        ("UpToDate", TcbStatus.SW_HARDENING_NEEDED, TcbStatus.SW_HARDENING_NEEDED),
        ("OutOfDate", TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE),
        ("OutOfDate", TcbStatus.SW_HARDENING_NEEDED, TcbStatus.OUT_OF_DATE),
        ("OutOfDate", TcbStatus.CONFIGURATION_NEEDED, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED),
        ("OutOfDate", TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE),
        ("Revoked", TcbStatus.UP_TO_DATE, TcbStatus.REVOKED),
        ("OutOfDate", TcbStatus.REVOKED, TcbStatus.REVOKED),
        ("ConfigurationNeeded", TcbStatus.UP_TO_DATE, TcbStatus.NOT_SUPPORTED),
    ],
)
def test_the_worse_of_platform_and_part_counts(
    verify_with, part: str, of_part: str, of_platform: TcbStatus, merged: TcbStatus
) -> None:
    change = {"tcbStatus": of_part, "advisoryIDs": ["SIM-SA-00002"]}
    if part == "qe":
        verification = verify_with(qe_identity=lambda d: d["tcbLevels"][0].update(change), status=of_platform)
    else:
        verification = verify_with(
            tcb_info=lambda d: d["tdxModuleIdentities"][0]["tcbLevels"][0].update(change), status=of_platform
        )

    assert verification.genuine
    assert merged is verification.claims.tcb_status
    assert "SIM-SA-00002" in verification.claims.advisories


def test_a_level_must_be_reached_in_every_component(verify_with) -> None:
    def raise_sgx(document: dict[str, Any]) -> None:
        document["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][15]["svn"] = 1

    def raise_pce(document: dict[str, Any]) -> None:
        document["tcbLevels"][0]["tcb"]["pcesvn"] = 14

    def raise_microcode(document: dict[str, Any]) -> None:
        document["tcbLevels"][0]["tcb"]["tdxtcbcomponents"][2]["svn"] = 3

    for change in (raise_sgx, raise_pce, raise_microcode):
        assert TcbStatus.SW_HARDENING_NEEDED is verify_with(tcb_info=change).claims.tcb_status


def test_the_modules_own_components_are_judged_by_its_identity(verify_with) -> None:
    def raise_module(document: dict[str, Any]) -> None:
        document["tcbLevels"][0]["tcb"]["tdxtcbcomponents"][0]["svn"] = 9

    assert TcbStatus.UP_TO_DATE is verify_with(tcb_info=raise_module).claims.tcb_status


def test_a_module_below_its_levels_and_a_machine_below_all_are_not_supported(verify_with) -> None:
    def raise_level(document: dict[str, Any]) -> None:
        document["tdxModuleIdentities"][0]["tcbLevels"][0]["tcb"]["isvsvn"] = 6

    for verification in (verify_with(tcb_info=raise_level), verify_with(status=TcbStatus.NOT_SUPPORTED)):
        assert TcbStatus.NOT_SUPPORTED is verification.claims.tcb_status
        assert ["tcb.level"] == failed(verification)


def test_a_trust_domain_of_version_1_5_tells_the_status_of_the_module_that_runs_now(verify_with) -> None:
    claims = verify_with(version=5).claims
    assert ("UpToDate", "050102" + "00" * 13) == (claims.details["tee_tcb_svn2_status"], claims.details["tee_tcb_svn2"])
