"""The rows of the contract about recovery (1.9, 1.12, 5.3), asked with curl; owners decrypt and sign with openssl."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from attestation.simulation.folder import create
from attestation.simulation.measure import measure_program
from tests.compat.test_rest_contract import Answer, curl
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.owners import OwnerOfShare, b64, owner

OAEP = ("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256")


def openssl(*arguments: str, stdin: bytes) -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, timeout=30, check=True).stdout


def opened(one: OwnerOfShare, envelope: str) -> bytes:
    """The plain share, as an owner with openssl gets it."""
    return openssl("pkeyutl", "-decrypt", "-inkey", str(one.key), *OAEP, stdin=base64.b64decode(envelope))


def signed(one: OwnerOfShare, share: bytes) -> bytes:
    """RSA PKCS#1 v1.5 over SHA-256 of the plain share (contract 1.12, 2)."""
    return openssl("dgst", "-sha256", "-sign", str(one.key), stdin=share)


def submit(address: str, secret: bytes, signature: bytes) -> Answer:
    body = {"recoverySecret": b64(secret), "recoverySecretSignature": b64(signature)}
    return curl(address, "/api/v2/recover", body=json.dumps(body).encode())


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnerOfShare]:
    folder = tmp_path_factory.mktemp("owners")
    return {name: owner(folder, name) for name in ("legal", "ops")}


def manifest(owners: dict[str, OwnerOfShare]) -> bytes:
    package = {"TDX": {"MRTD": measure_program([__file__]).mrtd.hex()}}
    keys = {name: one.pem for name, one in owners.items()}
    document = {"Packages": {"p": package}, "Marbles": {"m": {"Package": "p"}}, "RecoveryKeys": keys}
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def waiting(
    tmp_path_factory: pytest.TempPathFactory, owners: dict[str, OwnerOfShare]
) -> Iterator[tuple[CoordinatorProcess, dict[str, str]]]:
    """A coordinator of both owners whose machine is another one now, and their encrypted shares."""
    folder = tmp_path_factory.mktemp("coordinator") / "dev"
    running = start(folder)
    body = json.dumps({"manifest": b64(manifest(owners))}).encode()
    shares = curl(running.client_address, "/api/v2/manifest", body=body).json()["data"]["RecoverySecrets"]
    running.kill()
    (folder / "simulation").rename(folder / "gone")
    create(folder / "simulation")
    running = start(folder)
    yield running, shares
    running.kill()


def test_1_9_each_owner_gets_a_share_encrypted_with_oaep_and_of_the_contracts_length(
    waiting: tuple[CoordinatorProcess, dict[str, str]], owners: dict[str, OwnerOfShare]
) -> None:
    _, shares = waiting
    assert ["legal", "ops"] == list(shares)
    for name, one in owners.items():
        assert 256 == len(base64.b64decode(shares[name]))
        assert 32 == len(opened(one, shares[name])), "all of n: 32 bytes each"


def test_1_9_v1_answers_the_same_secrets(
    fresh_coordinator: CoordinatorProcess, owners: dict[str, OwnerOfShare]
) -> None:
    data = curl(fresh_coordinator.client_address, "/manifest", body=manifest({"ops": owners["ops"]})).json()["data"]
    assert ["RecoverySecrets"] == list(data)
    assert 32 == len(opened(owners["ops"], data["RecoverySecrets"]["ops"])), "a single owner: 32 bytes"


def test_1_4_v1_recover_is_gone(waiting: tuple[CoordinatorProcess, dict[str, str]]) -> None:
    answer = curl(waiting[0].client_address, "/recover", body=b"anything")
    assert (410, "error") == (answer.status, answer.json()["status"])


