"""`enclasp manifest sign|verify-signature`."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pki.keys import private_pem, public_pem
from tests.cli.conftest import Enclasp
from tests.support.key_devices import PIN, command, import_key, key_on, token


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


OPENSSL = {
    "P-256": (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["dgst", "-sha256", "-sign"]),
    "P-384": (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], ["dgst", "-sha384", "-sign"]),
    "RSA": (
        ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        ["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sign"],
    ),
    "Ed25519": (["genpkey", "-algorithm", "ED25519"], ["pkeyutl", "-sign", "-rawin", "-inkey"]),
}


@pytest.mark.parametrize("kind", OPENSSL)
def test_a_signature_that_openssl_made_counts(enclasp: Enclasp, signed: Path, kind: str) -> None:
    make, sign = OPENSSL[kind]
    key, message, made = signed / "key", signed / "message", signed / "made"
    openssl(*make, "-out", str(key))
    openssl("pkey", "-in", str(key), "-pubout", "-out", str(signed / "alice.pem"))
    assert enclasp("manifest", "sign", signed / "m.yaml", "--message", "--out", message).code == 0
    source = ("-in", str(message)) if sign[0] == "pkeyutl" else (str(message),)
    openssl(*sign, str(key), "-out", str(made), *source)
    wrap = ("manifest", "sign", signed / "m.yaml", "--made", made, "--certificate", signed / "alice.pem")
    assert enclasp(*wrap, "--out", signed / "sig").code == 0
    assert enclasp(*arguments(signed)).code == 0
    made.write_bytes(made.read_bytes()[:-1] + b"x")
    ended = enclasp(*wrap)
    assert (4, b"", True) == (ended.code, ended.out, "error[E018]" in ended.err)


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def test_a_signature_in_the_form_of_tokens_counts(enclasp: Enclasp, signed: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    (signed / "alice.pem").write_bytes(public_pem(key.public_key()))
    message = enclasp("manifest", "sign", signed / "m.yaml", "--message").out
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
    (signed / "made").write_bytes(r.to_bytes(48, "big") + s.to_bytes(48, "big"))
    ended = enclasp(
        "manifest", "sign", signed / "m.yaml", "--made", signed / "made", "--certificate", signed / "alice.pem",
        "--out", signed / "sig",
    )  # fmt: skip
    assert ended.code == 0
    assert enclasp(*arguments(signed)).code == 0


def test_sign_takes_one_way_to_sign(enclasp: Enclasp, signed: Path) -> None:
    for options in ((), ("--message", "--key", signed / "alice.key"), ("--made", signed / "sig")):
        assert enclasp("manifest", "sign", signed / "m.yaml", *options).code == 2


@pytest.mark.parametrize("kind", OPENSSL)
def test_a_key_on_a_token_signs_there(enclasp: Enclasp, signed: Path, kind: str) -> None:
    pytest.importorskip("pkcs11", reason="needs python-pkcs11")
    environ, pin = token(signed / "hsm", "approver")
    make, _ = OPENSSL[kind]
    openssl(*make, "-out", str(signed / "key"))
    openssl("pkey", "-in", str(signed / "key"), "-pubout", "-out", str(signed / "alice.pem"))
    import_key(environ, "approver", signed / "key", "approvals")
    sign = ("manifest", "sign", signed / "m.yaml", "--certificate", signed / "alice.pem", "--out", signed / "sig")
    done = command(environ, *sign, *key_on("approver", "approvals", pin))
    assert (0, False) == (done.returncode, PIN in done.stderr), done.stderr
    assert enclasp(*arguments(signed)).code == 0
    absent = command(environ, *sign, *key_on("approver", "another", pin))
    assert (3, True) == (absent.returncode, "error[U561]" in absent.stderr), absent.stderr
    openssl(*make, "-out", str(signed / "other"))
    openssl("pkey", "-in", str(signed / "other"), "-pubout", "-out", str(signed / "alice.pem"))
    somebody_else = command(environ, *sign, *key_on("approver", "approvals", pin))
    assert (4, True) == (somebody_else.returncode, "error[E018]: PKCS#11 token 'approver'" in somebody_else.stderr)


def test_a_token_is_named_whole_and_with_whose_key_it_has(enclasp: Enclasp, signed: Path) -> None:
    sign = ("manifest", "sign", signed / "m.yaml")
    without = enclasp(*sign, *key_on("approver", "approvals", signed / "pin"))
    assert (2, True) == (without.code, "with --certificate" in without.err)
    half = enclasp(*sign, "--pkcs11-token", "approver", "--certificate", signed / "alice.pem")
    assert (2, True) == (half.code, "--pkcs11-pin-file" in half.err)
