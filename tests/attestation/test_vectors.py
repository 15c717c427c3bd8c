"""Quotes of real hardware say what is known of them: ours, and those of the shared folder where it is there."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from attestation.anchors import TrustAnchors
from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import Claims
from attestation.endorsements import parse_bundle
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from attestation.verify import Verifier

OURS = sorted((Path(__file__).parents[1] / "vectors" / "dcap").glob("*-*"))
SHARED = Path(__file__).parents[2] / "../shared/vectors"
SHARED_CASES = sorted(path.parent for kind in ("sgx", "tdx") for path in SHARED.glob(f"{kind}/*/case.json"))
DERIVED_FILE = SHARED / "derived" / "cases.json"
DERIVED = [c for c in json.loads(DERIVED_FILE.read_text()) if c["base"][:4] in ("sgx/", "tdx/")] if SHARED_CASES else []

OUTCOMES = {
    "UpToDate": Outcome.AFFIRMING,
    "SWHardeningNeeded": Outcome.WARNING,
    "ConfigurationAndSWHardeningNeeded": Outcome.WARNING,
    "OutOfDate": Outcome.CONTRAINDICATED,
}


def expected_outcome(expect: dict[str, str]) -> Outcome:
    if expect["verdict"] == "no-collateral":
        return Outcome.NONE
    if expect["verdict"] in ("debug", "not-supported", "tampered"):
        return Outcome.CONTRAINDICATED
    return OUTCOMES[expect["tcb_status"]]


def known_measurements(facts: dict[str, Any]) -> dict[str, Any]:
    """Names of case.json to ours: registers one by one, `tdattr` in full."""
    known = dict(facts)
    for i, rtmr in enumerate(known.pop("rtmr", [])):
        known[f"rtmr{i}"] = rtmr
    if "tdattr" in known:
        known["tdattributes"] = known.pop("tdattr")
    return known


def stated(claims: Claims) -> dict[str, object]:
    return {
        **claims.details,
        **{name: value.hex() for name, value in claims.measurements.items()},
        "report_data": claims.report_data.hex(),
    }


@pytest.mark.parametrize("folder", [*OURS, *SHARED_CASES], ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_real_quote_says_what_is_known_of_it(folder: Path, case: Callable) -> None:
    real = case(folder)
    expect = real.facts["expect"]

    verdict = judge(real.verify(), DefaultPolicy())

    claims = verdict.claims
    assert expected_outcome(expect) is verdict.outcome
    assert (expect["verdict"] not in ("tampered", "no-collateral")) is verdict.genuine
    assert real.facts["debug"] is claims.debuggable
    assert not verdict.simulated
    assert known_measurements(real.facts["measurements"]).items() <= stated(claims).items()
    if "tcb_status" in expect:
        assert expect["tcb_status"] == claims.tcb_status
        assert expect["advisory_ids"] == list(claims.advisories)
        assert expect["qe_status"] == claims.details["qe_status"]
        assert expect["tcb_date"] == verdict.as_json()["claims"]["tcb_date"]
        assert (expect["ppid"], real.facts["fmspc"]) == (claims.hardware_id, claims.details["fmspc"])
    if "status_of_tee_tcb_svn2" in expect:
        assert expect["status_of_tee_tcb_svn2"] == claims.details["tee_tcb_svn2_status"]
    offline = {c.name: c.status is Status.PASSED for c in verdict.checks}
    for fact, check in (
        ("quote_signature", "quote.signature"),
        ("ak_bound_in_qe_report", "qe.attestation-key-binding"),
        ("qe_report_signature", "qe.report-signature"),
        ("root_key_is_intel", "pck.chain"),
    ):
        wanted = real.facts.get("offline_checks", {}).get(fact)
        assert wanted is None or wanted is offline[check]


@pytest.mark.skipif(not SHARED_CASES, reason="the project's shared folder is not beside this checkout")
@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived["id"].replace("/", "-"))
def test_a_mutated_case_ends_as_its_list_says(derived: dict, case: Callable) -> None:
    base = case(SHARED / derived["base"])
    files = {name: (SHARED / path).read_bytes() for name, path in derived["files"].items()}
    verifier = Verifier(TrustAnchors.genuine(), parse_bundle(files.get("collateral.json", base.collateral)))
    at = datetime.fromisoformat(derived["verify_at"])

    try:
        genuine = verifier.verify(recognise(files.get("quote.bin", base.quote)), Unbound(), now=at).genuine
    except EvidenceFormatError:
        genuine = False

    assert (derived["expect"] == "accept") is genuine


def test_a_quote_without_a_pck_certificate_says_what_it_needs(case: Callable) -> None:
    verification = case("sgx-08").verify()

    (check,) = [c for c in verification.checks if c.name == "pck.chain"]
    assert Status.NOT_CHECKED is check.status
    assert "certification data type 3" in check.found
    assert not verification.complete


def test_a_real_quote_without_endorsements_is_judged_neither_way(case: Callable) -> None:
    real = case("tdx-01")
    verifier = Verifier(TrustAnchors.genuine(), case("tdx-07").endorsements)

    verdict = judge(verifier.verify(recognise(real.quote), Unbound(), now=real.at), DefaultPolicy())

    assert Outcome.NONE is verdict.outcome
    (check,) = [c for c in verdict.checks if c.name == "collateral"]
    assert "tdx FMSPC b0c06f000000" in check.expected
    assert "tdx FMSPC 90c06f000000" in check.found
