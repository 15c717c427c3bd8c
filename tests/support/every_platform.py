"""A simulated vendor for each platform, what believes all of them, and evidence of one program on each."""

from dataclasses import dataclass
from datetime import datetime

from attestation.anchors import TrustAnchors
from attestation.binding import of_device
from attestation.composite.format import Parts, encode_composite
from attestation.endorsements import Endorsements
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.amd import Guest, SimulatedAmd, new_amd
from attestation.simulation.arm import Realm, SimulatedArm, new_arm
from attestation.simulation.aws import NitroEnclave, SimulatedAws, new_aws
from attestation.simulation.azure import on_trust_domain
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.nvidia import SimulatedNvidia, new_nvidia
from attestation.simulation.nvidia_issue import endorsements as nvidia_endorsements
from attestation.simulation.nvidia_issue import issue as issue_gpu
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.verify import Verifier


@dataclass(frozen=True)
class Vendors:
    """All simulated vendors, made at one time."""

    intel: SimulatedVendor
    amd: SimulatedAmd
    aws: SimulatedAws
    arm: SimulatedArm
    nvidia: SimulatedNvidia
    made_at: datetime

    @property
    def anchors(self) -> TrustAnchors:
        """The genuine roots, and all simulated ones."""
        anchors = TrustAnchors.genuine()
        pems = (self.intel, self.amd, self.aws, self.arm)
        for pem in (*(vendor.trust_pem for vendor in pems), *self.nvidia.trust_pems):
            anchors = anchors.with_simulated(pem)
        return anchors

    @property
    def endorsements(self) -> Endorsements:
        """Of the machines that `evidence` comes from."""
        sections = {
            Kind.SEV_SNP: tuple(self.amd.endorsements(self.amd.chip).to_json()),
            Kind.CCA: tuple(self.arm.endorsements.to_json()),
            Kind.NVIDIA_GPU: tuple(nvidia_endorsements(self.nvidia).to_json()),
        }
        return self.intel.endorsements.and_those(Endorsements(sections=sections))

    def verifier(self) -> Verifier:
        """A verifier that has seen nothing yet."""
        return Verifier(self.anchors, self.endorsements)

    def evidence(self, kind: Kind, report_data: bytes, *, at: datetime | None = None, nonce: bytes = b"") -> Evidence:
        """Over 64 bytes of report data.  nonce: of a Nitro document."""
        quoting, domain = QuotingEnclave(self.intel.machine, Kind.TDX), TrustDomain(bytes(48))
        if kind is Kind.SGX:
            return QuotingEnclave(self.intel.machine, kind).quote_enclave(Enclave(bytes(32), bytes(32)), report_data)
        if kind is Kind.TDX:
            return quoting.quote_trust_domain(domain, report_data)
        if kind is Kind.SEV_SNP:
            return self.amd.chip.report(Guest(bytes(48)), report_data)
        if kind is Kind.NITRO:
            return self.aws.document(NitroEnclave({}, nonce=nonce or None), report_data, now=at or self.made_at)
        if kind is Kind.CCA:
            return self.arm.token(Realm(bytes(32), (bytes(32),) * 4, bytes(64)), report_data)
        if kind is Kind.NVIDIA_GPU:
            return issue_gpu(self.nvidia.gpu, report_data[:32])
        if kind is Kind.AZURE_VTPM:
            return on_trust_domain(quoting, domain).evidence(report_data)
        gpu = issue_gpu(self.nvidia.gpu, of_device(report_data).report_data[:32])
        return encode_composite(Parts(quoting.quote_trust_domain(domain, report_data), (gpu,)))


def new_vendors(now: datetime) -> Vendors:
    """Fresh keys, in memory."""
    return Vendors(new_vendor(now), new_amd(now), new_aws(now), new_arm(now), new_nvidia(now), now)
