"""`enclasp manifest sign|verify-signature`."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pki.keys import private_pem, public_pem
from tests.cli.conftest import Enclasp


@pytest.fixture
def signed(enclasp: Enclasp, tmp_path: Path) -> Path:
    """A folder with a manifest, a key pair and a signature."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "alice.key").write_bytes(private_pem(key))
    (tmp_path / "alice.pem").write_bytes(public_pem(key.public_key()))
    (tmp_path / "m.yaml").write_text("Packages: {}\n")
    ended = enclasp("manifest", "sign", tmp_path / "m.yaml", "--key", tmp_path / "alice.key", "--out", tmp_path / "sig")
    assert ended.code == 0
    return tmp_path


def arguments(folder: Path) -> tuple[str | Path, ...]:
    files = ("--signature", folder / "sig", "--certificate", folder / "alice.pem")
    return ("manifest", "verify-signature", folder / "m.yaml", *files)


def test_a_signed_manifest_verifies(enclasp: Enclasp, signed: Path) -> None:
    ended = enclasp(*arguments(signed), "-o", "json")
    assert (0, True) == (ended.code, ended.document["valid"])
    assert "is signed by key" in enclasp(*arguments(signed)).text


def test_another_manifest_is_exit_code_5(enclasp: Enclasp, signed: Path) -> None:
    (signed / "m.yaml").write_text("Packages: {} # changed\n")
    ended = enclasp(*arguments(signed))
    assert (5, b"", True) == (ended.code, ended.out, "error[E018]" in ended.err)


def test_another_signer_is_exit_code_4(enclasp: Enclasp, signed: Path) -> None:
    (signed / "alice.pem").write_bytes(public_pem(ec.generate_private_key(ec.SECP256R1()).public_key()))
    assert enclasp(*arguments(signed)).code == 4


def test_a_changed_signature_is_exit_code_4(enclasp: Enclasp, signed: Path) -> None:
    document = json.loads((signed / "sig").read_text())
    document["fingerprint"] = "00" * 32
    (signed / "sig").write_text(json.dumps(document))
    assert enclasp(*arguments(signed)).code == 4


def test_unreadable_keys_and_signatures_are_invalid_input(enclasp: Enclasp, signed: Path) -> None:
    (signed / "sig").write_text("x")
    assert enclasp(*arguments(signed)).code == 3
    (signed / "alice.key").write_text("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
    ended = enclasp("manifest", "sign", signed / "m.yaml", "--key", signed / "alice.key")
    assert (3, False) == (ended.code, "secret" in ended.err)
