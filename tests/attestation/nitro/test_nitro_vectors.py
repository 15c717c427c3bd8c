"""Documents of real Nitro enclaves say what is known of them: ours, and those of the shared folder where it is."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Bound, Unbound
from attestation.checks import Status
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.verify import NitroVerifier

OURS = sorted((Path(__file__).parents[2] / "vectors" / "nitro").glob("*-*"))
SHARED = Path(__file__).parents[3] / "../shared/vectors"
SHARED_CASES = sorted(path.parent for path in SHARED.glob("nitro/*/case.json"))
DERIVED_FILE = SHARED / "derived" / "cases.json"
DERIVED = [c for c in json.loads(DERIVED_FILE.read_text()) if c["base"].startswith("nitro/")] if SHARED_CASES else []
OUTCOMES = {"genuine": Outcome.AFFIRMING, "debug": Outcome.CONTRAINDICATED, "tampered": Outcome.CONTRAINDICATED}


@pytest.mark.parametrize("folder", [*OURS, *SHARED_CASES], ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_real_document_says_what_is_known_of_it(folder: Path, nitro_case: Callable, genuine: NitroVerifier) -> None:
    case = nitro_case(folder)
    expected = case.facts["expect"]["verdict"]

    verdict = judge(genuine.verify(case.evidence, Unbound(), now=case.at), DefaultPolicy())

    assert OUTCOMES[expected] is verdict.outcome
    assert (expected != "tampered") is verdict.genuine
    assert not verdict.simulated
    known, stated = dict(case.facts["measurements"]), verdict.claims
    zero = bytes(48).hex()
    registers = {name: value.hex() for name, value in stated.measurements.items() if value.hex() != zero}
    assert {f"pcr{number}": value for number, value in known.pop("pcrs").items()} == registers
    assert {name: value for name, value in known.items() if value is not None}.items() <= stated.details.items()
    assert not {name for name, value in known.items() if value is None} & set(stated.details)
    assert (expected == "debug" or "debug" in folder.name or not registers.get("pcr0")) is stated.debuggable


@pytest.mark.skipif(not SHARED_CASES, reason="the project's shared folder is not beside this checkout")
@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived["id"].replace("/", "-"))
def test_a_mutated_document_ends_as_its_list_says(derived: dict, genuine: NitroVerifier) -> None:
    raw = (SHARED / derived["files"]["document.cbor"]).read_bytes()

    verification = genuine.verify(
        Evidence(Kind.NITRO, raw), Unbound(), now=datetime.fromisoformat(derived["verify_at"])
    )

    assert (derived["expect"] == "accept") is verification.genuine


def test_user_data_of_64_bytes_is_report_data(nitro_case: Callable, genuine: NitroVerifier) -> None:
    case = nitro_case("07")
    wanted = bytes.fromhex(case.facts["measurements"]["user_data"])

    bound = genuine.verify(case.evidence, Bound(wanted, "a test"), now=case.at)
    other = genuine.verify(case.evidence, Bound(bytes(64), "a test"), now=case.at)

    assert bound.genuine
    assert wanted == bound.claims.report_data
    assert not other.genuine
    assert "binding.report-data" in [c.name for c in other.checks if c.status is Status.FAILED]


def test_a_nonce_is_never_report_data_since_whoever_asks_chooses_it(
    nitro_case: Callable, genuine: NitroVerifier
) -> None:
    case = nitro_case("01")
    nonce = bytes.fromhex(case.facts["measurements"]["nonce"])

    assert not genuine.verify(case.evidence, Bound(nonce[:64], "a test"), now=case.at).genuine
    assert not genuine.verify(case.evidence, Bound(nonce, "a test"), now=case.at).genuine
