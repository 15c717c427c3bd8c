"""What may be demanded of an NVIDIA device?  Claims, Reference Values, and how they compare.

Without RIMs nobody knows whether a device runs released firmware, or is in a debug mode: NVIDIA's reports have no
flag for it, their measurements differ.  `debug_status` says which it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from attestation import codes
from attestation.binding import REPORT_DATA_BYTES
from attestation.checks import Check
from attestation.claims import Claims, TcbStatus, source_of
from attestation.kinds import Kind
from attestation.nvidia_gpu import codes as room_codes
from attestation.nvidia_gpu.format import Field, MeasurementReport
from attestation.nvidia_gpu.steps import settled

MODES: Final = {0: "mpt", 1: "spt", 2: "ppcie"}
"""Confidential computing modes (feature flag): several GPUs with protected links, one GPU, protected PCIe."""

_STATUS_WORDS: Final = {0xAA: "on", 0x55: "off"}
_VERSION: Final = re.compile(r"[0-9A-Fa-f]{1,8}(\.[0-9A-Fa-f]{1,8})*")


class Compared(StrEnum):
    """How measurements compare with the vendor's reference values (RIMs)."""

    MATCH = "match"
    DIFFER = "differ"
    UNKNOWN = "unknown"


class Revocation(StrEnum):
    """What is known of the revocation of the device's and the RIMs' certificates."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Device:
    """What the certificates say.  model: e.g. "GH100".  hardware_id: of the chip, hex."""

    model: str = ""
    serial: str = ""
    hardware_id: str = ""
    hwmodel: str = ""
    ueid: str = ""


def claims_of(report: MeasurementReport, device: Device, compared: Compared, revocation: Revocation) -> Claims:
    """What a report and its certificates say, and how it compares."""
    details: dict[str, str | int | bool] = {
        "device": "nvswitch" if report.is_switch else "gpu",
        "model": device.model,
        "serial": device.serial,
        "hwmodel": device.hwmodel,
        "ueid": device.ueid,
        "nonce": report.nonce.hex(),
        "driver": report.text(Field.DRIVER_VERSION),
        "vbios": report.opaque.get(Field.VBIOS_VERSION, b"").hex(),
        "vbios_version": report.vbios_version,
        "project": report.text(Field.PROJECT),
        "project_sku": report.text(Field.PROJECT_SKU),
        "chip_sku": report.text(Field.CHIP_SKU),
        "fwid": report.opaque.get(Field.FWID, b"").hex(),
        "cc_mode": _mode(report),
        "protected_pcie": _on_off(report, Field.PROTECTED_PCIE_STATUS),
        "nvdec0": _on_off(report, Field.NVDEC0_STATUS),
        "switch_pdis": " ".join(_pdis(report)),
        "rims": compared.value,
        "debug_status": "disabled" if compared is Compared.MATCH else "unknown",
        "revocation": revocation.value,
        "nras": False,
    }
    return Claims(
        kind=Kind.NVIDIA_GPU,
        debuggable=False,
        report_data=report.nonce + bytes(REPORT_DATA_BYTES - len(report.nonce)),
        measurements={f"measurement_{index - 1}": value for index, value in report.blocks.items()},
        tcb_status=_TCB_STATUS[compared],
        advisories=(),
        tcb_date=None,
        hardware_id=device.hardware_id,
        details=details,
    )


@dataclass(frozen=True, slots=True)
class NvidiaGpuReferenceValues:
    """What a manifest demands of an NVIDIA device.  None or empty: not demanded.

    rims: all measurements are those that NVIDIA published for the driver and VBIOS in the report.
    measurements: NVIDIA's index (from 0) to 48 bytes.  drivers, vbioses: accepted versions; minimum_*: compared number
    by number.  models: e.g. "GH100".  devices: accepted hardware ids.  cc_mode: "spt", "mpt" or "ppcie".
    debug: must equal what is known; no evidence says that debug is on, so True is met by nothing.
    revocation: certificates are known to be good by fresh OCSP answers.  nras: a token of NVIDIA's service may stand
    for the device's own evidence.  sources: field name, or "" for the whole, to where the demand stands.
    """

    rims: bool = True
    measurements: Mapping[int, bytes] = field(default_factory=dict)
    drivers: tuple[str, ...] = ()
    vbioses: tuple[str, ...] = ()
    minimum_driver: str | None = None
    minimum_vbios: str | None = None
    models: tuple[str, ...] = ()
    devices: frozenset[str] = frozenset()
    cc_mode: str | None = None
    protected_pcie: bool | None = None
    debug: bool = False
    revocation: bool = False
    nras: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """NVIDIA GPU (and NVSwitch)."""
        return Kind.NVIDIA_GPU

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome.  Values that demand neither RIMs nor a measurement are met by nothing."""
        return (
            *self._firmware(claims),
            *self._versions(claims),
            *self._device(claims),
            settled(
                claims.debuggable == self.debug,
                "gpu.debug",
                "debug" if self.debug else "no debug that is known of",
                f"debug {claims.details['debug_status']}",
                source_of(self.sources, "debug"),
                codes.DEBUG,
            ),
            *self._trust(claims),
        )

    def _firmware(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        if self.rims:
            found = str(claims.details["rims"])
            name, source = "gpu.rims", source_of(self.sources, "rims")
            expected = "all measurements as the vendor published"
            checks.append(settled(found == Compared.MATCH, name, expected, found, source, room_codes.RIM_MISMATCH))
        for index, wanted in sorted(self.measurements.items()):
            name = f"measurement_{index}"
            value = claims.measurements.get(name)
            found = value.hex() if value is not None else "not reported"
            source = source_of(self.sources, name)
            checks.append(settled(value == wanted, f"gpu.{name}", wanted.hex(), found, source, codes.MEASUREMENT))
        if not checks:
            source, expected = source_of(self.sources, ""), "a demand on RIMs or at least one measurement"
            checks.append(settled(False, "gpu.identity", expected, "none", source, codes.NOTHING_DEMANDED))
        return tuple(checks)

    def _versions(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        for name, key, accepted, minimum in (
            ("driver", "driver", self.drivers, self.minimum_driver),
            ("vbios", "vbios_version", self.vbioses, self.minimum_vbios),
        ):
            found = str(claims.details[key])
            if accepted:
                holds = found.casefold() in {version.casefold() for version in accepted}
                source = source_of(self.sources, f"{name}s" if name == "driver" else "vbioses")
                expected = " or ".join(accepted)
                checks.append(settled(holds, f"gpu.{name}", expected, found, source, room_codes.VERSION))
            if minimum is not None:
                base = 10 if name == "driver" else 16
                holds = is_at_least(found, minimum, base)
                source = source_of(self.sources, f"minimum_{name}")
                checks.append(settled(holds, f"gpu.minimum-{name}", f">= {minimum}", found, source, room_codes.VERSION))
        return tuple(checks)

    def _device(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        if self.models:
            found = str(claims.details["model"])
            source, expected = source_of(self.sources, "models"), " or ".join(self.models)
            holds = found.casefold() in {model.casefold() for model in self.models}
            checks.append(settled(holds, "gpu.model", expected, found, source, room_codes.MODEL))
        if self.devices:
            allowed = {device.casefold() for device in self.devices}
            source, expected = source_of(self.sources, "devices"), f"one of {len(allowed)} allowed devices"
            holds = claims.hardware_id.casefold() in allowed
            found = claims.hardware_id or "not told"
            checks.append(settled(holds, "gpu.device", expected, found, source, room_codes.NOT_ALLOWED))
        if self.cc_mode is not None:
            found = str(claims.details["cc_mode"])
            source = source_of(self.sources, "cc_mode")
            holds = found == self.cc_mode.casefold()
            checks.append(settled(holds, "gpu.cc-mode", self.cc_mode, found, source, room_codes.MODE))
        if self.protected_pcie is not None:
            found, wanted = str(claims.details["protected_pcie"]), "on" if self.protected_pcie else "off"
            source = source_of(self.sources, "protected_pcie")
            checks.append(settled(found == wanted, "gpu.protected-pcie", wanted, found, source, room_codes.MODE))
        return tuple(checks)

    def _trust(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        if self.revocation:
            found = str(claims.details["revocation"])
            source = source_of(self.sources, "revocation")
            holds = found == Revocation.GOOD
            checks.append(settled(holds, "gpu.revocation", "good", found, source, room_codes.NO_REVOCATION))
        if claims.details["nras"]:
            source = source_of(self.sources, "nras")
            expected = "a token or the device's evidence" if self.nras else "the device's own evidence"
            found = "a token of NVIDIA's service"
            checks.append(settled(self.nras, "gpu.nras", expected, found, source, room_codes.NRAS_NOT_WANTED))
        return tuple(checks)


def is_at_least(version: str, minimum: str, base: int) -> bool:
    """Compare number by number; False for a version that is no dotted number in that base."""
    found, least = _numbers(version, base), _numbers(minimum, base)
    return found is not None and least is not None and found >= least


def _numbers(text: str, base: int) -> tuple[int, ...] | None:
    if not _VERSION.fullmatch(text):
        return None
    try:
        return tuple(int(part, base) for part in text.split("."))
    except ValueError:
        return None


def _mode(report: MeasurementReport) -> str:
    """Where the report has it: NVIDIA reports it since opaque data version 1."""
    raw = report.opaque.get(Field.FEATURE_FLAG)
    if raw is None or not report.opaque.get(Field.OPAQUE_DATA_VERSION, b"").strip(b"\0"):
        return "not reported"
    return MODES.get(int.from_bytes(raw, "little"), "unknown")


def _on_off(report: MeasurementReport, status: Field) -> str:
    raw = report.opaque.get(status)
    return _STATUS_WORDS.get(raw[0], "unknown") if raw else "not reported"


def _pdis(report: MeasurementReport) -> tuple[str, ...]:
    """Identities of the switches: of the switch itself, or of those that a GPU is connected to."""
    raw = report.opaque.get(Field.SWITCH_PDI, b"")
    return tuple(dict.fromkeys(raw[at : at + 8].hex() for at in range(0, len(raw), 8)))


_TCB_STATUS: Final[Mapping[Compared, TcbStatus | None]] = {
    Compared.MATCH: TcbStatus.NOT_APPLICABLE,
    Compared.DIFFER: TcbStatus.NOT_SUPPORTED,
    Compared.UNKNOWN: None,
}
