"""Azure's evidence is collected with tpm2-tools and the metadata service, against stand-ins that answer as they do."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.azure_vtpm.device import AzureVtpmDevice
from attestation.binding import Bound
from attestation.errors import NoDevice
from attestation.kinds import Kind
from attestation.simulation.amd import SimulatedAmd
from attestation.simulation.azure import SimulatedAzureMachine, hcl_report, quote_message
from attestation.verification import Verification

DATA = bytes(range(64))


class FakeTools:
    """tpm2-tools on a simulated machine: the same options, the same files."""

    def __init__(self, machine: SimulatedAzureMachine) -> None:
        self.machine = machine
        self.fails = ""
        runtime = machine.runtime_data()
        self.hardware = machine.issue_hardware(sha256(runtime).digest() + bytes(32))
        self.td_report = bytes([0x54]) * 1024
        self.hcl = hcl_report(machine.kind, self.hardware if machine.kind is Kind.SEV_SNP else self.td_report, runtime)

    def __call__(self, command: Sequence[str]) -> None:
        if command[0] == self.fails:
            raise NoDevice(f"{self.fails}: expected exit status 0, got 1: out of memory for object contexts")
        options = dict(zip(command[1::2], command[2::2], strict=False))
        if command[0] == "tpm2_nvread":
            assert "0x01400001" == command[-1]
            Path(options["-o"]).write_bytes(self.hcl)
        elif command[0] == "tpm2_quote":
            assert ("0x81000003", "plain") == (options["-c"], options["-f"])
            assert ",".join(map(str, range(24))) == options["-l"].removeprefix("sha256:")
            pcrs = self.machine.all_pcrs()
            digest = sha256(b"".join(pcrs[number] for number in range(24))).digest()
            message = quote_message(bytes.fromhex(options["-q"]), tuple(range(24)), digest)
            Path(options["-m"]).write_bytes(message)
            signature = self.machine.attestation_key.sign(message, padding.PKCS1v15(), SHA256())
            Path(options["-s"]).write_bytes(signature)
        else:
            assert "tpm2_pcrread" == command[0]
            Path(command[-1]).write_bytes(b"".join(self.machine.all_pcrs().values()))


class FakeMetadata:
    """The two answers of the instance metadata service."""

    def __init__(self, tools: FakeTools, amd: SimulatedAmd) -> None:
        self.tools, self.amd = tools, amd

    def __call__(self, path: str, body: bytes | None) -> bytes:
        if path == "/acc/tdquote":
            asked = json.loads(body or b"")["report"]
            assert self.tools.td_report == base64.urlsafe_b64decode(asked + "=" * (-len(asked) % 4))
            return json.dumps({"quote": base64.urlsafe_b64encode(self.tools.hardware).rstrip(b"=").decode()}).encode()
        assert "/metadata/THIM/amd/certification" == path
        chain = self.amd.ask.public_bytes(Encoding.PEM) + self.amd.ark.public_bytes(Encoding.PEM)
        vcek = self.amd.chip.vcek.public_bytes(Encoding.PEM)
        return json.dumps({"vcekCert": vcek.decode(), "certificateChain": chain.decode(), "tcbm": "00"}).encode()


@pytest.mark.parametrize("kind", [Kind.SEV_SNP, Kind.TDX])
def test_what_is_collected_can_be_verified(
    kind: Kind,
    machines: Mapping[Kind, SimulatedAzureMachine],
    amd: SimulatedAmd,
    tmp_path: Path,
    check_azure: Callable[..., Verification],
) -> None:
    tools = FakeTools(machines[kind])
    device = AzureVtpmDevice(tmp_path, tools, FakeMetadata(tools, amd))

    evidence = device.issue(DATA)

    assert "" == device.usable()
    assert check_azure(evidence, Bound(DATA, "these bytes")).genuine
    assert not check_azure(evidence, Bound(bytes(64), "others")).genuine


@pytest.mark.parametrize("tool", ["tpm2_nvread", "tpm2_quote", "tpm2_pcrread"])
def test_a_tool_that_fails_is_named(
    tool: str, machines: Mapping[Kind, SimulatedAzureMachine], amd: SimulatedAmd, tmp_path: Path
) -> None:
    tools = FakeTools(machines[Kind.SEV_SNP])
    tools.fails = tool

    with pytest.raises(NoDevice, match=tool):
        AzureVtpmDevice(tmp_path, tools, FakeMetadata(tools, amd)).issue(DATA)


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]", b'{"vcekCert": "x", "certificateChain": "x"}', b'{"quote": 5}'])
@pytest.mark.parametrize("kind", [Kind.SEV_SNP, Kind.TDX])
def test_a_metadata_service_that_answers_otherwise_is_named(
    answer: bytes, kind: Kind, machines: Mapping[Kind, SimulatedAzureMachine], tmp_path: Path
) -> None:
    with pytest.raises(NoDevice, match=r"expected (certificates|a quote)"):
        AzureVtpmDevice(tmp_path, FakeTools(machines[kind]), lambda path, body: answer).issue(DATA)


def test_a_machine_without_vtpm_or_hcl_report_is_not_usable(
    machines: Mapping[Kind, SimulatedAzureMachine], amd: SimulatedAmd, tmp_path: Path
) -> None:
    tools = FakeTools(machines[Kind.SEV_SNP])
    tools.hcl = bytes(2600)

    assert "not there" in AzureVtpmDevice(tmp_path / "nothing", tools).usable()
    assert "no HCL report" in AzureVtpmDevice(tmp_path, tools).usable()
    with pytest.raises(NoDevice, match="expected 'HCLA'"):
        AzureVtpmDevice(tmp_path, tools).issue(DATA)
    with pytest.raises(ValueError, match="expected 64 bytes, got 3"):
        AzureVtpmDevice(tmp_path, tools).issue(b"abc")
