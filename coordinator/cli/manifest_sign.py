"""`enclasp manifest sign|verify-signature`: detached signatures by the people who agree on a manifest."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.manifest.signature import ManifestSignature
    from pki.keys import PrivateKey, PublicKey


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", "key_file", type=FILE, help="The signer's private key: PEM, not encrypted.")
@click.option("--message", is_flag=True, help="Write the bytes to be signed instead, for openssl or a token.")
@click.option("--made", type=FILE, help="A signature of those bytes that was made elsewhere; with --certificate.")
@click.option("--certificate", type=FILE, help="The signer's certificate or public key, PEM; with --made.")
@reports
def sign(
    output: Output, file: Path, key_file: Path | None, message: bool, made: Path | None, certificate: Path | None
) -> None:
    """Sign the exact bytes of a manifest. The signature is a small document of its own.

    A key that stays elsewhere signs what --message writes, with SHA-256 (RSA: PSS with a salt of 32 bytes; P-384:
    SHA-384, P-521: SHA-512; Ed25519 as it is); --made makes the document of it.

    \b
    enclasp manifest sign manifest.yaml --key alice.key --out alice.sig
    enclasp manifest sign manifest.yaml --message --out message.bin
    enclasp manifest sign manifest.yaml --made signature.bin --certificate alice.pem --out alice.sig
    """
    from coordinator.manifest.signature import SignatureWrong, message_to_sign, sign_manifest, signed_elsewhere

    raw = read_input(file)
    if [key_file is not None, message, made is not None].count(True) != 1 or (made is None) != (certificate is None):
        raise click.UsageError("give --key, or --message, or --made with --certificate")
    _warn_of_errors(output, file, raw)
    if message:
        to_sign = message_to_sign(raw)
        output.result({"message": to_sign.hex()}, to_sign)
        return
    if key_file is not None:
        document = sign_manifest(raw, _private_key(key_file)).as_json()
    else:
        assert made is not None
        assert certificate is not None
        try:
            document = signed_elsewhere(raw, _public_key(certificate), read_input(made)).as_json()
        except SignatureWrong as cause:
            raise Problem(f"{made}: {cause}", exit_codes.REFUSED, "E018") from cause
    output.result(document, json.dumps(document, indent=2))


def _warn_of_errors(output: Output, file: Path, raw: bytes) -> None:
    """A signature is over any bytes; who signs what no coordinator takes should know."""
    from coordinator.manifest.errors import ManifestInvalid, Severity
    from coordinator.manifest.package_update import read_package_update
    from coordinator.manifest.parse import examine

    try:
        update = read_package_update(raw, name=str(file), compatible=True)
        findings = () if update else examine(raw, name=str(file), compatible=True).findings
    except ManifestInvalid as refused:
        findings = refused.findings
    if any(finding.severity is Severity.ERROR or finding.code == "E060" for finding in findings):
        output.remark(f"warning: {file} does not pass `enclasp manifest check`; it is signed as it is")


@click.command(name="verify-signature")
@click.argument("file", type=FILE)
@click.option("--signature", "signature_file", type=FILE, required=True, help="What `manifest sign` wrote.")
@click.option("--certificate", type=FILE, required=True, help="The signer's certificate or public key, PEM.")
@reports
def verify_signature(output: Output, file: Path, signature_file: Path, certificate: Path) -> None:
    """Say whether somebody signed exactly this manifest.

    \b
    enclasp manifest verify-signature manifest.yaml --signature alice.sig --certificate alice.pem
    enclasp manifest verify-signature manifest.yaml --signature alice.sig --certificate alice.pem -o json
    """
    import hashlib

    from coordinator.manifest.signature import SignatureWrong

    signature, digest = _signature(signature_file), hashlib.sha256(read_input(file)).digest()
    try:
        signature.verify(_public_key(certificate))
    except SignatureWrong as cause:
        raise Problem(f"{signature_file}: {cause}", exit_codes.REFUSED, "E018") from cause
    if signature.manifest != digest:
        message = f"{signature_file} is for another manifest: expected {digest.hex()}, got {signature.manifest.hex()}"
        raise Problem(message, exit_codes.OTHER_MANIFEST, "E018", "`manifest diff` says what differs")
    document = {"valid": True, "fingerprint": digest.hex(), "key": signature.key.hex()}
    output.result(document, f"OK  {file} is signed by key {signature.key.hex()}")


def _signature(path: Path) -> "ManifestSignature":
    from coordinator.manifest.signature import SignatureFormatError, parse_signature

    try:
        return parse_signature(read_input(path))
    except SignatureFormatError as cause:
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "E017") from cause


def _private_key(path: Path) -> "PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from pki.keys import KeyFormatError, private_of_known_kind

    try:
        return private_of_known_kind(load_pem_private_key(read_input(path), None))
    except (KeyFormatError, ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{path}: expected an EC, Ed25519 or RSA private key in PEM, not encrypted"
        raise Problem(message, exit_codes.INVALID, "E017") from None


def _public_key(path: Path) -> "PublicKey":
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from pki.keys import KeyFormatError, public_of_known_kind
    from pki.malformed import MALFORMED

    raw = read_input(path)
    try:
        if b"BEGIN CERTIFICATE" in raw:
            return public_of_known_kind(x509.load_pem_x509_certificate(raw).public_key())
        return public_of_known_kind(load_pem_public_key(raw))
    except (KeyFormatError, *MALFORMED) as cause:
        message = f"{path}: expected a certificate or public key (EC, Ed25519 or RSA) in PEM"
        raise Problem(message, exit_codes.INVALID, "E017") from cause
