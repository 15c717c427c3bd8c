"""How do we ask a machine with GPUs?  The processor first; each GPU then with a nonce made of the processor's."""

from collections.abc import Sequence
from typing import Protocol

from attestation.binding import REPORT_DATA_BYTES, of_device, vtpm_nonce
from attestation.composite.format import Parts, encode_composite
from attestation.evidence import Evidence
from attestation.kinds import Kind


class Processor(Protocol):
    """What answers for the program: an `attestation.issue.Issuer`."""

    @property
    def kind(self) -> Kind:
        """The kind of its Evidence."""

    @property
    def simulated(self) -> bool:
        """Whether this is no hardware at all."""

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence over 64 bytes of report data."""

    def sealing_key(self, mode: str) -> bytes:
        """32 bytes, see `attestation.issue.Issuer`."""


class Gpu(Protocol):
    """A device beside it."""

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence whose nonce is the first 32 of 64 bytes."""


class CompositeIssuer:
    """An `attestation.issue.Issuer` that answers for a processor and its GPUs together."""

    kind = Kind.COMPOSITE

    def __init__(self, processor: Processor, gpus: Sequence[Gpu]) -> None:
        """gpus: at least one."""
        self._processor, self._gpus = processor, tuple(gpus)
        self.simulated = processor.simulated

    def issue(self, report_data: bytes) -> Evidence:
        """Composite Evidence over 64 bytes of report data.  Raises NoDevice if a part does not answer."""
        cpu = self._processor.issue(report_data)
        bound = of_device(_as_verified(self._processor.kind, report_data)).report_data
        return encode_composite(Parts(cpu, tuple(gpu.issue(bound) for gpu in self._gpus)))

    def sealing_key(self, mode: str) -> bytes:
        """The processor's, see `attestation.issue.Issuer`."""
        return self._processor.sealing_key(mode)


def _as_verified(kind: Kind, report_data: bytes) -> bytes:
    """The report data that a verifier reads in the processor's evidence: a vTPM's nonce is a hash, zero-padded."""
    if kind is Kind.AZURE_VTPM:
        return vtpm_nonce(report_data).ljust(REPORT_DATA_BYTES, b"\0")
    return report_data
