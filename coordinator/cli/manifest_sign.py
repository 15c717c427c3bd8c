"""`enclasp manifest sign|verify-signature`: detached signatures by the people who agree on a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.signatures import read_signature
from coordinator.cli.signing import Way, public_key, signs, write_signature

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("file", type=FILE)
@signs
@reports
def sign(output: Output, file: Path, way: Way) -> None:
    """Sign the exact bytes of a manifest. The signature is a small document of its own.

    A key on a token signs there (--pkcs11-module). One that stays elsewhere signs what --message writes, with SHA-256
    (RSA: PSS with a salt of 32 bytes; P-384: SHA-384, P-521: SHA-512; Ed25519 as it is); --made makes the document
    of it.

    \b
    enclasp manifest sign manifest.yaml --key alice.key --out alice.sig
    enclasp manifest sign manifest.yaml --certificate alice.pem --out alice.sig --pkcs11-module libsofthsm2.so \\
      --pkcs11-token alice --pkcs11-key approvals --pkcs11-pin-file alice.pin
    enclasp manifest sign manifest.yaml --message --out message.bin
    enclasp manifest sign manifest.yaml --made signature.bin --certificate alice.pem --out alice.sig
    """
    from coordinator.manifest.signature import Subject

    raw = read_input(file)
    _warn_of_errors(output, file, raw)
    write_signature(output, raw, Subject.MANIFEST, way)


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

    from coordinator.manifest.signature import SignatureWrong, Subject

    signature, digest = read_signature(signature_file, Subject.MANIFEST), hashlib.sha256(read_input(file)).digest()
    try:
        signature.verify(public_key(certificate))
    except SignatureWrong as cause:
        raise Problem(f"{signature_file}: {cause}", exit_codes.REFUSED, "E018") from cause
    if signature.document != digest:
        message = f"{signature_file} is for another manifest: expected {digest.hex()}, got {signature.document.hex()}"
        raise Problem(message, exit_codes.OTHER_MANIFEST, "E018", "`manifest diff` says what differs")
    document = {"valid": True, "fingerprint": digest.hex(), "key": signature.key.hex()}
    output.result(document, f"OK  {file} is signed by key {signature.key.hex()}")
