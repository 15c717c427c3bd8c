"""Samples of Nitro attestation documents."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from attestation.simulation.aws import ENCLAVE_VALIDITY, NitroEnclave, SimulatedAws, load, new_aws
from attestation.simulation.samples.draft import OTHER_DATA, OTHER_PROGRAM, Order, Written, flipped


@dataclass(frozen=True, slots=True)
class AwsDraft:
    """bit: flipped in the document."""

    vendor: SimulatedAws
    enclave: NitroEnclave
    report_data: bytes
    now: datetime
    validity: timedelta = ENCLAVE_VALIDITY
    altered: bool = False
    bit: int | None = None

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform."""
        match name:
            case "report-data":
                return replace(self, report_data=OTHER_DATA)
            case "nonce":
                return replace(self, enclave=replace(self.enclave, nonce=OTHER_DATA))
            case "signature":
                return replace(self, bit=-1)
            case "altered":
                return replace(self, altered=True)
            case "other-program":
                return replace(self, enclave=replace(self.enclave, pcrs=OTHER_PROGRAM.nitro_pcrs))
            case "debug":
                return replace(self, enclave=self.enclave.debuggable())
            case "stale":
                return replace(self, now=self.now - _LONG_AGO)
            case "other-machine":
                other = new_aws(self.vendor.made_at)
                mixed = (self.vendor.authorities[0], *other.authorities[1:])
                return replace(self, vendor=replace(self.vendor, authorities=mixed))
            case "expired-certificate":
                return replace(self, validity=timedelta(seconds=-2))
            case "unknown-root":
                return replace(self, vendor=new_aws(self.vendor.made_at))
        raise KeyError(name)

    def write(self) -> Written:
        """The document, which carries its certificates."""
        raw = self.vendor.document(self.enclave, self.report_data, now=self.now, validity=self.validity).raw
        if self.altered:
            raw = flipped(raw, raw.index(self.enclave.pcrs[0]))
        return Written({"document.cbor": raw if self.bit is None else flipped(raw, self.bit)})


def start(folder: Path, order: Order) -> AwsDraft:
    """A sample without faults, of a folder's vendor.  Raises EndorsementFormatError if there is none."""
    enclave = NitroEnclave(order.program.nitro_pcrs, nonce=order.nonce)
    return AwsDraft(load(folder), enclave, order.report_data, order.now)


_LONG_AGO: Final = timedelta(hours=2)
