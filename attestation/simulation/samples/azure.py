"""Samples of Azure's vTPM, on a simulated chip of AMD's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.azure_vtpm.format import HCL_FILE, PCRS_FILE, QUOTE_FILE, SIGNATURE_FILE
from attestation.binding import vtpm_nonce
from attestation.kinds import Kind
from attestation.simulation.amd import Guest, load
from attestation.simulation.azure import SimulatedAzureMachine, hcl_report
from attestation.simulation.machines import PARAVISOR, PCR
from attestation.simulation.samples.amd import AmdDraft
from attestation.simulation.samples.draft import OTHER_DATA, OTHER_PROGRAM, Order, Written, flipped


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True, slots=True)
class AzureDraft:
    """chip: what the hardware says; its guest is the paravisor.  claimed_key: in the runtime data, if another."""

    chip: AmdDraft
    pcrs: Mapping[int, bytes]
    report_data: bytes
    key: rsa.RSAPrivateKey = field(default_factory=_new_key)
    bound_key: rsa.RSAPrivateKey | None = None
    signature_bit: int | None = None
    altered: bool = False

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform, or of the hardware below it."""
        match name:
            case "report-data":
                return replace(self, report_data=OTHER_DATA)
            case "signature":
                return replace(self, signature_bit=-1)
            case "altered":
                return replace(self, altered=True)
            case "other-program":
                return replace(self, pcrs={PCR: OTHER_PROGRAM.pcr11})
            case "privilege":
                return replace(self, chip=replace(self.chip, guest=replace(self.chip.guest, vmpl=1)))
            case "wrong-binding":
                return replace(self, bound_key=_new_key())
        return replace(self, chip=self.chip.with_fault(name))

    def write(self) -> Written:
        """The parts of the evidence under their names, and the chip's endorsements."""
        machine = SimulatedAzureMachine(Kind.SEV_SNP, self.chip.report, b"", self.key, self.pcrs)
        runtime = machine.runtime_data()
        bound = runtime if self.bound_key is None else replace(machine, attestation_key=self.bound_key).runtime_data()
        message, signature = machine.quote(vtpm_nonce(self.report_data))
        values = [value.hex() for value in machine.all_pcrs().values()]
        if self.altered:
            values[PCR] = flipped(bytes.fromhex(values[PCR]), 0).hex()
        if self.signature_bit is not None:
            signature = flipped(signature, self.signature_bit)
        hardware = self.chip.report(sha256(bound).digest() + bytes(32))
        files = {
            HCL_FILE: hcl_report(Kind.SEV_SNP, hardware, runtime),
            QUOTE_FILE: message,
            SIGNATURE_FILE: signature,
            PCRS_FILE: json.dumps(values).encode(),
        }
        return Written(files, sections=self.chip.sections())


def start(folder: Path, order: Order) -> AzureDraft:
    """A sample without faults, of a folder's vendor.  Raises EndorsementFormatError if there is none."""
    vendor = load(folder)
    chip = AmdDraft(vendor, vendor.chip, Guest(PARAVISOR), bytes(64))
    return AzureDraft(chip, {PCR: order.program.pcr11}, order.report_data)
