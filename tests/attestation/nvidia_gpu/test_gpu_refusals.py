"""Each fault of a simulated device or its RIMs is found by its own check, and by no other one.

The table is a test of the tests too: where that check is switched off, the forged item passes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from attestation.anchors import Anchor
from attestation.appraisal import DefaultPolicy, Outcome, Verdict, judge
from attestation.binding import Bound
from attestation.checks import Status, passed
from attestation.evidence import Evidence
from attestation.nvidia_gpu import compare, ocsp, verify
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import pack, parse_container, parse_measurements
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier
from attestation.simulation.nvidia import SimulatedNvidia, issue_certificate
from attestation.simulation.nvidia_issue import Booted, driver_rim, endorsements, issue, released, rim, vbios_rim

NONCE = bytes(range(32))
OTHER = bytes(reversed(range(32)))
OLD_DRIVER = Booted(altered={7: bytes(48)})


@dataclass(frozen=True)
class Fault:
    """check: the one that must find it.  sentence: part of what it says.  make: evidence and endorsements."""

    check: str
    code: str
    sentence: str
    make: Callable[[SimulatedNvidia, SimulatedNvidia, datetime], tuple[Evidence, NvidiaGpuEndorsements]]
    status: Status = Status.FAILED


def flipped(evidence: Evidence) -> Evidence:
    """A bit of the device's own nonce, which nothing but the signature protects."""
    container = parse_container(evidence.raw)
    changed = bytearray(container.measurements)
    changed[37 + 8 + 64 * 55 + 3] ^= 1
    return replace(evidence, raw=pack(bytes(changed), container.chain))


def expired(vendor: SimulatedNvidia, now: datetime) -> Evidence:
    return issue(replace(vendor, made_at=now - timedelta(days=3651)).new_gpu(), NONCE)


def altered_rim(vendor: SimulatedNvidia) -> NvidiaGpuEndorsements:
    good = endorsements(vendor)
    value = released(7, "550.90.07").hex().encode()
    return replace(good, rims=(good.rims[0].replace(value, bytes(48).hex().encode()), good.rims[1]))


def old_signer(vendor: SimulatedNvidia, now: datetime) -> NvidiaGpuEndorsements:
    signer = vendor.new_rim_signer(ends=now - timedelta(hours=1))
    return replace(endorsements(vendor), rims=(driver_rim(signer, "550.90.07"), endorsements(vendor).rims[1]))


def revoked(vendor: SimulatedNvidia, chain, position: int, now: datetime) -> NvidiaGpuEndorsements:
    serial = chain[position].certificate.serial_number
    return endorsements(vendor, responses=vendor.ocsp_responses(chain, now, revoked=[serial]))


def conflicting(vendor: SimulatedNvidia) -> NvidiaGpuEndorsements:
    golden = {i: released(i, "550.90.07") for i in range(1, 64, 2)} | {0: released(0, "96.00.9F.00.01")}
    return replace(
        endorsements(vendor), rims=(rim(vendor.rim_chain, "GH100", "550.90.07", golden), endorsements(vendor).rims[1])
    )


