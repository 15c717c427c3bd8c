"""Who may set the first manifest, where the coordinator's configuration says so."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.simulation.folder import create
from coordinator.cli.main import run
from coordinator.config import ConfigInvalid, load
from coordinator.setters import ANYONE, SettersInvalid, parse_setters
from tests.compat.test_rest_contract import MANIFEST, curl
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person

TOKEN = "a token that only the deployer knows"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return person(tmp_path_factory.mktemp("people"), "deployer")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return person(tmp_path_factory.mktemp("people"), "other", kind="ed25519")


def test_without_keys_and_token_anyone_may() -> None:
    assert parse_setters(b"", "") == ANYONE
    assert ANYONE.include(None, "")


def test_a_key_or_the_token_is_enough_and_nothing_else(deployer: Person, other: Person) -> None:
    both = parse_setters(deployer.certificate.read_bytes(), DIGEST)
    assert both.include(deployer.der, "")
    assert both.include(None, TOKEN)
    assert both.include(other.der, TOKEN)
    assert not both.include(other.der, "")
    assert not both.include(None, "")
    assert not both.include(None, DIGEST)
    only_key = parse_setters(other.certificate.read_bytes() + deployer.certificate.read_bytes(), "")
    assert only_key.include(other.der, "")
    assert only_key.include(deployer.der, "")
    assert not only_key.include(None, "")


@pytest.mark.parametrize(
    ("pem", "token"),
    [
        (b"no PEM", ""),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", ""),
        (b"", "abc"),
        (b"", DIGEST.upper()),
    ],
)
def test_what_names_nobody_is_refused_rather_than_letting_anyone_in(pem: bytes, token: str) -> None:
    with pytest.raises(SettersInvalid):
        parse_setters(pem, token)


@given(st.binary(max_size=200))
def test_no_certificate_makes_the_check_fail_in_any_other_way(leaf: bytes) -> None:
    assert not parse_setters(b"", DIGEST).include(leaf, "")


def test_the_environment_cannot_bring_a_manifest_past_it() -> None:
    toml = f'claim_token_sha256 = "{DIGEST}"\n'.encode()
    with pytest.raises(ConfigInvalid, match="it cannot come from the environment"):
        load(toml, {"EDG_STARTUP_MANIFEST": "/host/manifest.json"})
    assert "/image/manifest.json" == load(toml + b'startup_manifest = "/image/manifest.json"\n', {}).startup_manifest


@pytest.fixture
def guarded(tmp_path: Path, deployer: Person) -> Iterator[CoordinatorProcess]:
    settings = tmp_path / "coordinator.toml"
    settings.write_text(f'setters = "{deployer.certificate}"\nclaim_token_sha256 = "{DIGEST}"\n')
    running = start(tmp_path / "dev", "--config", str(settings))
    yield running
    running.kill()


def test_over_the_wire_only_a_setter_sets_it_and_replaces_what_waits_for_recovery(
    guarded: CoordinatorProcess, deployer: Person, other: Person, tmp_path: Path
) -> None:
    address = guarded.client_address
    for shown in ((), other.curl, ("-H", "Authorization: Bearer wrong")):
        v1 = curl(address, "/manifest", *shown, body=MANIFEST)
        v2 = curl(address, "/api/v2/manifest", *shown, body=json.dumps({"manifest": ""}).encode())
        assert (401, 401, "U560", "fail") == (v1.status, v2.status, v1.json()["message"][:4], v2.json()["status"])
    assert 200 == curl(address, "/manifest", *deployer.curl, body=MANIFEST).status
    guarded.kill()
    (guarded.folder / "simulation").rename(tmp_path / "gone")
    create(guarded.folder / "simulation")
    again = start(guarded.folder, "--config", str(tmp_path / "coordinator.toml"))
    try:
        assert 401 == curl(again.client_address, "/manifest", body=MANIFEST).status
        manifest, token = tmp_path / "manifest.json", tmp_path / "token"
        manifest.write_bytes(MANIFEST)
        token.write_text(TOKEN + "\n")
        flags = ("--insecure", "--replace", "--quiet")
        assert 7 == run(["manifest", "set", str(manifest), again.client_address, *flags])
        command = ["manifest", "set", str(manifest), again.client_address, *flags, "--claim-token-file", str(token)]
        assert 0 == run(command)
        assert 3 == curl(again.client_address, "/status").json()["data"]["StatusCode"]
        assert TOKEN not in again.log
    finally:
        again.kill()
