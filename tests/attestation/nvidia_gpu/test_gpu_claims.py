"""What a manifest can demand of an NVIDIA device: each demand is met by one device and missed by another."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from attestation.appraisal import appraise
from attestation.binding import Bound
from attestation.checks import Status
from attestation.claims import Claims
from attestation.errors import EndorsementFormatError
from attestation.kinds import Kind
from attestation.nvidia_gpu import codes
from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues, is_at_least
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier
from attestation.simulation.nvidia import PRIVATE_FILE, SimulatedNvidia, load, save
from attestation.simulation.nvidia_issue import Booted, endorsements, issue, released

NONCE = bytes(range(32))
BINDING = Bound(NONCE + bytes(32), "our nonce")
PINNED = {7: released(7, "550.90.07")}


@pytest.fixture(scope="module")
def verified(nvidia: SimulatedNvidia, anchors, now: datetime):
    responses = nvidia.ocsp_responses(nvidia.gpu.chain, now) + nvidia.ocsp_responses(nvidia.rim_chain, now)
    given = endorsements(nvidia, responses=responses)
    return NvidiaGpuVerifier(anchors, given).verify(issue(nvidia.gpu, NONCE), BINDING, now=now)


@pytest.fixture(scope="module")
def without_rims(nvidia: SimulatedNvidia, anchors, now: datetime):
    verifier = NvidiaGpuVerifier(anchors, NvidiaGpuEndorsements.none())
    return verifier.verify(issue(nvidia.gpu, NONCE), BINDING, now=now)


# field, what meets it, what misses it, name and code of the check, part of what the refusal expects
DEMANDS = [
    ("measurements", PINNED, {7: bytes(48)}, "gpu.measurement_7", "V124", "00" * 48),
    ("measurements", PINNED, {99: bytes(48)}, "gpu.measurement_99", "V124", "00" * 48),
    ("drivers", ("1.2", "550.90.07"), ("1.2",), "gpu.driver", "V262", "1.2"),
    ("vbioses", ("96.00.9f.00.01",), ("96.00.9F.00.02",), "gpu.vbios", "V262", "96.00.9F.00.02"),
    ("minimum_driver", "550.54.14", "550.144.03", "gpu.minimum-driver", "V262", ">= 550.144.03"),
    ("minimum_vbios", "96.00.9E.FF.FF", "96.00.A0.00.00", "gpu.minimum-vbios", "V262", ">= 96.00.A0"),
    ("models", ("GB100", "gh100"), ("GB100",), "gpu.model", "V263", "GB100"),
    ("cc_mode", "SPT", "ppcie", "gpu.cc-mode", "V264", "ppcie"),
    ("protected_pcie", False, True, "gpu.protected-pcie", "V264", "on"),
    ("devices", None, frozenset({"41aa"}), "gpu.device", "V265", "one of 1 allowed devices"),
    ("debug", False, True, "gpu.debug", "V123", "debug"),
]


@pytest.mark.parametrize(("field", "met", "missed", "name", "code", "expected"), DEMANDS)
def test_each_demand_is_met_or_missed_alone(
    verified, field: str, met, missed, name: str, code: str, expected: str
) -> None:
    if field == "devices":
        met = frozenset({verified.claims.hardware_id.upper()})
    sources = {field: f"manifest.yaml:7 /Packages/gpu/{field}", "measurement_7": "manifest.yaml:7 /…", "": "whole"}
    attested = verified.attested()

    good = appraise(attested, (NvidiaGpuReferenceValues(**{field: met}, sources=sources),))
    bad = appraise(attested, (NvidiaGpuReferenceValues(**{field: missed}, sources=sources),))

    assert good.accepted
    assert not bad.accepted
    [refusal] = [check for check in bad.checks if check.status is not Status.PASSED]
    assert (name, code) == (refusal.name, refusal.code)
    assert expected in refusal.expected
    assert refusal.hint
    assert refusal.source != "reference values"


def test_rims_are_demanded_unless_they_are_waived(verified, without_rims) -> None:
    by_itself = NvidiaGpuReferenceValues()
    pinned = NvidiaGpuReferenceValues(rims=False, measurements=PINNED)

    assert appraise(verified.attested(), (by_itself,)).accepted
    refusal = appraise(without_rims.attested(), (by_itself,))
    assert not refusal.accepted
    assert ["gpu.rims"] == [check.name for check in refusal.checks if check.status is not Status.PASSED]
    assert appraise(without_rims.attested(), (pinned,)).accepted


def test_values_that_demand_no_identity_are_met_by_nothing(verified) -> None:
    refusal = appraise(verified.attested(), (NvidiaGpuReferenceValues(rims=False, drivers=("550.90.07",)),))

    assert not refusal.accepted
    assert ["V127"] == [check.code for check in refusal.checks if check.code]


def test_revocation_can_be_demanded(verified, without_rims) -> None:
    demand = NvidiaGpuReferenceValues(rims=False, measurements=PINNED, revocation=True)

    assert appraise(verified.attested(), (demand,)).accepted
    assert not appraise(without_rims.attested(), (demand,)).accepted


@pytest.mark.parametrize(
    ("version", "minimum", "base", "holds"),
    [
        ("550.90.07", "550.90.07", 10, True),
        ("550.90.7", "550.90.07", 10, True),
        ("550.144.03", "550.90.07", 10, True),
        ("96.00.9F.00.01", "96.00.A0", 16, False),
        ("", "1", 10, False),
        ("550.9a", "1", 10, False),
        ("600", "x", 10, False),
    ],
)
def test_versions_compare_number_by_number(version: str, minimum: str, base: int, holds: bool) -> None:
    assert holds is is_at_least(version, minimum, base)


@pytest.mark.parametrize(
    ("opaque", "mode"),
    [
        ({36: b"\0\0"}, "mpt"),
        ({36: b"\1\0"}, "spt"),
        ({36: b"\2\0"}, "ppcie"),
        ({36: b"\x09\0"}, "unknown"),
        ({34: b"\0\0"}, "not reported"),
    ],
)
def test_the_mode_is_told_where_it_is_reported(nvidia, anchors, now, opaque: dict[int, bytes], mode: str) -> None:
    evidence = issue(nvidia.gpu, NONCE, Booted(opaque=opaque))
    claims: Claims = NvidiaGpuVerifier(anchors, NvidiaGpuEndorsements.none()).verify(evidence, BINDING, now=now).claims

    assert mode == claims.details["cc_mode"]
    assert Kind.NVIDIA_GPU is claims.kind


def test_a_measurement_of_a_part_that_is_off_is_left_out(nvidia, anchors, now) -> None:
    """NVIDIA's verifier leaves measurement 35 out where NVDEC0 is disabled; nothing else."""
    verifier = NvidiaGpuVerifier(anchors, endorsements(nvidia))

    def rims(index: int, status: bytes) -> object:
        booted = Booted(altered={index: bytes(48)}, opaque={11: status})
        return verifier.verify(issue(nvidia.gpu, NONCE, booted), BINDING, now=now).claims.details["rims"]

    assert "match" == rims(35, b"\x55")
    assert "differ" == rims(35, b"\xaa")
    assert "differ" == rims(37, b"\x55")


