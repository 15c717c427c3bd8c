"""Secrets by the command line, against a real coordinator process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.cli.conftest import Enclasp
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person


@dataclass
class Deployed:
    running: CoordinatorProcess
    alice: Person
    bob: Person

    def as_(self, who: Person) -> tuple[str, ...]:
        files = (self.running.reference, self.running.trust, self.running.collateral)
        named = zip(("--reference", "--trust", "--collateral"), map(str, files), strict=True)
        return (*(part for pair in named for part in pair), *who.flags)

    @property
    def endpoint(self) -> str:
        return self.running.client_address


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("secrets")
    running = start(folder / "dev")
    yield Deployed(running, person(folder, "alice"), person(folder, "bob", kind="ed25519"))
    running.kill()


@pytest.fixture
def deployed(running: Deployed, enclasp: Enclasp, tmp_path: Path) -> Deployed:
    """alice may read and write every secret, bob may read `password`; the first test that asks sets the manifest."""
    names = ["password", "key", "site"]
    document = {
        "Packages": {"p": {"TDX": {"MRTD": "ab" * 48}}},
        "Marbles": {"m": {"Package": "p"}},
        "Secrets": {
            "password": {"Type": "plain", "UserDefined": True},
            "key": {"Type": "symmetric-key", "Size": 128, "UserDefined": True},
            "site": {"Type": "cert-ecdsa", "Size": 256, "UserDefined": True},
        },
        "Users": {"alice": running.alice.entry("all"), "bob": running.bob.entry("one")},
        "Roles": {
            "all": {"ResourceType": "Secrets", "ResourceNames": names, "Actions": ["ReadSecret", "WriteSecret"]},
            "one": {"ResourceType": "Secrets", "ResourceNames": ["password"], "Actions": ["ReadSecret"]},
        },
    }
    if enclasp("status", running.endpoint, "-o", "json").document["code"] == 2:
        file = tmp_path / "manifest.json"
        file.write_text(json.dumps(document))
        flags = running.as_(running.alice)[:6]
        assert enclasp("manifest", "set", file, running.endpoint, *flags).code == 0
    return running


def test_a_file_becomes_the_value_byte_for_byte_and_comes_back(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    value = b"correct \xff horse\n"
    (tmp_path / "password").write_bytes(value)
    as_alice, as_bob = deployed.as_(deployed.alice), deployed.as_(deployed.bob)
    ended = enclasp("secret", "set", tmp_path / "password", "--name", "password", deployed.endpoint, *as_alice)
    assert (0, "set: password") == (ended.code, ended.text.strip())
    out = tmp_path / "out"
    ended = enclasp("secret", "get", "password", deployed.endpoint, *as_bob, "--raw", "--out", out)
    assert (0, value) == (ended.code, out.read_bytes())
    assert 0o600 == out.stat().st_mode & 0o777
    log = enclasp("manifest", "log", deployed.endpoint, *as_alice[:6], "-o", "json").document["log"]
    entry = log[-1]
    assert ("secret set", "alice", "password", "plain") == (
        entry["update"],
        entry["user"],
        entry["secret"],
        entry["type"],
    )
    assert (
        "secret set, user alice, secret password" in enclasp("manifest", "log", deployed.endpoint, *as_alice[:6]).text
    )


def test_certificate_and_key_are_set_from_pem_and_read_as_pem(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    as_alice = deployed.as_(deployed.alice)
    both = tmp_path / "site.pem"
    sec1 = load_pem_private_key(deployed.alice.key.read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    both.write_bytes(b"a remark\n" + sec1 + deployed.alice.pem.encode())
    assert enclasp("secret", "set", both, deployed.endpoint, "--from-pem", "site", *as_alice).code == 0
    read = enclasp("secret", "get", "site", deployed.endpoint, "--raw", *as_alice)
    assert read.text == deployed.alice.pem + deployed.alice.key.read_text()


def test_several_secrets_are_set_from_json_all_or_none(enclasp: Enclasp, deployed: Deployed, tmp_path: Path) -> None:
    as_alice = deployed.as_(deployed.alice)
    file = tmp_path / "secrets.json"
    file.write_text('{"password": {"Key": "b25l"}, "key": {"Key": "c2hvcnQ="}}')
    ended = enclasp("secret", "set", file, deployed.endpoint, *as_alice)
    assert (3, True) == (ended.code, "error[U522]" in ended.err)
    file.write_text('{"password": {"Key": "b25l"}, "key": {"Key": "AAECAwQFBgcICQoLDA0ODw=="}}')
    assert enclasp("secret", "set", file, deployed.endpoint, *as_alice).code == 0
    read = enclasp("secret", "get", "password", "key", deployed.endpoint, *as_alice, "-o", "json").document
    assert ("b25l", "AAECAwQFBgcICQoLDA0ODw==") == (
        read["secrets"]["password"]["Private"],
        read["secrets"]["key"]["Private"],
    )
    assert "password: plain\n  Private  b25l" in enclasp("secret", "get", "password", deployed.endpoint, *as_alice).text


def test_who_may_not_is_told_so_and_who_is_unknown_has_his_own_exit_code(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    refused = enclasp("secret", "get", "key", deployed.endpoint, *deployed.as_(deployed.bob))
    assert (7, True) == (refused.code, "error[U521]" in refused.err)
    stranger = enclasp("secret", "get", "key", deployed.endpoint, *deployed.as_(person(tmp_path, "stranger")))
    assert (7, True) == (stranger.code, "error[U520]" in stranger.err)


def test_files_that_show_nobody_are_refused_before_anything_is_sent(
    enclasp: Enclasp, deployed: Deployed, tmp_path: Path
) -> None:
    flags = deployed.as_(deployed.alice)[:6]
    crossed = ("--user-cert", deployed.alice.certificate, "--user-key", deployed.bob.key)
    encrypted = tmp_path / "encrypted.key"
    key = load_pem_private_key(deployed.alice.key.read_bytes(), None)
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    for pair in (
        crossed,
        ("-c", deployed.alice.certificate, "-k", tmp_path / "absent"),
        ("-c", deployed.alice.certificate, "-k", encrypted),
    ):
        ended = enclasp("secret", "get", "key", deployed.endpoint, *flags, *pair)
        assert (3, True) == (ended.code, "error[N308]" in ended.err)
    ended = enclasp("secret", "get", "key", deployed.endpoint, *flags, "-c", deployed.alice.certificate)
    assert (2, True) == (ended.code, "--user-key" in ended.err)


def test_what_is_no_input_is_said(enclasp: Enclasp, deployed: Deployed, tmp_path: Path) -> None:
    as_alice = deployed.as_(deployed.alice)
    file = tmp_path / "x"
    file.write_text("[]")
    for options in ((), ("--from-pem", "site")):
        assert enclasp("secret", "set", file, deployed.endpoint, *options, *as_alice).code == 3
    both = ("--name", "a", "--from-pem", "b")
    assert enclasp("secret", "set", file, deployed.endpoint, *both, *as_alice).code == 2
    assert enclasp("secret", "get", "key", "site", deployed.endpoint, "--raw", *as_alice).code == 2
