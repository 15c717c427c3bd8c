"""Which interface to confidential computing hardware is there?  Each is asked; the others keep their reasons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from attestation.collect.sealing import refuse
from attestation.errors import NoDevice, foreign_package
from attestation.evidence import Evidence
from attestation.kinds import Kind


class Device(Protocol):
    """What each room's `device.py` has."""

    def usable(self) -> str:
        """Empty, or why not."""

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence over 64 bytes of report data.  Raises NoDevice."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One way to the hardware.  name: with the place that it looks at.  open: loads the room's code when it is asked.

    for_programs: its Evidence is about the program that asks, not about a device beside it.
    """

    name: str
    kind: Kind
    open: Callable[[], tuple[Device, Callable[[str], bytes]]]
    for_programs: bool = True


@dataclass(frozen=True, slots=True)
class HardwareIssuer:
    """An `attestation.issue.Issuer` on real hardware.  interface: the name of the way."""

    interface: str
    kind: Kind
    device: Device
    key_source: Callable[[str], bytes]
    simulated: bool = False

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence over 64 bytes of report data.  Raises NoDevice if the hardware does not give it."""
        return self.device.issue(report_data)

    def sealing_key(self, mode: str) -> bytes:
        """32 bytes, see `attestation.issue.Issuer`.  Raises NoSealingKey where the hardware has none."""
        return self.key_source(mode)


@dataclass(frozen=True, slots=True)
class Answer:
    """issuer: None if the interface cannot be used, and `reason` says why."""

    interface: Interface
    issuer: HardwareIssuer | None
    reason: str = ""


def ask(interfaces: Sequence[Interface]) -> Iterator[Answer]:
    """Ask one interface after the other, when the answer is wanted."""
    for interface in interfaces:
        try:
            device, key = interface.open()
        except ModuleNotFoundError as error:
            yield Answer(interface, None, f"it needs the Python package '{foreign_package(error)}', which is missing")
            continue
        reason = device.usable()
        issuer = None if reason else HardwareIssuer(interface.name, interface.kind, device, key)
        yield Answer(interface, issuer, reason)


def find(interfaces: Sequence[Interface]) -> HardwareIssuer:
    """The first interface that can be used by a program.

    Raises NoDevice, which says for each interface what was looked for and why it cannot be used.
    """
    reasons = []
    for answer in ask([interface for interface in interfaces if interface.for_programs]):
        if answer.issuer is not None:
            return answer.issuer
        reasons.append(f"  {answer.interface.name}: {answer.reason}")
    raise NoDevice("\n".join(["none of these interfaces to confidential computing hardware can be used:", *reasons]))


def _open_gramine() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.collect.gramine import GramineDevice

    device = GramineDevice()
    return device, device.sealing_key


def _open_occlum() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.collect.occlum import OcclumDevice

    device = OcclumDevice()
    return device, device.sealing_key


def _open_tdx_tsm() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.collect.tdx_device import TdxTsmDevice

    device = TdxTsmDevice()
    return device, device.sealing_key


def _open_snp_tsm() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.collect.sealing import SnpDerivedKey
    from attestation.sev_snp.device import TsmDevice

    return TsmDevice(), SnpDerivedKey()


def _open_cca() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.cca.device import CcaDevice

    return CcaDevice(), partial(refuse, Kind.CCA)


def _open_sev_guest() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.collect.sealing import SnpDerivedKey
    from attestation.sev_snp.device import SevGuestDevice

    return SevGuestDevice(), SnpDerivedKey()


def _open_tdx_guest() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.collect.tdx_device import TdxGuestDevice

    device = TdxGuestDevice()
    return device, device.sealing_key


def _open_nitro() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.nitro.device import NitroDevice

    return NitroDevice(), partial(refuse, Kind.NITRO)


def _open_azure() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.azure_vtpm.device import AzureVtpmDevice

    return AzureVtpmDevice(), partial(refuse, Kind.AZURE_VTPM)


def _open_nvidia() -> tuple[Device, Callable[[str], bytes]]:
    from attestation.nvidia_gpu.device import NvidiaGpuDevice

    return NvidiaGpuDevice(), partial(refuse, Kind.NVIDIA_GPU)


# The library operating systems first, whose enclave is narrower than a machine around it; of two ways to one kind the
# kernel's newer one first.
INTERFACES: Final = (
    Interface("Gramine (/dev/attestation)", Kind.SGX, _open_gramine),
    Interface("Occlum (/dev/sgx)", Kind.SGX, _open_occlum),
    Interface("configfs-tsm, TDX", Kind.TDX, _open_tdx_tsm),
    Interface("configfs-tsm, SEV-SNP", Kind.SEV_SNP, _open_snp_tsm),
    Interface("configfs-tsm, Arm CCA", Kind.CCA, _open_cca),
    Interface("/dev/sev-guest", Kind.SEV_SNP, _open_sev_guest),
    Interface("/dev/tdx_guest", Kind.TDX, _open_tdx_guest),
    Interface("Nitro (/dev/nsm)", Kind.NITRO, _open_nitro),
    Interface("Azure vTPM (/dev/tpmrm0)", Kind.AZURE_VTPM, _open_azure),
    Interface("NVIDIA (NVML)", Kind.NVIDIA_GPU, _open_nvidia, for_programs=False),
)
