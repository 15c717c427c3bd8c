"""Azure's evidence is collected from a whole software TPM with the real tpm2-tools; only the processor is simulated."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.azure_vtpm.device import AzureVtpmDevice
from attestation.binding import Bound
from attestation.errors import NoDevice
from attestation.kinds import Kind
from attestation.simulation.amd import Guest, SimulatedAmd
from attestation.simulation.azure import hcl_report, on_chip, runtime_data
from attestation.verification import Verification
from tests.attestation.azure_vtpm.test_azure_device import FakeMetadata, FakeTools
from tests.fakes import swtpm

pytestmark = pytest.mark.skipif(bool(swtpm.MISSING), reason=f"not installed: {swtpm.MISSING} (swtpm, tpm2-tools)")

DATA = bytes(range(64))
PARAVISOR = Guest(bytes([0x77]) * 48)


@pytest.fixture
def machine(amd: SimulatedAmd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureVtpmDevice]:
    """A vTPM on a simulated chip; what the metadata service would answer is faked."""

    def report(key: rsa.RSAPublicKey) -> bytes:
        runtime = runtime_data(key)
        hardware = amd.chip.report(PARAVISOR, sha256(runtime).digest() + bytes(32)).raw
        return hcl_report(Kind.SEV_SNP, hardware, runtime)

    state = tmp_path / "state"
    state.mkdir()
    with swtpm.running(state) as tcti:
        monkeypatch.setenv("TPM2TOOLS_TCTI", tcti)
        swtpm.set_up(tmp_path, report)
        metadata = FakeMetadata(FakeTools(on_chip(amd.chip, PARAVISOR)), amd)
        yield AzureVtpmDevice(tmp_path, fetch=metadata)


def test_evidence_of_a_software_tpm_is_genuine_and_bound_to_what_was_asked(
    machine: AzureVtpmDevice, check_azure: Callable[..., Verification]
) -> None:
    assert "" == machine.usable()

    evidence = machine.issue(DATA)

    assert check_azure(evidence, Bound(DATA, "these bytes")).genuine
    assert not check_azure(evidence, Bound(bytes(64), "others")).genuine


def test_what_is_measured_into_the_registers_is_in_the_next_evidence(
    machine: AzureVtpmDevice, check_azure: Callable[..., Verification]
) -> None:
    before = check_azure(machine.issue(DATA), Bound(DATA, "these bytes"))
    image = sha256(b"a kernel image").digest()

    swtpm.tool("tpm2_pcrextend", f"11:sha256={image.hex()}")
    after = check_azure(machine.issue(DATA), Bound(DATA, "these bytes"))

    assert (True, True) == (before.genuine, after.genuine)
    assert bytes(32) == before.claims.measurements["pcr11"]
    assert sha256(bytes(32) + image).digest() == after.claims.measurements["pcr11"]


def test_a_key_of_another_tpm_is_not_the_one_that_the_hardware_reports(
    machine: AzureVtpmDevice, check_azure: Callable[..., Verification], tmp_path: Path
) -> None:
    genuine = machine.issue(DATA)
    swtpm.tool("tpm2_evictcontrol", "-C", "o", "-c", "0x81000003")
    swtpm.make_key(tmp_path, "e")

    refused = check_azure(machine.issue(DATA), Bound(DATA, "these bytes"))

    assert not refused.genuine
    assert "azure-vtpm.quote-signature" in {check.name for check in refused.checks if check.status == "failed"}
    assert check_azure(genuine, Bound(DATA, "these bytes")).genuine


def test_a_tpm_without_the_report_is_not_azures(machine: AzureVtpmDevice) -> None:
    swtpm.tool("tpm2_nvundefine", "-C", "o", "0x01400001")

    assert "no HCL report in the vTPM: tpm2_nvread" in machine.usable()
    with pytest.raises(NoDevice, match="tpm2_nvread: expected exit status 0"):
        machine.issue(DATA)