FAULTS = [
    Fault("gpu.signature", "V251", "it does not hold", lambda v, o, t: (flipped(issue(v.gpu, NONCE)), endorsements(v))),
    Fault(
        "gpu.chain",
        "V105",
        "signed by a simulated vendor; its root",
        lambda v, o, t: (issue(o.gpu, NONCE), endorsements(v)),
    ),
    Fault(
        "gpu.validity",
        "V108",
        "'GH100 A01 GSP FMC LF' is valid from 2016",
        lambda v, o, t: (expired(v, t), endorsements(v)),
    ),
    Fault(
        "gpu.firmware-id", "V253", "07" * 48, lambda v, o, t: (issue(v.gpu, NONCE, fwid=b"\7" * 48), endorsements(v))
    ),
    Fault("binding.report-data", "V254", OTHER.hex(), lambda v, o, t: (issue(v.gpu, OTHER), endorsements(v))),
    Fault(
        "gpu.revocation",
        "V107",
        "'GH100 A01 GSP BROM' was revoked at 2026-11-25",
        lambda v, o, t: (issue(v.gpu, NONCE), revoked(v, v.gpu.chain, 1, t)),
    ),
    Fault(
        "rim.driver.revocation",
        "V107",
        "'NVIDIA Reference Value L3 GH100 002' was revoked",
        lambda v, o, t: (issue(v.gpu, NONCE), revoked(v, v.rim_chain, 1, t)),
    ),
    Fault(
        "rim.driver.signature",
        "V256",
        "the document was altered: its digest is another than the signed one",
        lambda v, o, t: (issue(v.gpu, NONCE, OLD_DRIVER), altered_rim(v)),
    ),
    Fault(
        "rim.driver.chain",
        "V257",
        "signed by a simulated vendor; its root",
        lambda v, o, t: (
            issue(v.gpu, NONCE),
            replace(endorsements(v), rims=(endorsements(o).rims[0], endorsements(v).rims[1])),
        ),
    ),
    Fault(
        "rim.driver.validity",
        "V258",
        "'HCC RIM L4 Signer' is valid from",
        lambda v, o, t: (issue(v.gpu, NONCE), old_signer(v, t)),
        Status.NOT_CHECKED,
    ),
    Fault(
        "rim.driver",
        "V255",
        "2 RIMs, none of them for it",
        lambda v, o, t: (
            issue(v.gpu, NONCE),
            replace(endorsements(v), rims=(driver_rim(v.rim_chain, "1.2.3"), vbios_rim(v.rim_chain, "96.00.9F.00.01"))),
        ),
        Status.NOT_CHECKED,
    ),
    Fault(
        "gpu.measurements",
        "V259",
        "measurement 7: expected ",
        lambda v, o, t: (issue(v.gpu, NONCE, OLD_DRIVER), endorsements(v)),
    ),
    Fault(
        "gpu.measurements",
        "V260",
        "both RIMs claim 0",
        lambda v, o, t: (issue(v.gpu, NONCE), conflicting(v)),
    ),
]


def judged(anchors: tuple[Anchor, ...], evidence: Evidence, given: NvidiaGpuEndorsements, now: datetime) -> Verdict:
    binding = Bound(NONCE + bytes(32), "our nonce")
    return judge(NvidiaGpuVerifier(anchors, given).verify(evidence, binding, now=now), DefaultPolicy())


def test_a_simulated_device_without_faults_is_affirmed(nvidia, anchors, now: datetime) -> None:
    responses = nvidia.ocsp_responses(nvidia.gpu.chain, now) + nvidia.ocsp_responses(nvidia.rim_chain, now)

    verdict = judged(anchors, issue(nvidia.gpu, NONCE), endorsements(nvidia, responses=responses), now)

    assert Outcome.AFFIRMING is verdict.outcome
    assert verdict.simulated
    assert {Status.PASSED} == {check.status for check in verdict.checks}
    assert "good" == verdict.claims.details["revocation"]
    assert "spt" == verdict.claims.details["cc_mode"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.check} {fault.code}")