def test_1_12_outside_recovery_lengths_of_plain_shares_are_500_and_others_400(
    fresh_coordinator: CoordinatorProcess,
) -> None:
    address = fresh_coordinator.client_address
    assert {16: 500, 32: 500, 33: 500, 31: 400, 0: 400, 512: 400} == {
        length: submit(address, bytes(length), b"s").status for length in (16, 32, 33, 31, 0, 512)
    }
    assert "fail" == submit(address, bytes(31), b"s").json()["status"]
    assert (500, "error") == (lambda a: (a.status, a.json()["status"]))(curl(address, "/api/v2/recover/public-key"))
    assert 500 == curl(address, "/api/v2/recovery").status


def test_1_12_the_whole_body_has_at_most_20480_bytes(waiting: tuple[CoordinatorProcess, dict[str, str]]) -> None:
    assert 413 == curl(waiting[0].client_address, "/api/v2/recover", body=b" " * 20_481).status
    answer = curl(waiting[0].client_address, "/api/v2/recover", body=b" " * 20_480)
    assert (400, "fail") == (answer.status, answer.json()["status"])


def test_1_12_before_the_public_key_was_asked_for_nothing_encrypted_is_taken(
    waiting: tuple[CoordinatorProcess, dict[str, str]],
) -> None:
    answer = submit(waiting[0].client_address, bytes(512), b"s")
    assert (400, "fail") == (answer.status, answer.json()["status"])


@pytest.mark.parametrize("length", [16, 32, 33])
def test_1_12_an_unknown_share_is_500_and_locks_nobody_out(
    waiting: tuple[CoordinatorProcess, dict[str, str]], length: int
) -> None:
    answer = submit(waiting[0].client_address, bytes(length), b"s")
    assert (500, "error") == (answer.status, answer.json()["status"])


def test_1_12_plain_and_encrypted_shares_recover_with_the_old_root_key(
    waiting: tuple[CoordinatorProcess, dict[str, str]], owners: dict[str, OwnerOfShare], tmp_path: Path
) -> None:
    running, shares = waiting
    address = running.client_address
    legal, ops = (opened(owners[name], shares[name]) for name in ("legal", "ops"))
    first = submit(address, legal, signed(owners["legal"], legal))
    assert (200, 1) == (first.status, first.json()["data"]["remaining"])
    assert ["remaining", "message"] == list(first.json()["data"])
    assert 500 == submit(address, legal, signed(owners["legal"], legal)).status, "a repeated share"

    data: dict[str, Any] = curl(address, "/api/v2/recover/public-key").json()["data"]
    assert ["algorithm", "ephemeralPublicKey"] == list(data)
    spki = base64.b64decode(data["ephemeralPublicKey"])
    key = load_der_public_key(spki)
    assert ("RSA", 4096) == (data["algorithm"], key.key_size)  # type: ignore[union-attr]
    assert data == curl(address, "/api/v2/recover/public-key").json()["data"], "kept until the recovery is over"
    pem = tmp_path / "ephemeral.pem"
    pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    encrypted = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", str(pem), *OAEP, stdin=ops)
    assert 500 == submit(address, encrypted, signed(owners["legal"], ops)).status, "signed by somebody else"
    last = submit(address, encrypted, signed(owners["ops"], ops))
    assert (200, 0) == (last.status, last.json()["data"]["remaining"]), last.body
    assert 3 == curl(address, "/status").json()["data"]["StatusCode"]
    fingerprint = hashlib.sha256(manifest(owners)).hexdigest()
    assert fingerprint == curl(address, "/manifest").json()["data"]["ManifestSignature"]


def test_1_12_a_manifest_without_recovery_keys_cannot_be_recovered(tmp_path: Path) -> None:
    running = start(tmp_path / "dev")
    try:
        assert 200 == curl(running.client_address, "/manifest", body=manifest({})).status
        running.kill()
        (running.folder / "simulation").rename(running.folder / "gone")
        create(running.folder / "simulation")
        running = start(tmp_path / "dev")
        answer = submit(running.client_address, bytes(32), b"s")
        assert (500, "R421") == (answer.status, answer.json()["message"][:4])
    finally:
        running.kill()
