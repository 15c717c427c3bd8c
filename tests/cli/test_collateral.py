"""`collateral fetch` asks a service once; `collateral show` says how old the result is."""

import json
from pathlib import Path

import pytest

from attestation.evidence import recognise
from attestation.fetch import pcs
from tests.cli.conftest import Enclasp
from tests.fakes.vendor_services import Service, serving

VECTORS = Path(__file__).parents[1] / "vectors" / "dcap"


@pytest.fixture
def case() -> Path:
    return next(VECTORS.glob("tdx-01*"))


def recorded(case: Path) -> Service:
    service = Service()
    platform = pcs.platform_of(recognise((case / "quote.bin").read_bytes()))
    collateral = json.loads((case / "collateral.json").read_text())
    service.add_intel(collateral, family="tdx", fmspc=platform.fmspc, ca=platform.ca)
    return service


def test_what_is_fetched_verifies_the_evidence_offline(enclasp: Enclasp, case: Path, tmp_path: Path) -> None:
    at = json.loads((case / "case.json").read_text())["verify_at"]
    bundle, quote = tmp_path / "bundle.json", tmp_path / "quote.bin"
    quote.write_bytes((case / "quote.bin").read_bytes())
    without = enclasp("evidence", "verify", quote, "--at", at)
    with serving(recorded(case)) as service:
        fetched = enclasp("collateral", "fetch", "--for", quote, "--url", service.url, "--out", bundle)
    assert 0 == fetched.code, fetched.err
    assert "TCB info: EXPIRED" in fetched.err, "the recorded one is old"
    verified = enclasp("evidence", "verify", quote, "--at", at, "--collateral", bundle)
    assert (4, 0) == (without.code, verified.code), verified.text


def test_a_bundle_in_json_is_the_same_document(enclasp: Enclasp, case: Path) -> None:
    with serving(recorded(case)) as service:
        ended = enclasp("collateral", "fetch", "--for", case, "--url", service.url, "-o", "json")
    assert "enclasp-collateral/1" == ended.document["format"]


def test_each_failure_has_its_exit_code_and_its_code(enclasp: Enclasp, case: Path) -> None:
    with serving(Service()) as service:
        unknown = enclasp("collateral", "fetch", "--for", case, "--url", service.url)
    away = enclasp("collateral", "fetch", "--for", case, "--url", service.url, "--attempts", "1")
    address = enclasp("collateral", "fetch", "--for", case, "--url", "ftp://example")
    nothing = enclasp("collateral", "fetch", "--for", next(VECTORS.glob("sgx-08*")) / "quote.bin")
    assert [6, 6, 3, 3] == [unknown.code, away.code, address.code, nothing.code]
    codes = ["N311", "N310", "N314", "N313"]
    for code, ended in zip(codes, (unknown, away, address, nothing), strict=True):
        assert f"error[{code}]" in ended.err
        assert "hint: " in ended.err


def test_a_bundle_warns_ahead_of_time_and_is_then_stale(enclasp: Enclasp, tmp_path: Path) -> None:
    enclasp("simulate", "vendor", "new", tmp_path / "vendor")
    bundle = tmp_path / "vendor" / "collateral.json"
    fresh = enclasp("collateral", "show", bundle, "--strict")
    assert 0 == fresh.code, fresh.text
    assert "TCB info: 24 hours old, good for " in fresh.text

    document = enclasp("collateral", "show", bundle, "-o", "json").document
    assert {"current"} == {entry["state"] for entry in document}
    last = document[0]["next_update"]
    ending = enclasp("collateral", "show", bundle, "--strict", "--at", last)
    assert 9 == ending.code
    assert "ENDS SOON" in ending.text
    assert "from that moment on verification with it is refused" in ending.text

    stale = enclasp("collateral", "show", bundle, "--at", "2999-01-01T00:00:00Z", "-o", "json").document
    assert {("stale", False)} == {(entry["state"], entry["current"]) for entry in stale}
    text = enclasp("collateral", "show", bundle, "--at", "2999-01-01T00:00:00Z").text
    assert "verification with it is refused: fetch it anew" in text


def test_doctor_warns_of_a_bundle_too(enclasp: Enclasp, case: Path) -> None:
    found = enclasp("doctor", "--collateral", case / "collateral.json", "-o", "json").document
    [symptom] = [symptom for symptom in found if symptom["group"] == "collateral"]
    assert "error" == symptom["state"]
    assert "collateral fetch" in symptom["hint"]


def test_a_bundle_that_cannot_be_read_is_named(enclasp: Enclasp, tmp_path: Path) -> None:
    bundle, evidence = tmp_path / "bundle.json", tmp_path / "quote.bin"
    bundle.write_text("no JSON")
    evidence.write_bytes(b"evidence")
    ended = enclasp("evidence", "verify", str(evidence), "--collateral", str(bundle))
    assert ended.code == 3
    assert f"{bundle}: collateral: expected JSON" in ended.err
