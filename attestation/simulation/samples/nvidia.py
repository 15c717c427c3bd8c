"""Samples of NVIDIA GPUs' measurements."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import CHAIN_FILE, MEASUREMENTS_FILE, NONCE_BYTES, pack, parse_container
from attestation.simulation.nvidia import VALIDITY, Authority, SimulatedGpu, SimulatedNvidia, load, new_nvidia
from attestation.simulation.nvidia_issue import Booted, driver_rim, issue, vbios_rim
from attestation.simulation.samples.draft import ENDED, OTHER_DATA, Order, Written, flipped


@dataclass(frozen=True, slots=True)
class NvidiaDraft:
    """shown_by: whose certificates come with it.  bit: flipped in the measurements.  signer: of RIMs."""

    vendor: SimulatedNvidia
    gpu: SimulatedGpu
    report_data: bytes
    signer: tuple[Authority, ...]
    booted: Booted = field(default_factory=Booted)
    fwid: bytes | None = None
    shown_by: SimulatedGpu | None = None
    bit: int | None = None
    endorsed: bool = True
    revoked: bool = False
    altered_rim: bool = False

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform."""
        match name:
            case "report-data":
                return replace(self, report_data=OTHER_DATA)
            case "signature":
                return replace(self, bit=-1)
            case "altered":
                return replace(self, bit=_MEASUREMENT)
            case "other-program":
                return replace(self, booted=Booted(altered={9: b"\x5a" * 48}))
            case "wrong-binding":
                return replace(self, fwid=b"\x5a" * 48)
            case "other-machine":
                return replace(self, shown_by=self.vendor.new_gpu(firmware=self.gpu.fwid))
            case "revoked":
                return replace(self, revoked=True)
            case "expired-certificate":
                return replace(self, gpu=self.vendor.new_gpu(validity=ENDED))
            case "expired-rim":
                return replace(self, signer=self.vendor.new_rim_signer(ends=self.vendor.made_at + ENDED))
            case "altered-collateral":
                return replace(self, altered_rim=True)
            case "no-collateral":
                return replace(self, endorsed=False)
            case "unknown-root":
                other = new_nvidia(self.vendor.made_at)
                return replace(self, vendor=other, gpu=other.gpu, signer=other.rim_chain)
        raise KeyError(name)

    def evidence(self) -> Evidence:
        """The evidence alone."""
        container = parse_container(issue(self.gpu, self.report_data[:NONCE_BYTES], self.booted, fwid=self.fwid).raw)
        measurements = container.measurements if self.bit is None else flipped(container.measurements, self.bit)
        return Evidence(Kind.NVIDIA_GPU, pack(measurements, (self.shown_by or self.gpu).chain_pem))

    def sections(self) -> dict[Kind, tuple[object, ...]]:
        """RIMs of the released driver and VBIOS, and answers about certificates."""
        if not self.endorsed:
            return {}
        driver = driver_rim(self.signer, self.booted.driver)
        if self.altered_rim:
            driver = driver.replace(b'revision="r1"', b'revision="r2"')
        rims = (driver, vbios_rim(self.signer, self.booted.vbios_version))
        chain = (self.shown_by or self.gpu).chain[1:]
        revoked = (chain[0].certificate.serial_number,) if self.revoked else ()
        answers = [
            answer
            for one in (chain, self.signer)
            for answer in self.vendor.ocsp_responses(one, self.vendor.made_at, revoked=revoked, validity=VALIDITY)
        ]
        return {Kind.NVIDIA_GPU: tuple(NvidiaGpuEndorsements(rims, tuple(answers)).to_json())}

    def write(self) -> Written:
        """Evidence as NVML gives it, and endorsements."""
        container = parse_container(self.evidence().raw)
        files = {MEASUREMENTS_FILE: container.measurements, CHAIN_FILE: container.chain}
        return Written(files, sections=self.sections())


def start(folder: Path, order: Order) -> NvidiaDraft:
    """A sample without faults, of a folder's vendor.  Raises EndorsementFormatError if there is none."""
    vendor = load(folder)
    return NvidiaDraft(vendor, vendor.gpu, order.report_data, vendor.rim_chain)


# In the first measurement block: request (37 bytes), head of the response (8), head of the block (7).
_MEASUREMENT: Final = 37 + 8 + 7
