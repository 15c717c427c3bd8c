"""`enclasp kubernetes reference`: what it writes is what `verify --reference` takes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.init_data import FIELDS, make_init_data, to_annotation
from attestation.kinds import Kind
from marble.reference import parse_reference
from tests.attestation.test_sigstruct import signed
from tests.cli.conftest import Enclasp, Ended
from tests.support.coordinator_process import CoordinatorProcess, start

TOLD = make_init_data({"policy.rego": "package agent_policy\n"})
MRTD = "11" * 48


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "initdata.toml").write_bytes(TOLD.document)
    (tmp_path / "annotation").write_text(to_annotation(TOLD))
    (tmp_path / "tdx.yaml").write_text(f"# of the guest image\nTDX:\n  MRTD: '{MRTD}'\n")
    (tmp_path / "snp.json").write_text(json.dumps({"SEVSNP": {"Measurement": MRTD}}))
    key = rsa.generate_private_key(public_exponent=3, key_size=3072)
    (tmp_path / "enclave.sig").write_bytes(signed(key))
    return tmp_path


def reference(enclasp: Enclasp, *arguments: str | Path) -> Ended:
    return enclasp("kubernetes", "reference", *arguments)


@pytest.mark.parametrize("init_data", ["initdata.toml", "annotation"])
@pytest.mark.parametrize(("platform", "guest"), [("tdx", "tdx.yaml"), ("sev-snp", "snp.json")])
def test_what_a_machine_is_told_is_added_to_what_its_image_is_measured_as(
    enclasp: Enclasp, files: Path, platform: str, guest: str, init_data: str
) -> None:
    done = reference(enclasp, "--platform", platform, "--guest", files / guest, "--init-data", files / init_data)
    field = FIELDS[Kind(platform)]
    assert f'  {field.key}: "{TOLD.digest(field.length).hex()}"\n' in done.text
    assert MRTD in done.text
    (values,) = parse_reference(done.out, name="written")
    assert Kind(platform) is values.kind


def test_without_init_data_it_says_what_nobody_pins(enclasp: Enclasp, files: Path) -> None:
    done = reference(enclasp, "--platform", "tdx", "--guest", files / "tdx.yaml")
    assert (0, True) == (done.code, "whoever starts it chooses" in done.err)
    pinned = files / "pinned.yaml"
    pinned.write_bytes(done.out + f"  MRConfigID: '{'22' * 48}'\n".encode())
    assert "whoever starts it" not in reference(enclasp, "--platform", "tdx", "--guest", pinned).err


def test_an_enclaves_signature_is_enough(enclasp: Enclasp, files: Path) -> None:
    build = reference(enclasp, "--platform", "sgx", "--sigstruct", files / "enclave.sig", "-o", "json").document
    assert ["MRENCLAVE"] == list(build["SGX"])
    signer = reference(enclasp, "--platform", "sgx", "--sigstruct", files / "enclave.sig", "--signer", "-o", "json")
    assert {"MRSIGNER", "ISVProdID", "ISVSVN"} == signer.document["SGX"].keys()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--platform", "tdx"), 2, "expected --guest FILE, or --simulation"),
        (("--platform", "sgx"), 2, "expected --sigstruct FILE, or --simulation"),
        (("--platform", "sgx", "--guest", "tdx.yaml"), 2, "--guest means nothing on sgx"),
        (("--platform", "tdx", "--simulation", "--guest", "tdx.yaml"), 2, "means nothing with --simulation"),
        (("--platform", "sgx", "--simulation", "--init-data", "initdata.toml"), 2, "means nothing with --simulation"),
        (("--platform", "tdx", "--guest", "tdx.yaml", "--signer"), 2, "--signer is for --sigstruct"),
        (("--platform", "sev-snp", "--guest", "tdx.yaml"), 3, "expected the section SEVSNP alone, got TDX"),
        (("--platform", "tdx", "--guest", "initdata.toml"), 3, "expected reference values in JSON or plain YAML"),
        (("--platform", "tdx", "--guest", "other.yaml", "--init-data", "initdata.toml"), 3, "K697"),
        (("--platform", "tdx", "--guest", "tdx.yaml", "--init-data", "tdx.yaml"), 3, "K693"),
        (("--platform", "tdx", "--guest", "empty.yaml"), 3, "U506"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    enclasp: Enclasp, files: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (files / "other.yaml").write_text(f"TDX:\n  MRTD: '{MRTD}'\n  MRConfigID: '{'22' * 48}'\n")
    (files / "empty.yaml").write_text("TDX:\n  RTMR0: '" + "22" * 48 + "'\n")
    given = [str(files / each) if (files / each).exists() else each for each in arguments]
    done = reference(enclasp, *given)
    assert (code, True) == (done.code, words in done.err), done.err


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorProcess]:
    """On a simulated TDX machine whose host told it something at launch."""
    folder = tmp_path_factory.mktemp("reference") / "dev"
    document = folder.parent / "initdata.toml"
    document.write_bytes(TOLD.document)
    running = start(folder, ENCLASP_SIMULATION_HOST_DATA=TOLD.digest(64).hex(), ENCLASP_INIT_DATA=str(document))
    yield running
    running.stop()


def verify(enclasp: Enclasp, running: CoordinatorProcess, written: Path) -> Ended:
    trust = ("--trust", running.trust, "--collateral", running.collateral)
    return enclasp("verify", running.client_address, "--reference", written, *trust)


def test_a_coordinator_is_verified_by_it_and_one_that_was_told_something_else_is_refused(
    enclasp: Enclasp, files: Path, coordinator: CoordinatorProcess
) -> None:
    guest, good, bad = files / "simulated.yaml", files / "good.yaml", files / "bad.yaml"
    assert 0 == reference(enclasp, "--platform", "tdx", "--simulation", "--out", guest).code
    (files / "other.toml").write_bytes(make_init_data({}).document)
    for written, told in ((good, "initdata.toml"), (bad, "other.toml")):
        options = ("--guest", guest, "--init-data", files / told, "--out", written)
        assert 0 == reference(enclasp, "--platform", "tdx", *options).code
    accepted = verify(enclasp, coordinator, good)
    assert (0, True) == (accepted.code, "VERIFIED" in accepted.text), accepted.err
    assert "not measured: the init-data says nothing of it" in accepted.text
    refused = verify(enclasp, coordinator, bad)
    assert 4 == refused.code
    said = refused.text + refused.err
    expected, found = make_init_data({}).digest(48).hex(), TOLD.digest(48).hex()
    assert [] == [words for words in ("tdx.mrconfigid", expected, found) if words not in said], said
