"""Every command under `-o json`: one JSON document on stdout or nothing; a refusal is one on stderr, with a code."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coordinator.codes import MESSAGES
from tests.cli.conftest import Enclasp, Ended
from tests.cli.test_main import COMMANDS
from tests.support.coordinator_process import start

ROOT = Path(__file__).parents[2]
REPORTING = {
    " ".join(path): command
    for path, command in COMMANDS.items()
    if any("--output" in parameter.opts for parameter in command.params)
}
NEEDS_A_CLUSTER = {"kubernetes check", "kubernetes install", "kubernetes uninstall"}
NEEDS_A_VENDOR = {"collateral fetch"}
"""Their success is tested where the other side is: tests/kubernetes, tests/cli/test_collateral.py."""
NEVER_REFUSE = {"version", "doctor", "manifest schema"}
NOTHING_HAS_TO_BE_THERE = {"simulate vendor new", "kubernetes init-data"}


def one_document(text: str | bytes) -> object:
    return json.loads(text)


def refused_as_promised(ended: Ended) -> None:
    """Whatever is on stdout is a document; stderr is one with the error."""
    assert ended.out == b"" or one_document(ended.out) is not None
    error = one_document(ended.err)
    assert isinstance(error, dict)
    assert {"error"} == set(error)
    assert error["error"]["code"] in MESSAGES, error
    assert error["error"]["message"]


@pytest.mark.parametrize("command", REPORTING)
def test_a_wrong_command_line_is_a_document_too(enclasp: Enclasp, command: str) -> None:
    ended = enclasp(*command.split(), "--no-such-option", "-o", "json")
    assert 2 == ended.code
    assert b"" == ended.out
    refused_as_promised(ended)
    assert one_document(ended.err)["error"]["code"] == "U510"  # type: ignore[index]


@pytest.mark.parametrize(
    "arguments", [("-ojson",), ("--output=json",), ("--output", "yaml"), ("-o", "table", "-o", "json")]
)
def test_each_way_to_write_it_counts(enclasp: Enclasp, arguments: tuple[str, ...]) -> None:
    refused_as_promised(enclasp("status", *arguments))


def test_what_stands_behind_two_dashes_is_another_programs(enclasp: Enclasp) -> None:
    assert "Usage: " in enclasp("status", "--nope", "--", "-o", "json").err


def given(command: click.Command, absent: str) -> Iterator[str]:
    """Arguments that are complete, and name what is not there."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            if parameter.required:
                yield parameter.opts[0]
                yield parameter.type.choices[0] if isinstance(parameter.type, click.Choice) else absent
        else:
            yield "localhost:1" if "ENDPOINT" == parameter.make_metavar(click.Context(command)) else absent


