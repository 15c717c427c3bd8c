"""Reports of real AMD processors say what is known of them: ours, and those of the shared folder where it is there."""

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from attestation.anchors import Anchor
from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import Claims
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import REPORT_BYTES
from attestation.sev_snp.verify import SevSnpVerifier
from attestation.starts import kind_by_start

OURS = sorted((Path(__file__).parents[2] / "vectors" / "sev_snp").glob("*-*"))
SHARED = Path(__file__).parents[3] / "../shared/vectors"
DERIVED_FILE = SHARED / "derived" / "cases.json"
DERIVED = (
    [c for c in json.loads(DERIVED_FILE.read_text()) if c["base"].startswith("snp/")] if DERIVED_FILE.exists() else []
)
SEED = 20261125
FLIPS = 60


def stated(claims: Claims) -> dict[str, object]:
    return {
        **claims.details,
        **{name: value.hex() for name, value in claims.measurements.items()},
        "report_data": claims.report_data.hex(),
    }


@pytest.mark.parametrize("folder", OURS, ids=lambda folder: folder.name)
def test_a_real_report_says_what_is_known_of_it(folder: Path, snp_case: Callable) -> None:
    case = snp_case(folder)

    verdict = judge(case.verify(), DefaultPolicy())

    debug = case.facts["expect"]["verdict"] == "debug"
    assert (Outcome.CONTRAINDICATED if debug else Outcome.AFFIRMING) is verdict.outcome
    assert verdict.genuine
    assert not verdict.simulated
    assert case.facts["debug"] is verdict.claims.debuggable
    assert case.facts["measurements"].items() <= stated(verdict.claims).items()
    assert kind_by_start(case.report) is Kind.SEV_SNP


def test_the_hardware_id_is_the_certificates_chip(snp_case: Callable) -> None:
    for name in ("02", "06", "07"):
        case = snp_case(name)
        claims = case.verify().claims
        assert case.facts["measurements"]["chip_id"].startswith(claims.hardware_id)
        assert claims.hardware_id
    assert snp_case("04").verify().claims.hardware_id == ""


@pytest.mark.skipif(not DERIVED, reason="the project's shared folder is not beside this checkout")
@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived["id"].replace("/", "-"))
def test_a_mutated_case_ends_as_its_list_says(derived: dict, snp_case: Callable, genuine: tuple[Anchor, ...]) -> None:
    case = snp_case(SHARED / derived["base"])
    files = dict(case.files) | {name: (SHARED / path).read_bytes() for name, path in derived["files"].items()}
    endorsements, anchors = files, genuine
    if "leaf+chain of" in derived["mutation"]:
        endorsements = snp_case(SHARED / derived["mutation"].split(" of ")[1]).files
    if "as the trust anchor" in derived["mutation"]:
        intermediate = files.get("ask.der") or files["asvk.der"]
        anchors = (Anchor(x509.load_der_x509_certificate(intermediate), simulated=False),)
    verifier = SevSnpVerifier(anchors, SevSnpEndorsements.from_files(endorsements))

    verification = verifier.verify(
        Evidence(Kind.SEV_SNP, files["report.bin"]), Unbound(), now=datetime.fromisoformat(derived["verify_at"])
    )

    assert (derived["expect"] == "accept") is verification.genuine


@pytest.mark.parametrize("invalid", ["vcek-invalid-legacy.der", "vcek-invalid-new.der"])
def test_an_altered_vcek_is_refused(invalid: str, snp_case: Callable, genuine: tuple[Anchor, ...]) -> None:
    case = snp_case("03")
    files = {**case.files, "vcek.der": case.files[invalid]}
    verifier = SevSnpVerifier(genuine, SevSnpEndorsements.from_files(files))

    verification = verifier.verify(Evidence(Kind.SEV_SNP, case.report), Unbound(), now=case.at)

    assert not verification.genuine
    assert any(check.status is Status.FAILED and check.hint for check in verification.checks)


@pytest.mark.parametrize("name", ["02", "04", "06", "07"])
def test_a_flipped_bit_anywhere_in_a_report_is_found(name: str, snp_case: Callable) -> None:
    case = snp_case(name)
    chosen = random.Random(f"{SEED} {name}")

    for _ in range(FLIPS):
        changed = bytearray(case.report)
        changed[chosen.randrange(REPORT_BYTES)] ^= 1 << chosen.randrange(8)

        assert not case.verify(bytes(changed)).genuine


@pytest.mark.parametrize("name", ["02", "04", "07"])
def test_a_real_report_holds_only_while_its_certificates_do(name: str, snp_case: Callable) -> None:
    case = snp_case(name)
    first, last = (datetime.fromisoformat(time) for time in case.facts["valid_window"])

    assert case.verify(at=first).genuine
    assert case.verify(at=last).genuine
    assert not case.verify(at=first - timedelta(seconds=1)).genuine
    assert not case.verify(at=last + timedelta(seconds=1)).genuine


@pytest.mark.parametrize("left_out", ["vcek.der", "ask.der"])
def test_a_real_report_without_a_certificate_is_judged_neither_way(
    left_out: str, snp_case: Callable, genuine: tuple[Anchor, ...]
) -> None:
    case = snp_case("02")
    files = {name: content for name, content in case.files.items() if name != left_out}
    verifier = SevSnpVerifier(genuine, SevSnpEndorsements.from_files(files))

    verdict = judge(verifier.verify(Evidence(Kind.SEV_SNP, case.report), Unbound(), now=case.at), DefaultPolicy())

    assert Outcome.NONE is verdict.outcome
    (check,) = [c for c in verdict.checks if c.name == "sev-snp.chain"]
    assert "vcek.der" in check.hint


def test_the_right_certificate_is_found_among_those_of_many_machines(
    snp_case: Callable, genuine: tuple[Anchor, ...]
) -> None:
    cases = [snp_case(name) for name in ("01", "02", "04", "05", "06", "07")]
    endorsements = SevSnpEndorsements.none()
    for case in cases:
        endorsements = endorsements.and_those(SevSnpEndorsements.from_files(case.files))
    verifier = SevSnpVerifier(genuine, endorsements)

    for case in cases:
        assert verifier.verify(Evidence(Kind.SEV_SNP, case.report), Unbound(), now=case.at).genuine
