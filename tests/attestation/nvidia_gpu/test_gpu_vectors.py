"""Evidence of real NVIDIA devices says what is known of it: ours, and the shared folder's where it is there."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation.anchors import Anchor
from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Bound, Unbound
from attestation.checks import Status
from attestation.claims import TcbStatus
from attestation.nvidia_gpu.claims import Compared
from attestation.nvidia_gpu.compare import compare
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import evidence_of_files, parse_measurements
from attestation.nvidia_gpu.rim import verify_rim
from attestation.nvidia_gpu.roots import RIM_ROOT, with_name
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier

OURS = sorted((Path(__file__).parents[2] / "vectors" / "nvidia_gpu").glob("*-*"))
SHARED = Path(__file__).parents[3] / "../shared/vectors"
SHARED_CASES = sorted(path.parent for path in SHARED.glob("nvidia/*/case.json"))
DERIVED_FILE = SHARED / "derived" / "cases.json"
DERIVED = [c for c in json.loads(DERIVED_FILE.read_text()) if c["base"].startswith("nvidia/")] if SHARED_CASES else []
RIMS_ARE_VALID = datetime(2025, 6, 1, tzinfo=UTC)
DEVICE_IS_ANSWERED = datetime(2025, 8, 21, 12, tzinfo=UTC)
RIMS_ARE_ANSWERED = datetime(2025, 10, 24, 20, tzinfo=UTC)
SWITCH_RIM_IS_VALID = datetime(2026, 11, 25, tzinfo=UTC)


def statuses(checks) -> dict[str, Status]:
    return {check.name: check.status for check in checks}


@pytest.mark.parametrize("folder", [*OURS, *SHARED_CASES], ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_real_device_says_what_is_known_of_it(
    folder: Path, gpu_case: Callable, genuine_anchors: tuple[Anchor, ...]
) -> None:
    real = gpu_case(folder)

    verification = NvidiaGpuVerifier(genuine_anchors, real.endorsements).verify(real.evidence, Unbound(), now=real.at)

    claims = verification.claims
    assert (real.facts["expect"]["verdict"] == "genuine") is verification.genuine
    assert not verification.simulated
    assert not claims.debuggable
    if known := real.facts.get("measurements"):
        details = claims.details
        assert [known[name] for name in ("nonce", "driver", "vbios", "project", "project_sku", "chip_sku")] == [
            details[name] for name in ("nonce", "driver", "vbios", "project", "project_sku", "chip_sku")
        ]
        assert {f"measurement_{int(i) - 1}": value for i, value in known["blocks"].items()} == {
            name: value.hex() for name, value in claims.measurements.items()
        }
        assert known["nonce"] + "00" * 32 == claims.report_data.hex()
        assert known["device"].lower().endswith(claims.details["ueid"])


@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived["id"])
def test_evidence_that_somebody_changed_is_refused(
    derived: dict, gpu_case: Callable, genuine_anchors: tuple[Anchor, ...]
) -> None:
    base = gpu_case(SHARED / derived["base"])
    changed = {name: (SHARED / path).read_bytes() for name, path in derived["files"].items()}
    at = datetime.fromisoformat(derived["verify_at"])

    evidence = evidence_of_files(base.files | changed)
    verification = NvidiaGpuVerifier(genuine_anchors, base.endorsements).verify(evidence, Unbound(), now=at)

    assert derived["expect"] == "reject"
    assert not verification.genuine
    assert any(check.status is Status.FAILED and check.code and check.hint for check in verification.checks)


@pytest.mark.skipif(not SHARED_CASES, reason="the shared vectors are not beside this checkout")
def test_all_derived_cases_are_here() -> None:
    assert 16 == len(DERIVED)


def test_a_hopper_with_both_rims_is_affirmed(gpu_case: Callable, genuine_anchors: tuple[Anchor, ...]) -> None:
    real = gpu_case("01")
    nonce = bytes.fromhex(real.facts["measurements"]["nonce"])

    verification = NvidiaGpuVerifier(genuine_anchors, real.endorsements).verify(
        real.evidence, Bound(nonce + bytes(32), "our nonce"), now=RIMS_ARE_VALID
    )

    verdict = judge(verification, DefaultPolicy())
    assert Outcome.AFFIRMING is verdict.outcome
    assert "match" == verdict.claims.details["rims"]
    assert "disabled" == verdict.claims.details["debug_status"]
    assert TcbStatus.NOT_APPLICABLE is verdict.claims.tcb_status
    measurements = next(check for check in verdict.checks if check.name == "gpu.measurements")
    assert "all 33 reference measurements of the RIMs" == measurements.expected
    assert json.dumps(verdict.as_json())


def test_a_switch_needs_its_bios_rim_only(gpu_case: Callable, genuine_anchors: tuple[Anchor, ...]) -> None:
    real = gpu_case("03")

    verification = NvidiaGpuVerifier(genuine_anchors, real.endorsements).verify(
        real.evidence, Unbound(), now=SWITCH_RIM_IS_VALID
    )

    assert Outcome.AFFIRMING is judge(verification, DefaultPolicy()).outcome
    assert "nvswitch" == verification.claims.details["device"]
    assert "203eb31ad9ed0008" == verification.claims.details["switch_pdis"]
    assert verification.claims.hardware_id.endswith("203eb31ad9ed0008")


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        (datetime(2025, 6, 1, tzinfo=UTC), "is valid from 2026-05-20T22:02:51Z to 2028-05-19T22:02:51Z"),
        (datetime(2029, 6, 1, tzinfo=UTC), "is valid from 2026-05-20T22:02:51Z to 2028-05-19T22:02:51Z"),
    ],
)
def test_a_rim_whose_signer_is_not_valid_is_not_compared_with(
    gpu_case: Callable, genuine_anchors: tuple[Anchor, ...], at: datetime, sentence: str
) -> None:
    real = gpu_case("03")

    verification = NvidiaGpuVerifier(genuine_anchors, real.endorsements).verify(real.evidence, Unbound(), now=at)

    validity = next(check for check in verification.checks if check.name == "rim.vbios.validity")
    assert sentence in validity.found
    assert (Status.NOT_CHECKED, "V258") == (validity.status, validity.code)
    assert Outcome.NONE is judge(verification, DefaultPolicy()).outcome


def test_without_rims_the_verdict_is_none_and_says_which_are_missing(
    gpu_case: Callable, genuine_anchors: tuple[Anchor, ...]
) -> None:
    real = gpu_case("01")

    verification = NvidiaGpuVerifier(genuine_anchors, NvidiaGpuEndorsements.none()).verify(
        real.evidence, Unbound(), now=real.at
    )

    assert verification.genuine
    assert Outcome.NONE is judge(verification, DefaultPolicy()).outcome
    missing = [(c.name, c.expected, c.found) for c in verification.checks if c.code == "V255"]
    assert [
        ("rim.driver", "the RIM of driver 550.90.07 for GH100", "no RIM"),
        ("rim.vbios", "the RIM of vbios 96.00.9F.00.01 for GH100", "no RIM"),
        ("gpu.measurements", "all reference measurements", "no RIMs to compare with"),
    ] == missing
    assert "unknown" == verification.claims.details["debug_status"]


def test_revocation_is_known_while_the_vendor_answers(gpu_case: Callable, genuine_anchors: tuple[Anchor, ...]) -> None:
    real = gpu_case("01")
    verifier = NvidiaGpuVerifier(genuine_anchors, real.endorsements)

    def revocation(at: datetime) -> dict[str, Status]:
        found = statuses(verifier.verify(real.evidence, Unbound(), now=at).checks)
        return {name: status for name, status in found.items() if name.endswith("revocation")}

    assert Status.PASSED is revocation(DEVICE_IS_ANSWERED)["gpu.revocation"]
    assert Status.NOT_CHECKED is revocation(DEVICE_IS_ANSWERED)["rim.driver.revocation"]
    assert Status.PASSED is revocation(RIMS_ARE_ANSWERED)["rim.driver.revocation"]
    assert Status.PASSED is revocation(RIMS_ARE_ANSWERED)["rim.vbios.revocation"]
    assert {Status.NOT_CHECKED} == set(revocation(RIMS_ARE_VALID).values())


@pytest.mark.skipif(not SHARED_CASES, reason="the shared vectors are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "check", "status"),
    [
        ("driver_rim_other_version.xml", "rim.driver", Status.NOT_CHECKED),
        ("driver_rim_incorrect_signature.xml", "rim.driver.signature", Status.FAILED),
        ("driver_rim_incorrect_chain.xml", "rim.driver.chain", Status.FAILED),
    ],
)
def test_a_rim_of_nvidia_tests_that_is_wrong_is_found_out(
    gpu_case: Callable, genuine_anchors: tuple[Anchor, ...], name: str, check: str, status: Status
) -> None:
    """The RIMs with faults are for other versions than the evidence: here they are taken for the device's."""
    real = gpu_case(next(case for case in SHARED_CASES if case.name.startswith("05")))
    rim = verify_rim(real.files[name], with_name(genuine_anchors, RIM_ROOT))
    if status is Status.FAILED:
        rim = replace(rim, rim=replace(rim.rim, version="580.159.03", product="GH100"))

    findings, compared = compare(
        parse_measurements(real.files["evidence.bin"]), "GH100", (rim,), simulated=False, now=real.at
    )

    assert status is statuses(findings.checks)[check]
    assert Status.NOT_CHECKED is statuses(findings.checks)["gpu.measurements"]
    assert Compared.UNKNOWN is compared
