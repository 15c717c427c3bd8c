"""The simulated machines of a vendors' folder: evidence of a program on each platform, as its collector asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha384
from pathlib import Path
from typing import Final, TypeAlias

from attestation.binding import vtpm_nonce
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.measure import ProgramMeasurement

Issue: TypeAlias = Callable[[bytes], Evidence]
"""Evidence over 64 bytes of report data."""

PARAVISOR: Final = sha384(b"enclasp simulated paravisor").digest()
"""Launch measurement of what runs below a simulated Azure machine."""

PCR: Final = 11
"""The vTPM's register of a simulated Azure machine in which a program is measured."""


def open_machine(folder: Path, kind: Kind, program: ProgramMeasurement) -> Issue:
    """What issues evidence of a program on the folder's machine of this platform.

    The code of a platform is loaded when somebody wants it.
    Raises EndorsementFormatError if the folder has no simulated vendor for it.
    """
    return _MACHINES[kind](folder, program)


def _sgx(folder: Path, program: ProgramMeasurement) -> Issue:
    from attestation.simulation.issue import Enclave, QuotingEnclave
    from attestation.simulation.vendor import load

    quoting, enclave = QuotingEnclave(load(folder).machine, Kind.SGX), Enclave(program.mrenclave, program.mrsigner)
    return lambda report_data: quoting.quote_enclave(enclave, report_data)


def _tdx(folder: Path, program: ProgramMeasurement) -> Issue:
    from attestation.simulation.issue import QuotingEnclave, TrustDomain
    from attestation.simulation.vendor import load

    quoting, domain = (
        QuotingEnclave(load(folder).machine, Kind.TDX),
        TrustDomain(program.mrtd, mrconfigid=_held(program, 48)),
    )
    return lambda report_data: quoting.quote_trust_domain(domain, report_data)


def _sev_snp(folder: Path, program: ProgramMeasurement) -> Issue:
    from attestation.simulation.amd import Guest, load

    chip, guest = load(folder).chip, Guest(program.measurement, _held(program, 32))
    return lambda report_data: chip.report(guest, report_data, extended=True)


def _held(program: ProgramMeasurement, length: int) -> bytes:
    """What the host gave, cut or filled with zeros, as hypervisors do it."""
    return program.host_data[:length].ljust(length, b"\0")


def _nitro(folder: Path, program: ProgramMeasurement) -> Issue:
    from attestation.simulation.aws import NitroEnclave, load

    vendor, enclave = load(folder), NitroEnclave(program.nitro_pcrs)

    def issue(report_data: bytes) -> Evidence:
        now = datetime.now(UTC)  # noqa: TID251 - shell: a document bears the time at which it was made
        return vendor.document(enclave, report_data, now=now)

    return issue


def _cca(folder: Path, program: ProgramMeasurement) -> Issue:
    from attestation.simulation.arm import Realm, load

    vendor, realm = load(folder), Realm(program.rim, personalization=_held(program, 64))
    return lambda report_data: vendor.token(realm, report_data)


def _nvidia_gpu(folder: Path, program: ProgramMeasurement) -> Issue:
    """A GPU measures itself, not the program that uses it."""
    from attestation.nvidia_gpu.format import NONCE_BYTES
    from attestation.simulation.nvidia import load
    from attestation.simulation.nvidia_issue import issue

    gpu = load(folder).gpu
    return lambda report_data: issue(gpu, report_data[:NONCE_BYTES])


def _azure_vtpm(folder: Path, program: ProgramMeasurement) -> Issue:
    from attestation.simulation.amd import Guest, load
    from attestation.simulation.azure import on_chip

    machine = replace(on_chip(load(folder).chip, Guest(PARAVISOR)), pcrs={PCR: program.pcr11})
    return lambda report_data: machine.evidence(vtpm_nonce(report_data))


_MACHINES: Final[Mapping[Kind, Callable[[Path, ProgramMeasurement], Issue]]] = {
    Kind.SGX: _sgx,
    Kind.TDX: _tdx,
    Kind.SEV_SNP: _sev_snp,
    Kind.NITRO: _nitro,
    Kind.CCA: _cca,
    Kind.NVIDIA_GPU: _nvidia_gpu,
    Kind.AZURE_VTPM: _azure_vtpm,
}
