"""Composite evidence is collected: the processor is asked first, each GPU for what the processor says."""

from datetime import datetime
from typing import Any

import pytest

from attestation.anchors import TrustAnchors
from attestation.binding import Bound, of_certificate, vtpm_nonce
from attestation.collect.finder import HardwareIssuer
from attestation.composite.device import CompositeIssuer
from attestation.endorsements import Endorsements
from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu.device import all_devices
from attestation.simulation.amd import Guest, new_amd
from attestation.simulation.azure import on_chip
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.nvidia import SimulatedNvidia, new_nvidia
from attestation.simulation.nvidia_issue import endorsements
from attestation.simulation.vendor import SimulatedVendor
from attestation.verify import Verifier
from tests.fakes.nvml import StandIn

BOUND = of_certificate(b"a certificate", b"a nonce")


class TrustDomainDevice:
    def __init__(self, vendor: SimulatedVendor) -> None:
        self._quoting = QuotingEnclave(vendor.machine, Kind.TDX)

    def usable(self) -> str:
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        return self._quoting.quote_trust_domain(TrustDomain(b"\7" * 48), report_data)


def key_of(mode: str) -> bytes:
    return mode.encode().ljust(32, b"\0")


@pytest.fixture(scope="module")
def nvidia(now: datetime) -> SimulatedNvidia:
    return new_nvidia(now)


@pytest.fixture(scope="module")
def machine(vendor: SimulatedVendor, nvidia: SimulatedNvidia) -> CompositeIssuer:
    """A trust domain with two GPUs behind the driver's library."""
    libraries = [StandIn(nvidia.gpu), StandIn(nvidia.new_gpu())]
    gpus = [device for library in libraries for device in all_devices(lambda library=library: library)]
    return CompositeIssuer(HardwareIssuer("test", Kind.TDX, TrustDomainDevice(vendor), key_of), gpus)


def test_a_processor_and_its_gpus_answer_as_one_and_are_bound_together(
    machine: CompositeIssuer, vendor: SimulatedVendor, nvidia: SimulatedNvidia, anchors: TrustAnchors, now: datetime
) -> None:
    for pem in nvidia.trust_pems:
        anchors = anchors.with_simulated(pem)
    given = Endorsements(sections={Kind.NVIDIA_GPU: tuple(endorsements(nvidia).to_json())})
    verifier = Verifier(anchors, vendor.endorsements.and_those(given))

    evidence = machine.issue(BOUND.report_data)

    verification = verifier.verify(evidence, BOUND, now=now)
    assert (True, True) == (verification.genuine, verification.complete)
    assert "tdx nvidia-gpu nvidia-gpu#2" == verification.claims.details["parts"]
    other = verifier.verify(evidence, Bound(bytes(64), "another key"), now=now)
    assert {"tdx/binding.report-data"} == {c.name for c in other.checks if c.status == "failed"}


def test_the_machine_seals_as_its_processor_and_is_no_more_genuine(machine: CompositeIssuer) -> None:
    assert key_of("UniqueKey") == machine.sealing_key("UniqueKey")
    assert (Kind.COMPOSITE, False) == (machine.kind, machine.simulated)


def test_gpus_of_a_machine_with_a_vtpm_are_bound_to_the_nonce_that_the_vtpm_took(
    nvidia: SimulatedNvidia, now: datetime
) -> None:
    amd = new_amd(now)
    azure = on_chip(amd.chip, Guest(b"\7" * 48))

    class Vtpm:
        kind, simulated, sealing_key = Kind.AZURE_VTPM, True, staticmethod(key_of)

        def issue(self, report_data: bytes) -> Evidence:
            return azure.evidence(vtpm_nonce(report_data))

    trust = TrustAnchors(())
    for pem in (amd.trust_pem, *nvidia.trust_pems):
        trust = trust.with_simulated(pem)
    given = Endorsements(sections={Kind.NVIDIA_GPU: tuple(endorsements(nvidia).to_json())})

    evidence = CompositeIssuer(Vtpm(), all_devices(lambda: StandIn(nvidia.gpu))).issue(BOUND.report_data)

    assert Verifier(trust, given).verify(evidence, BOUND, now=now).genuine


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"count": 0}, "NVML: expected a GPU, got none"),
        ({"fails": {"nvmlInit_v2": 9}}, "the driver is not loaded"),
    ],
)
def test_a_machine_without_gpus_says_so(nvidia: SimulatedNvidia, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NoDevice, match=sentence):
        all_devices(lambda: StandIn(nvidia.gpu, **change))
    assert 3 == len(all_devices(lambda: StandIn(nvidia.gpu, count=3)))


def test_without_the_drivers_library_there_are_no_gpus() -> None:
    def no_library() -> Any:
        raise OSError("no such file")

    with pytest.raises(NoDevice, match=r"libnvidia-ml.so.1 cannot be loaded: no such file"):
        all_devices(no_library)