def test_a_simulated_vendor_is_saved_and_loaded(nvidia: SimulatedNvidia, anchors, now, tmp_path: Path) -> None:
    save(tmp_path, nvidia)

    again = load(tmp_path)

    evidence = issue(again.gpu, NONCE)
    assert NvidiaGpuVerifier(anchors, endorsements(again)).verify(evidence, BINDING, now=now).genuine
    assert 0o600 == (tmp_path / PRIVATE_FILE).stat().st_mode & 0o777
    assert nvidia.trust_pems == again.trust_pems


@pytest.mark.parametrize("content", [None, b"{}", b"[", b'{"format": "other"}'])
def test_a_vendor_that_cannot_be_loaded_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / PRIVATE_FILE).write_bytes(content)

    with pytest.raises(EndorsementFormatError, match="simulated vendor: expected"):
        load(tmp_path)


def test_devices_of_one_vendor_have_their_own_identity(nvidia: SimulatedNvidia, anchors, now) -> None:
    other = nvidia.new_gpu("GB100")
    verifier: Callable = NvidiaGpuVerifier(anchors, NvidiaGpuEndorsements.none()).verify

    first, second = (verifier(issue(gpu, NONCE), BINDING, now=now) for gpu in (nvidia.gpu, other))

    assert first.genuine
    assert second.genuine
    assert first.claims.hardware_id != second.claims.hardware_id
    assert ("GH100", "GB100") == (first.claims.details["model"], second.claims.details["model"])


def test_every_code_of_the_room_has_words() -> None:
    stated = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}

    assert stated == set(codes.CODES)
    assert all(title and hint for title, hint in codes.CODES.values())


def test_reference_values_are_of_this_kind() -> None:
    assert Kind.NVIDIA_GPU is replace(NvidiaGpuReferenceValues(), rims=False).kind
