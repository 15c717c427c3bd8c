"""Samples of SEV-SNP reports."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from attestation.kinds import Kind
from attestation.sev_snp.format import SIGNED_BYTES
from attestation.simulation.amd import SVN, VALIDITY, Chip, Guest, SimulatedAmd, load, new_amd, sign_report
from attestation.simulation.samples.draft import ENDED, OTHER_DATA, OTHER_PROGRAM, Order, Written, flipped


@dataclass(frozen=True, slots=True)
class AmdDraft:
    """written_over: offset to bytes of the report, before it is signed.  bit: flipped afterwards."""

    vendor: SimulatedAmd
    chip: Chip
    guest: Guest
    report_data: bytes
    reported: Mapping[str, int] | None = None
    written_over: tuple[int, bytes] | None = None
    bit: int | None = None
    endorsed: bool = True
    revoked: bool = False
    validity: timedelta = VALIDITY

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform."""
        match name:
            case "report-data":
                return replace(self, report_data=OTHER_DATA)
            case "signature":
                return replace(self, bit=SIGNED_BYTES)
            case "altered":
                return replace(self, bit=_MEASUREMENT)
            case "other-program":
                return replace(self, guest=replace(self.guest, measurement=OTHER_PROGRAM.measurement))
            case "debug":
                return replace(self, guest=self.guest.debuggable())
            case "migratable":
                return replace(self, guest=replace(self.guest, policy=self.guest.policy | {"migration-agent"}))
            case "old-tcb":
                return replace(self, chip=self.vendor.new_chip(SVN // 2))
            case "other-tcb":
                return replace(self, reported=dict.fromkeys(self.chip.svns, SVN // 2))
            case "other-machine":
                return replace(self, written_over=(_CHIP_ID, b"\x5a" * 64))
            case "masked-key":
                return replace(self, written_over=(_KEY_FLAGS, b"\x02\0\0\0"))
            case "revoked":
                return replace(self, revoked=True)
            case "expired-certificate":
                return replace(self, chip=self.vendor.new_chip(validity=ENDED))
            case "expired-collateral":
                return replace(self, validity=ENDED)
            case "no-collateral":
                return replace(self, endorsed=False)
            case "unknown-root":
                other = new_amd(self.vendor.made_at)
                return replace(self, vendor=other, chip=other.chip)
        raise KeyError(name)

    def report(self, report_data: bytes | None = None) -> bytes:
        """The report alone.  report_data: other data than the order's."""
        data = self.report_data if report_data is None else report_data
        raw = self.chip.report(self.guest, data, reported=self.reported).raw
        if self.written_over is not None:
            place, content = self.written_over
            signed = raw[:place] + content + raw[place + len(content) : SIGNED_BYTES]
            raw = sign_report(self.chip.vcek_key, signed)
        return raw if self.bit is None else flipped(raw, self.bit)

    def sections(self) -> Mapping[Kind, tuple[object, ...]]:
        """The endorsements; AMD revokes the authorities between its root and machines."""
        if not self.endorsed:
            return {}
        crl = self.vendor.crl([self.vendor.ask] if self.revoked else (), self.validity)
        return {Kind.SEV_SNP: tuple(self.vendor.endorsements(self.chip, (crl,)).to_json())}

    def write(self) -> Written:
        """Report and endorsements."""
        return Written({"report.bin": self.report()}, sections=self.sections())


def start(folder: Path, order: Order) -> AmdDraft:
    """A sample without faults, of a folder's vendor.  Raises EndorsementFormatError if there is none."""
    vendor = load(folder)
    return AmdDraft(vendor, vendor.chip, Guest(order.program.measurement), order.report_data)


# ATTESTATION_REPORT, AMD SEV-SNP Firmware ABI (56860).
_KEY_FLAGS: Final = 0x48
_MEASUREMENT: Final = 0x90
_CHIP_ID: Final = 0x1A0
