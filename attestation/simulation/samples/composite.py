"""Samples of a TDX processor's evidence and its GPU's together."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from attestation.binding import of_device
from attestation.composite.format import Parts, encode_composite
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.samples import intel, nvidia
from attestation.simulation.samples.draft import Order, Written


@dataclass(frozen=True, slots=True)
class CompositeDraft:
    """copies: how often the GPU's evidence is in it."""

    cpu: intel.IntelDraft
    gpu: nvidia.NvidiaDraft
    copies: int = 1

    def with_fault(self, name: str) -> Self:
        """The same with a fault of one part, or between them."""
        match name:
            case "repeated":
                return replace(self, copies=2)
            case "wrong-binding":
                return replace(self, gpu=self.gpu.with_fault("report-data"))
        if name in _OF_GPU:
            return replace(self, gpu=self.gpu.with_fault(name))
        cpu = self.cpu.with_fault(name)
        # A GPU is asked after its processor, for what its processor says.
        return replace(self, cpu=cpu, gpu=replace(self.gpu, report_data=of_device(cpu.report_data).report_data))

    def write(self) -> Written:
        """The collection, and both vendors' endorsements."""
        parts = Parts(Evidence(Kind.TDX, self.cpu.quote()), (self.gpu.evidence(),) * self.copies)
        dcap = self.cpu.write().dcap
        return Written({"composite.json": encode_composite(parts).raw}, dcap, self.gpu.sections())


def start(folder: Path, order: Order) -> CompositeDraft:
    """A sample without faults, of a folder's vendors.  Raises EndorsementFormatError if one is missing."""
    cpu = intel.start(folder, Kind.TDX, order)
    gpu = replace(nvidia.start(folder, order), report_data=of_device(order.report_data).report_data)
    return CompositeDraft(cpu, gpu)


_OF_GPU: Final = ("altered", "other-machine", "expired-rim", "unknown-root")