def test_each_fault_is_found_and_said(fault: Fault, nvidia, other_nvidia, anchors, now: datetime) -> None:
    evidence, given = fault.make(nvidia, other_nvidia, now)

    verdict = judged(anchors, evidence, given, now)

    found = next(check for check in verdict.checks if check.name == fault.check)
    assert (fault.status, fault.code) == (found.status, found.code)
    assert fault.sentence in found.found
    assert found.hint
    assert found.expected
    wanted = Outcome.NONE if fault.status is Status.NOT_CHECKED else Outcome.CONTRAINDICATED
    assert wanted is verdict.outcome


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.check} {fault.code}")
def test_with_its_check_switched_off_a_forged_item_passes(
    fault: Fault, nvidia, other_nvidia, anchors, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, given = fault.make(nvidia, other_nvidia, now)
    for module in (verify, compare, ocsp):
        for name in ("settled", "missing"):
            original = getattr(module, name)

            def switched_off(*arguments, original=original):
                check = original(*arguments)
                same = check.name == fault.check or check.name == f"rim.vbios.{fault.check.rpartition('.')[2]}"
                if not same:
                    return check
                return passed(check.name, check.expected, check.found, check.source)

            monkeypatch.setattr(module, name, switched_off)

    assert Outcome.AFFIRMING is judged(anchors, evidence, given, now).outcome


def test_a_certificate_without_a_device_name_is_no_devices(nvidia, anchors, now: datetime) -> None:
    """A responder's certificate ends at the same root; it must not speak for a device."""
    leaf = issue_certificate("NVIDIA OCSP Responder", nvidia.gpu.chain[1], nvidia.made_at, now + timedelta(days=1))
    evidence = issue(replace(nvidia.gpu, chain=(leaf, *nvidia.gpu.chain[1:])), NONCE)

    verdict = judged(anchors, evidence, endorsements(nvidia), now)

    role = next(check for check in verdict.checks if check.name == "gpu.role")
    assert (Status.FAILED, "V252") == (role.status, role.code)
    assert "a certificate without it" == role.found


def test_genuine_anchors_refuse_every_simulated_device(nvidia, genuine_anchors, now: datetime) -> None:
    verdict = judged(genuine_anchors, issue(nvidia.gpu, NONCE), endorsements(nvidia), now)

    assert Outcome.CONTRAINDICATED is verdict.outcome
    assert {"gpu.chain", "rim.driver.chain", "rim.vbios.chain"} == {
        check.name for check in verdict.checks if check.status is Status.FAILED
    }


def test_a_simulated_vendors_anchors_refuse_a_genuine_device(gpu_case, nvidia, anchors) -> None:
    real = gpu_case("01")
    simulated = tuple(anchor for anchor in anchors if anchor.simulated)

    verification = NvidiaGpuVerifier(simulated, real.endorsements).verify(
        real.evidence, Bound(real.evidence.raw[16:48], "?"), now=real.at
    )

    chain = next(check for check in verification.checks if check.name == "gpu.chain")
    assert not verification.genuine
    assert (Status.FAILED, "V106") == (chain.status, chain.code)


def test_a_simulated_rim_vouches_for_no_genuine_device(gpu_case, nvidia, anchors) -> None:
    """An operator who trusts a simulated vendor must not get simulated reference values for real hardware."""
    real = gpu_case("01")
    report = parse_measurements(real.files["evidence.bin"])
    golden = {index - 1: value for index, value in report.blocks.items()}
    rims = (
        rim(nvidia.rim_chain, "GH100", "550.90.07", {i: v for i, v in golden.items() if i % 2}),
        rim(nvidia.rim_chain, "GH100", "96.00.9F.00.01", {i: v for i, v in golden.items() if not i % 2}),
    )
    at = nvidia.made_at

    verification = NvidiaGpuVerifier(anchors, NvidiaGpuEndorsements(rims)).verify(
        real.evidence, Bound(report.nonce + bytes(32), "our nonce"), now=at
    )

    chain = next(check for check in verification.checks if check.name == "rim.driver.chain")
    assert verification.genuine
    assert (Status.FAILED, "V257") == (chain.status, chain.code)
    assert "while the device is not simulated" in chain.found
    assert Outcome.CONTRAINDICATED is judge(verification, DefaultPolicy()).outcome


def test_a_good_rim_beside_a_forged_one_of_the_same_version_is_used(nvidia, other_nvidia, anchors, now) -> None:
    given = replace(endorsements(nvidia), rims=(*endorsements(other_nvidia).rims, *endorsements(nvidia).rims))

    assert Outcome.AFFIRMING is judged(anchors, issue(nvidia.gpu, NONCE), given, now).outcome


def test_what_was_remembered_accepts_nothing_that_was_refused(nvidia, anchors, now: datetime) -> None:
    verifier = NvidiaGpuVerifier(anchors, endorsements(nvidia))
    binding = Bound(NONCE + bytes(32), "our nonce")
    good = issue(nvidia.gpu, NONCE)

    assert verifier.verify(good, binding, now=now).genuine
    assert not verifier.verify(flipped(good), binding, now=now).genuine
    assert not verifier.verify(good, binding, now=now + timedelta(days=4000)).genuine
    assert verifier.verify(good, binding, now=now).genuine
