"""Simulated hardware for one trial of a manifest: evidence of the program that reference values describe.

What names machines is left out of the trial, since simulated ones are others: lists of machines, patch levels and
their dates, the platform's firmware and keys, and a GPU's versions.
"""

from dataclasses import replace
from datetime import datetime
from functools import cached_property

from attestation.anchors import TrustAnchors
from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.binding import of_device, vtpm_nonce
from attestation.cca.claims import CcaReferenceValues
from attestation.claims import ReferenceValues, TcbPolicy
from attestation.composite.claims import CompositeReferenceValues
from attestation.composite.format import Parts, encode_composite
from attestation.endorsements import Endorsements
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.claims import NitroReferenceValues
from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues
from attestation.nvidia_gpu.format import NONCE_BYTES
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sgx.claims import SgxReferenceValues
from attestation.simulation import nvidia_issue
from attestation.simulation.amd import Guest, SimulatedAmd, new_amd
from attestation.simulation.arm import Realm, SimulatedArm, new_arm
from attestation.simulation.aws import NitroEnclave, SimulatedAws, new_aws
from attestation.simulation.azure import SimulatedAzureMachine, on_chip, on_trust_domain
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.nvidia import SimulatedNvidia, new_nvidia
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verify import Verifier


class NoSuchProgram(Exception):
    """No hardware could ever make evidence that these reference values accept."""


def without_machines(values: ReferenceValues) -> ReferenceValues:
    """The same demands on the program, and none on its machine."""
    match values:
        case SgxReferenceValues() | TdxReferenceValues():
            return replace(values, tcb=TcbPolicy())
        case SevSnpReferenceValues():
            return SevSnpReferenceValues(
                measurement=values.measurement,
                host_data=values.host_data,
                id_key_digest=values.id_key_digest,
                author_key_digest=values.author_key_digest,
                family_id=values.family_id,
                image_id=values.image_id,
                guest_svn=values.guest_svn,
                vmpl=values.vmpl,
                debug=values.debug,
                migration_agent=values.migration_agent,
                smt=values.smt,
                single_socket=values.single_socket,
                sources=values.sources,
            )
        case NitroReferenceValues():
            return replace(values, user_data=None)
        case CcaReferenceValues():
            return CcaReferenceValues(
                rim=values.rim, rems=values.rems, rpv=values.rpv, debug=values.debug, sources=values.sources
            )
        case AzureVtpmReferenceValues():
            return replace(values, hardware=without_machines(values.hardware), vm_id=None)
        case NvidiaGpuReferenceValues():
            return NvidiaGpuReferenceValues()
        case CompositeReferenceValues():
            processors = [part for part in values.all_of if part.kind is not Kind.NVIDIA_GPU]
            return replace(values, all_of=(*map(without_machines, processors), NvidiaGpuReferenceValues()))
    raise _unknown(values)


