"""What the tests of Azure's vTPM share: simulated machines on both kinds of hardware, and verifiers for both."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509

from attestation.anchors import Anchor, TrustAnchors
from attestation.azure_vtpm.verify import AzureVtpmVerifier, HardwareVerifier
from attestation.binding import Binding, Unbound
from attestation.endorsements import Endorsements
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.roots import GENUINE_ROOTS
from attestation.sev_snp.verify import SevSnpVerifier
from attestation.simulation.amd import Guest, SimulatedAmd, new_amd
from attestation.simulation.azure import SimulatedAzureMachine, on_chip, on_trust_domain
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.verification import Verification
from attestation.verify import Verifier

PARAVISOR = Guest(bytes([0x77]) * 48)
PARAVISOR_TD = TrustDomain(bytes([0x88]) * 48)
PCRS = {0: bytes([0xA0]) * 32, 7: bytes([0xA7]) * 32}


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def amd(now: datetime) -> SimulatedAmd:
    return new_amd(now)


@pytest.fixture(scope="session")
def intel(now: datetime) -> SimulatedVendor:
    return new_vendor(now)


@pytest.fixture(scope="session")
def machines(amd: SimulatedAmd, intel: SimulatedVendor) -> Mapping[Kind, SimulatedAzureMachine]:
    enclave = QuotingEnclave(intel.machine, Kind.TDX)
    return {
        Kind.SEV_SNP: replace(on_chip(amd.chip, PARAVISOR), pcrs=PCRS),
        Kind.TDX: replace(on_trust_domain(enclave, PARAVISOR_TD), pcrs=PCRS),
    }


@pytest.fixture(scope="session")
def genuine_verifier() -> Callable[[SevSnpEndorsements, Endorsements], AzureVtpmVerifier]:
    """A verifier that believes the vendors' own roots."""
    anchors = tuple(Anchor(x509.load_pem_x509_certificate(pem), simulated=False) for pem in GENUINE_ROOTS)

    def make(snp: SevSnpEndorsements, dcap: Endorsements) -> AzureVtpmVerifier:
        hardware: dict[Kind, HardwareVerifier] = {
            Kind.SEV_SNP: SevSnpVerifier(anchors, snp),
            Kind.TDX: Verifier(TrustAnchors.genuine(), dcap),
        }
        return AzureVtpmVerifier(hardware)

    return make


@pytest.fixture(scope="session")
def azure_verifier(amd: SimulatedAmd, intel: SimulatedVendor) -> AzureVtpmVerifier:
    """A verifier that believes the simulated vendors."""
    snp = TrustAnchors(()).with_simulated(amd.trust_pem)
    tdx = TrustAnchors.genuine().with_simulated(intel.trust_pem)
    return AzureVtpmVerifier(
        {
            Kind.SEV_SNP: SevSnpVerifier(snp.anchors, SevSnpEndorsements.none()),
            Kind.TDX: Verifier(tdx, intel.endorsements),
        }
    )


@pytest.fixture(scope="session")
def check_azure(azure_verifier: AzureVtpmVerifier, now: datetime) -> Callable[..., Verification]:
    def verify(evidence: Evidence, binding: Binding | None = None, at: datetime | None = None) -> Verification:
        return azure_verifier.verify(evidence, binding or Unbound(), now=at or now)

    return verify
