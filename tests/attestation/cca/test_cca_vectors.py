"""Tokens of Arm's emulator say what is known of them: ours, and those of the shared folder where it is."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Bound, Unbound
from attestation.cca.claims import CcaClaims
from attestation.cca.endorsements import CcaEndorsements
from attestation.cca.verify import CcaVerifier
from attestation.checks import Status
from attestation.evidence import Evidence
from attestation.kinds import Kind

OURS = sorted((Path(__file__).parents[2] / "vectors" / "cca").glob("*-*"))
SHARED = Path(__file__).parents[3] / "../shared/vectors"
SHARED_CASES = sorted(path.parent for path in SHARED.glob("cca/*/case.json"))
DERIVED_FILE = SHARED / "derived" / "cases.json"
DERIVED = [c for c in json.loads(DERIVED_FILE.read_text()) if c["base"].startswith("cca/")] if SHARED_CASES else []


@pytest.mark.parametrize("folder", [*OURS, *SHARED_CASES], ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_token_says_what_is_known_of_it(folder: Path, cca_case: Callable, now: datetime) -> None:
    case = cca_case(folder)
    genuine = case.facts["expect"]["verdict"] == "genuine"

    verdict = judge(case.verifier.verify(case.evidence, Unbound(), now=now), DefaultPolicy())

    assert (Outcome.AFFIRMING if genuine else Outcome.CONTRAINDICATED) is verdict.outcome
    assert genuine is verdict.genuine
    assert not verdict.simulated
    assert not verdict.claims.debuggable
    known, claims = dict(case.facts.get("measurements", {})), verdict.claims
    measured = {name: value.hex() for name, value in claims.measurements.items()}
    for i, rem in enumerate(known.pop("rem", [])):
        assert rem == measured[f"rem{i}"]
    assert known.items() <= ({**claims.details, **measured}).items()


def test_every_software_component_is_read(cca_case: Callable, now: datetime) -> None:
    case = cca_case("01")
    claims = case.verifier.verify(case.evidence, Unbound(), now=now).claims

    assert isinstance(claims, CcaClaims)
    assert ("RSE_BL1_2", "sha-256", 32) == (
        claims.components[0].kind,
        claims.components[0].hash_algorithm,
        len(claims.components[0].measurement),
    )
    assert 13 == len(claims.components)
    assert "RSE_BL1_2 sha-256:9a271f2a916b" in str(claims.details["software_components"])


@pytest.mark.skipif(not SHARED_CASES, reason="the project's shared folder is not beside this checkout")
@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived["id"].replace("/", "-"))
def test_a_mutated_token_ends_as_its_list_says(derived: dict, cca_case: Callable, now: datetime) -> None:
    base = cca_case(SHARED / derived["base"])
    raw = (SHARED / derived["files"]["token.cbor"]).read_bytes()

    verification = base.verifier.verify(Evidence(Kind.CCA, raw), Unbound(), now=now)

    assert (derived["expect"] == "accept") is verification.genuine


def test_the_realms_challenge_is_report_data(cca_case: Callable, now: datetime) -> None:
    case = cca_case("01")
    wanted = bytes.fromhex(case.facts["measurements"]["challenge"])

    assert case.verifier.verify(case.evidence, Bound(wanted, "a test"), now=now).genuine
    other = case.verifier.verify(case.evidence, Bound(bytes(64), "a test"), now=now)
    assert not other.genuine
    assert ["binding.report-data"] == [c.name for c in other.checks if c.status is Status.FAILED]


def test_a_token_without_its_key_is_judged_neither_way(cca_case: Callable, now: datetime) -> None:
    verdict = judge(
        CcaVerifier((), CcaEndorsements()).verify(cca_case("01").evidence, Unbound(), now=now), DefaultPolicy()
    )

    assert Outcome.NONE is verdict.outcome
    (check,) = [c for c in verdict.checks if c.name == "cca.platform-signature"]
    assert (Status.NOT_CHECKED, "V244") == (check.status, check.code)
    assert "no CPAK for instance 0107060504" in check.found
