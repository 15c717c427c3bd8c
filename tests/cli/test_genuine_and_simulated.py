"""Who trusts the vendors refuses all that simulated ones made; who trusts simulated ones alone refuses all hardware."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation import codes
from attestation.anchors import TrustAnchors
from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Unbound
from attestation.endorsements import Endorsements, parse_bundle
from attestation.kinds import Kind
from attestation.simulation.folder import create
from attestation.simulation.measure import measure_program
from attestation.simulation.samples.draft import Order
from attestation.simulation.samples.issue import issue_sample
from attestation.verify import Verifier
from coordinator.cli.evidence_files import Found, find_evidence

VECTORS = Path(__file__).parents[1] / "vectors"
ROOMS = ("dcap", "sev_snp", "nitro", "cca", "nvidia_gpu", "azure_vtpm")
RECORDED = sorted(case.parent for room in ROOMS for case in (VECTORS / room).glob("*/case.json"))


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "vendors"
    create(folder)
    return folder


@pytest.fixture(scope="module")
def samples(vendors: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Kind, Found]:
    """One piece of evidence a platform, with its endorsements, that verifies with the vendors' roots."""
    now = datetime.now(UTC)  # noqa: TID251 - the vendors were made just now
    found = {}
    for kind in Kind:
        folder = tmp_path_factory.mktemp(kind.value)
        for name, content in issue_sample(vendors, kind, Order(measure_program([]), bytes(64), now)).items():
            (folder / name).write_bytes(content)
        found[kind] = find_evidence(folder)
    return found


def simulated_only(vendors: Path) -> TrustAnchors:
    return TrustAnchors(()).with_simulated((vendors / "trust.pem").read_bytes())


@pytest.mark.parametrize("kind", Kind)
def test_whoever_trusts_the_vendors_alone_refuses_simulated_evidence_and_says_what_it_is(
    kind: Kind, samples: Mapping[Kind, Found], vendors: Path
) -> None:
    found, now = samples[kind], datetime.now(UTC)  # noqa: TID251 - the vendors were made just now
    verdicts = {
        name: judge(Verifier(anchors, found.endorsements).verify(found.evidence, Unbound(), now=now), DefaultPolicy())
        for name, anchors in (("genuine", TrustAnchors.genuine()), ("simulated", simulated_only(vendors)))
    }

    refused = verdicts["genuine"]
    assert (Outcome.CONTRAINDICATED, False) == (refused.outcome, refused.genuine)
    assert refused.simulated
    assert codes.SIMULATED in {check.code for check in refused.checks}
    assert (Outcome.AFFIRMING, True) == (verdicts["simulated"].outcome, verdicts["simulated"].simulated)


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_whoever_trusts_simulated_vendors_alone_refuses_recorded_evidence(folder: Path, vendors: Path) -> None:
    """CCA has no root: what makes its tokens genuine is the platform's key, which this verifier has not been given."""
    found = find_evidence(folder)
    at = str(json.loads((folder / "case.json").read_text()).get("verify_at") or "2025-01-01T00:00:00Z").split()[0]
    now = datetime.fromisoformat(at) if at != "any" else datetime(2025, 1, 1, tzinfo=UTC)
    beside = Endorsements.none() if found.evidence.kind is Kind.CCA else found.endorsements
    both = parse_bundle((vendors / "collateral.json").read_bytes()).and_those(beside)

    verification = Verifier(simulated_only(vendors), both).verify(found.evidence, Unbound(), now=now)

    verdict = judge(verification, DefaultPolicy())
    assert not verdict.genuine
    assert not verdict.simulated
    assert verdict.outcome in (Outcome.CONTRAINDICATED, Outcome.NONE)


def test_every_platform_has_recorded_evidence_that_is_genuine_with_the_vendors_roots() -> None:
    """The twin of the test above: what it refuses is refused for its roots."""
    genuine = set()
    for folder in RECORDED:
        found = find_evidence(folder)
        at = str(json.loads((folder / "case.json").read_text()).get("verify_at") or "any").split()[0]
        now = datetime.fromisoformat(at) if at != "any" else datetime(2025, 1, 1, tzinfo=UTC)
        verifier = Verifier(TrustAnchors.genuine(), found.endorsements)
        if verifier.verify(found.evidence, Unbound(), now=now).genuine:
            genuine.add(found.evidence.kind)
    assert set(Kind) - {Kind.COMPOSITE} == genuine