class TrialHardware:
    """A machine of every kind; each vendor is made when somebody asks for it."""

    def __init__(self, now: datetime) -> None:
        """now: aware; all evidence is of this time."""
        self._now = now

    @cached_property
    def verifier(self) -> Verifier:
        """What believes all of it."""
        anchors = TrustAnchors(())
        nvidia, amd, arm = self._nvidia, self._amd, self._arm
        for pem in (self._intel.trust_pem, amd.trust_pem, self._aws.trust_pem, arm.trust_pem, *nvidia.trust_pems):
            anchors = anchors.with_simulated(pem)
        sections: dict[Kind, tuple[object, ...]] = {
            Kind.SEV_SNP: tuple(amd.endorsements().to_json()),
            Kind.CCA: tuple(arm.endorsements.to_json()),
            Kind.NVIDIA_GPU: tuple(nvidia_issue.endorsements(nvidia).to_json()),
        }
        return Verifier(anchors, self._intel.endorsements.and_those(Endorsements(sections=sections)))

    def evidence(self, values: ReferenceValues, report_data: bytes) -> Evidence:
        """Evidence of a program as these values describe it.  Raises NoSuchProgram."""
        match values:
            case SgxReferenceValues():
                return QuotingEnclave(self._intel.machine, Kind.SGX).quote_enclave(_enclave(values), report_data)
            case TdxReferenceValues():
                return self._quoting.quote_trust_domain(_domain(values), report_data)
            case SevSnpReferenceValues():
                return self._amd.chip.report(_guest(values), report_data)
            case NitroReferenceValues():
                enclave = NitroEnclave(_pcrs(values), nonce=values.nonce, public_key=values.public_key)
                return self._aws.document(enclave, report_data, now=self._now)
            case CcaReferenceValues():
                return self._arm.token(_realm(values), report_data)
            case AzureVtpmReferenceValues():
                return self._azure(values).evidence(vtpm_nonce(report_data))
            case NvidiaGpuReferenceValues():
                return nvidia_issue.issue(self._nvidia.gpu, report_data[:NONCE_BYTES])
            case CompositeReferenceValues():
                return self._composite(values, report_data)
        raise _unknown(values)

    def _composite(self, values: CompositeReferenceValues, report_data: bytes) -> Evidence:
        """A processor and a GPU: without versions and machines, all GPUs are the same."""
        [processor] = [part for part in values.all_of if part.kind is not Kind.NVIDIA_GPU]
        cpu = self.evidence(processor, report_data)
        if processor.kind is Kind.AZURE_VTPM:
            report_data = vtpm_nonce(report_data).ljust(len(report_data), b"\0")
        nonce = of_device(report_data).report_data[:NONCE_BYTES]
        return encode_composite(Parts(cpu, (nvidia_issue.issue(self._nvidia.gpu, nonce),)))

    def _azure(self, values: AzureVtpmReferenceValues) -> SimulatedAzureMachine:
        match values.hardware:
            case SevSnpReferenceValues():
                machine = on_chip(self._amd.chip, replace(_guest(values.hardware), vmpl=0))
            case TdxReferenceValues():
                machine = on_trust_domain(self._quoting, _domain(values.hardware))
            case _:
                raise _unknown(values.hardware)
        secure_boot = True if values.secure_boot is None else values.secure_boot
        return replace(machine, pcrs=values.pcrs, secure_boot=secure_boot, user_data=values.user_data or bytes(64))

    @cached_property
    def _quoting(self) -> QuotingEnclave:
        return QuotingEnclave(self._intel.machine, Kind.TDX)

    @cached_property
    def _intel(self) -> SimulatedVendor:
        return new_vendor(self._now)

    @cached_property
    def _amd(self) -> SimulatedAmd:
        return new_amd(self._now)

    @cached_property
    def _aws(self) -> SimulatedAws:
        return new_aws(self._now)

    @cached_property
    def _arm(self) -> SimulatedArm:
        return new_arm(self._now)

    @cached_property
    def _nvidia(self) -> SimulatedNvidia:
        return new_nvidia(self._now)


def _enclave(values: SgxReferenceValues) -> Enclave:
    product, svn = values.isvprodid or 0, values.isvsvn or 0
    if (number := max(product, svn)) > _MAX_NUMBER:
        raise NoSuchProgram(f"enclaves have product numbers and versions up to {_MAX_NUMBER}, not {number}")
    return Enclave(values.mrenclave or bytes(32), values.mrsigner or bytes(32), product, svn, debug=values.debug)


def _domain(values: TdxReferenceValues) -> TrustDomain:
    blank = bytes(48)
    first, second, third, fourth = (values.rtmrs.get(index, blank) for index in range(4))
    domain = TrustDomain(
        mrtd=values.mrtd or blank,
        rtmrs=(first, second, third, fourth),
        mrconfigid=values.mrconfigid or blank,
        mrowner=values.mrowner or blank,
        mrownerconfig=values.mrownerconfig or blank,
    )
    return domain.debuggable() if values.debug else domain


def _guest(values: SevSnpReferenceValues) -> Guest:
    flags = {"smt": values.smt, "single-socket": values.single_socket, "debug": values.debug}
    return Guest(
        values.measurement or bytes(48),
        host_data=values.host_data or bytes(32),
        id_key_digest=values.id_key_digest or bytes(48),
        author_key_digest=values.author_key_digest or bytes(48),
        family_id=values.family_id or bytes(16),
        image_id=values.image_id or bytes(16),
        guest_svn=values.guest_svn or 0,
        vmpl=values.vmpl or 0,
        policy=frozenset(name for name, on in flags.items() if on),
    )


def _pcrs(values: NitroReferenceValues) -> dict[int, bytes]:
    """An enclave has all of its first registers, or is debuggable."""
    others = {} if values.debug else dict.fromkeys(range(3), b"\x01" * 48)
    return {**others, **values.pcrs}


def _realm(values: CcaReferenceValues) -> Realm:
    rim = values.rim or bytes(32)
    first, second, third, fourth = (values.rems.get(index, bytes(len(rim))) for index in range(4))
    return Realm(rim, (first, second, third, fourth), values.rpv or bytes(64))


def _unknown(values: ReferenceValues) -> NoSuchProgram:
    return NoSuchProgram(f"there is no simulated hardware of kind {values.kind.value} to try this with")


_MAX_NUMBER = 0xFFFF