@pytest.mark.parametrize("command", sorted(set(REPORTING) - NEVER_REFUSE - NOTHING_HAS_TO_BE_THERE))
def test_what_is_not_there_is_refused_as_a_document(
    enclasp: Enclasp, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ENCLASP_SIMULATION", "ENCLASP_COORDINATOR_REFERENCE", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = enclasp(*command.split(), "--quiet", "-o", "json", *given(REPORTING[command], "absent/file"))
    assert ended.code not in (0, 1), ended
    refused_as_promised(ended)


def person(folder: Path, name: str) -> str:
    """A key and a certificate as `name.key` and `name.pem`; the latter as a manifest has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for ending, raw in (("key", private), ("pem", pem), ("pub", public)):
        (folder / f"{name}.{ending}").write_bytes(raw)
    return pem.decode()


def law(folder: Path, greeting: str) -> str:
    people = {name: (folder / f"{name}.pem").read_text() for name in ("alice", "bob", "carol")}
    keys = {name: (folder / f"{name}.pub").read_text() for name in ("alice", "bob")}
    document = {
        "Packages": {"web": {"TDX": {"MRTD": "ab" * 48}}},
        "Marbles": {"web": {"Package": "web", "MaxActivations": 3, "Parameters": {"Env": {"GREETING": greeting}}}},
        "Secrets": {
            "word": {"Type": "plain", "UserDefined": True},
            "master": {"Type": "symmetric-key", "Size": 128, "Shared": True, "ReadApproval": {"Threshold": 2}},
        },
        "Users": {
            "alice": {"Certificate": people["alice"], "Roles": ["updater", "keeper", "reader"]},
            "bob": {"Certificate": people["bob"], "Roles": ["updater", "approver"]},
            "carol": {"Certificate": people["carol"], "Roles": ["approver"]},
        },
        "Roles": {
            "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "keeper": {"ResourceType": "Secrets", "ResourceNames": ["word"], "Actions": ["ReadSecret", "WriteSecret"]},
            "reader": {"ResourceType": "Secrets", "ResourceNames": ["master"], "Actions": ["ReadSecret"]},
            "approver": {"ResourceType": "Secrets", "ResourceNames": ["master"], "Actions": ["ApproveRead"]},
        },
        "RecoveryKeys": keys,
        "Config": {"UpdateThreshold": 2},
    }
    return json.dumps(document, indent=1)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("alice", "bob", "carol"):
        person(tmp_path, name)
    (tmp_path / "v1.json").write_text(law(tmp_path, "hello"))
    (tmp_path / "v2.json").write_text(law(tmp_path, "good morning"))
    (tmp_path / "v3.json").write_text(law(tmp_path, "good evening"))
    (tmp_path / "program.py").write_text("print(1)\n")
    (tmp_path / "coordinator.toml").write_text('dns_names = ["shop.example"]\n')
    (tmp_path / "secret.json").write_text(json.dumps({"word": {"Key": base64.b64encode(b"x").decode()}}))
    (tmp_path / "guest.yaml").write_text(f"TDX: {{MRTD: '{'cd' * 48}'}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


Step = Callable[..., object]

AT_A_DESK = """\
version
doctor
explain V130
completion bash
manifest schema
manifest init drafted.yaml --service web
manifest check v1.json
manifest explain v1.json
manifest graph v1.json
manifest build v1.json
manifest convert v1.json
manifest diff v1.json v2.json
manifest test v1.json
manifest measure -- python3 program.py
manifest sign v1.json --key alice.key
simulate measure -- python3 program.py
simulate vendor new vendors
simulate vendor issue --platform sev-snp -- vendors issued python3 program.py
evidence show issued
evidence verify issued --trust vendors/trust.pem
collateral show vendors/collateral.json
evidence collect
kubernetes objects v1.json
kubernetes reference --platform tdx --simulation
kubernetes init-data web
coordinator init-data coordinator.toml""".splitlines()


def with_coordinator(step: Step) -> None:
    """A manifest, its secrets and its update; what the owners of recovery keys do in good times; a backup."""
    alice, bob = (f"--user-cert {name}.pem --user-key {name}.key" for name in ("alice", "bob"))
    step("status")
    step("manifest set v1.json --recoverydata shares.json")
    for line in ("manifest get", "manifest log", "manifest verify v1.json", "verify --manifest v1.json", "marble list"):
        step(line)
    for which in ("root", "intermediate", "chain"):
        step(f"certificate {which}")
    step("manifest sign v1.json --key alice.key", out="alice.sig")
    step("manifest verify-signature v1.json --signature alice.sig --certificate alice.pem")

    step(f"secret set secret.json {alice}")
    step(f"secret get word {alice}")
    asked = step(f"secret request master --reason ticket {alice}")
    step("secret requests")
    step(f"secret approve {asked['id']} {bob}")  # type: ignore[index]
    step(f"secret requests --request {asked['id']}", out="request.json")  # type: ignore[index]
    step("secret sign request.json --key carol.key")
    step(f"secret withdraw {asked['id']} {alice}")  # type: ignore[index]

    step("manifest update plan v2.json")
    step(f"manifest update apply v2.json {alice}")
    step("manifest update pending")
    step(f"manifest update acknowledge v2.json {bob}")
    step(f"manifest update apply v3.json {alice}")
    step(f"manifest update cancel {alice}")

    step("recovery show")
    step("recovery shares")
    step("recovery verify-share shares.json --key alice.key")
    step("recovery rehearse shares.json --key alice.key")
    step("journal check dev")


def recover(step: Step, waiting: Path) -> None:
    """The machine was lost: one owner gives a share, the other one's is passed on."""
    waiting.write_text(json.dumps(step("recovery show")))
    step("recovery public-key")
    step("recovery public-key", out="coordinator.pub")
    step("recovery encrypt-share shares.json --key bob.key --coordinator-key coordinator.pub")
    step("recovery encrypt-share shares.json --key bob.key --coordinator-key coordinator.pub", out="bob.share")
    step(f"recovery sign-share shares.json --key bob.key --state {waiting}")
    step(f"recovery sign-share shares.json --key bob.key --state {waiting}", out="bob.sig")
    step("recover shares.json --key alice.key")
    step("recover-with-signature bob.share --signature bob.sig --for-state")


def approve(step: Step, waiting: Path) -> None:
    """The state was put back from a backup: its owners approve that it is served."""
    waiting.write_text(json.dumps(step("recovery show")))
    step(f"recovery sign-approval shares.json --key bob.key --state {waiting}")
    step("recovery approve shares.json --key alice.key")


def test_every_command_writes_one_document_when_it_succeeds(
    enclasp: Enclasp, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: set[str] = set()

    def step(line: str, *, out: str = "", code: int = 0) -> object:
        """One command line; the result on stdout, or in a file for the next step (as people write it, without -o)."""
        name = max((known for known in REPORTING if f"{line} ".startswith(f"{known} ")), key=len)
        head, dashes, tail = line.partition(" -- ")
        if out:
            assert code == (ended := enclasp(*head.split(), "--out", out, *dashes.split(), *tail.split())).code, ended
            return None
        ended = enclasp(*head.split(), "-o", "json", "--quiet", *dashes.split(), *tail.split())
        assert code == ended.code, (line, ended)
        assert "" == ended.err, (line, ended)
        done.add(name)
        try:
            return one_document(ended.out)
        except ValueError:
            raise AssertionError(f"{line}: no JSON: {ended.text[:200]!r}") from None

    monkeypatch.setenv("ENCLASP_SIMULATION", "vendors")
    for line in AT_A_DESK:
        step(line)
    monkeypatch.delenv("ENCLASP_SIMULATION")
    monkeypatch.setenv("ENCLASP_COORDINATOR_REFERENCE", "dev/reference.yaml")
    monkeypatch.setenv("ENCLASP_COORDINATOR_TRUST", "dev/simulation/trust.pem")
    monkeypatch.setenv("ENCLASP_COORDINATOR_COLLATERAL", "dev/simulation/collateral.json")
    running = start(files / "dev")
    try:
        monkeypatch.setenv("ENCLASP_COORDINATOR", running.client_address)
        with_coordinator(step)
        running.stop()
        (files / "dev" / "simulation").rename(files / "lost")
        running = start(files / "dev")
        monkeypatch.setenv("ENCLASP_COORDINATOR", running.client_address)
        recover(step, files / "waiting.json")
        step("journal backup dev backup.tar")
        running.stop()
        step("journal restore backup.tar dev --reason disk --replace")
        step("journal accept dev --reason disk")
        running = start(files / "dev")
        monkeypatch.setenv("ENCLASP_COORDINATOR", running.client_address)
        approve(step, files / "waiting.json")
    finally:
        running.kill()
    missing = set(REPORTING) - NEEDS_A_CLUSTER - NEEDS_A_VENDOR - done
    assert not missing, "a command line that succeeds belongs into AT_A_DESK or one of the stories here"
