"""Are the measurements those that the vendor published?  A report against the RIMs of its driver and VBIOS."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from attestation.checks import Check, Status
from attestation.nvidia_gpu import codes
from attestation.nvidia_gpu.claims import Compared
from attestation.nvidia_gpu.format import Field, MeasurementReport
from attestation.nvidia_gpu.rim import SPECIFICATION, VerifiedRim
from attestation.nvidia_gpu.steps import missing, settled

_SHOWN: Final = 4
_NVDEC0_MEASUREMENT: Final = 35
_NVDEC0_DISABLED: Final = b"\x55"


@dataclass(frozen=True, slots=True)
class RimFindings:
    """used: name ("rim.driver") to the RIM that the measurements were compared with, or would have been."""

    checks: tuple[Check, ...]
    used: Mapping[str, VerifiedRim]


def compare(
    report: MeasurementReport, model: str, rims: tuple[VerifiedRim, ...], *, simulated: bool, now: datetime
) -> tuple[RimFindings, Compared]:
    """Each RIM that this device needs, then every measurement.

    simulated: of the device; a RIM has to be of the same class.
    A RIM that cannot be used at this time leaves the measurements unchecked; one that nobody vouches for fails.
    """
    wanted = {"vbios": report.vbios_version}
    if not report.is_switch:
        wanted["driver"] = report.text(Field.DRIVER_VERSION)
    checks: list[Check] = []
    used: dict[str, VerifiedRim] = {}
    for part, version in sorted(wanted.items()):
        candidates = [c for c in rims if c.rim.is_for(model, version) and c.rim.edition == _edition(report)]
        if not candidates:
            expected = f"the RIM of {part} {version or '(no version reported)'} for {model or 'an unknown model'}"
            found = f"{len(rims)} RIMs, none of them for it" if rims else "no RIM"
            checks.append(missing(f"rim.{part}", expected, found, SPECIFICATION, codes.NO_RIM))
            continue
        best = min(candidates, key=lambda c: (not _is_usable(c, simulated, now), len(_differences(report, c))))
        checks += _rim_checks(f"rim.{part}", best, simulated, now)
        used[f"rim.{part}"] = best
    measurements = _measurements_check(report, checks, tuple(used.values()))
    outcome = {Status.PASSED: Compared.MATCH, Status.FAILED: Compared.DIFFER}.get(measurements.status, Compared.UNKNOWN)
    return RimFindings((*checks, measurements), used), outcome


def _edition(report: MeasurementReport) -> str:
    return "SWITCH" if report.is_switch else "GPU"


def _is_usable(rim: VerifiedRim, simulated: bool, now: datetime) -> bool:
    return all(check.status is Status.PASSED for check in _rim_checks("", rim, simulated, now))


def _rim_checks(name: str, rim: VerifiedRim, simulated: bool, now: datetime) -> tuple[Check, ...]:
    anchor = rim.path.anchor
    same_class = anchor is not None and anchor.simulated == simulated
    vendor = "a simulated vendor's" if simulated else "NVIDIA's"
    if anchor is not None and not same_class:
        found = f"{anchor.words}, while the device is {'simulated' if simulated else 'not simulated'}"
    else:
        found = anchor.words if anchor is not None else rim.path.problem
    signed = settled(
        rim.signed,
        f"{name}.signature",
        "a document that its certificate signed",
        rim.problem or "it holds",
        SPECIFICATION,
        codes.RIM_SIGNATURE,
    )
    chain = settled(same_class, f"{name}.chain", f"a chain to {vendor} RIM root", found, SPECIFICATION, codes.RIM_CHAIN)
    wrong = [str(window) for window in rim.path.windows if not window.holds(now)]
    expected = f"a signer that is valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if wrong:
        validity = missing(f"{name}.validity", expected, "; ".join(wrong), SPECIFICATION, codes.RIM_DATES)
    else:
        validity = settled(True, f"{name}.validity", expected, "all valid", SPECIFICATION, codes.RIM_DATES)
    return signed, chain, validity


def _measurements_check(report: MeasurementReport, checks: list[Check], used: tuple[VerifiedRim, ...]) -> Check:
    name = "gpu.measurements"
    golden = [index for rim in used for index in rim.rim.golden]
    expected = f"all {len(golden)} reference measurements of the RIMs"
    if any(check.status is not Status.PASSED for check in checks):
        return missing(name, "all reference measurements", "no RIMs to compare with", SPECIFICATION, codes.NO_RIM)
    if twice := sorted({index for index in golden if golden.count(index) > 1}):
        found = f"both RIMs claim {', '.join(map(str, twice))}"
        return settled(False, name, expected, found, SPECIFICATION, codes.RIM_CONFLICT)
    if not golden:
        return settled(False, name, "reference measurements", "RIMs without any", SPECIFICATION, codes.RIM_MISMATCH)
    differences = [text for rim in used for text in _differences(report, rim).values()]
    more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    found = "; ".join(differences[:_SHOWN]) + more if differences else "all of them"
    return settled(not differences, name, expected, found, SPECIFICATION, codes.RIM_MISMATCH)


def _differences(report: MeasurementReport, rim: VerifiedRim) -> Mapping[int, str]:
    """Index to words, for each reference measurement that the report misses.

    RIM index i is SPDM block i + 1.  Where NVDEC0 is disabled, measurement 35 has no meaning (NVIDIA's verifier
    leaves it out too).
    """
    differences = {}
    for index, accepted in sorted(rim.rim.golden.items()):
        if index == _NVDEC0_MEASUREMENT and report.opaque.get(Field.NVDEC0_STATUS) == _NVDEC0_DISABLED:
            continue
        found = report.blocks.get(index + 1)
        if found not in accepted:
            words = " or ".join(value.hex()[:16] + "…" for value in accepted)
            shown = f"{found.hex()[:16]}…" if found else "not reported"
            differences[index] = f"measurement {index}: expected {words}, got {shown}"
    return differences
