"""How a person signs a document: with a key in a file, or elsewhere, where the key stays."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.manifest.signature import Subject
    from pki.keys import PrivateKey, PublicKey


@dataclass(frozen=True, slots=True)
class Way:
    """key: a file that signs; or made and certificate: what was signed elsewhere, and whose key it was.

    Neither: the bytes to be signed are wanted.
    """

    key: Path | None
    made: Path | None
    certificate: Path | None


def signs(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as `way`."""

    @click.option("--key", "key_file", type=FILE, help="The signer's private key: PEM, not encrypted.")
    @click.option("--message", is_flag=True, help="Write the bytes to be signed instead, for openssl or a token.")
    @click.option("--made", type=FILE, help="A signature of those bytes that was made elsewhere; with --certificate.")
    @click.option("--certificate", type=FILE, help="The signer's certificate or public key, PEM; with --made.")
    @functools.wraps(function)
    def with_way(
        *args: Any, key_file: Path | None, message: bool, made: Path | None, certificate: Path | None, **named: Any
    ) -> Any:
        if [key_file is not None, message, made is not None].count(True) != 1 or (made is None) != (
            certificate is None
        ):
            raise click.UsageError("give --key, or --message, or --made with --certificate")
        return function(*args, way=Way(key_file, made, certificate), **named)

    return with_way


def write_signature(output: Output, raw: bytes, subject: "Subject", way: Way) -> None:
    """The signature of a document's exact bytes as a small document of its own; or the bytes to be signed."""
    from coordinator.manifest.signature import SignatureWrong, message_to_sign, sign, signed_elsewhere

    if way.key is not None:
        document = sign(raw, _private_key(way.key), subject).as_json()
    elif way.made is not None and way.certificate is not None:
        try:
            key = public_key(way.certificate)
            document = signed_elsewhere(raw, key, read_input(way.made), subject).as_json()
        except SignatureWrong as cause:
            raise Problem(f"{way.made}: {cause}", exit_codes.REFUSED, "E018") from cause
    else:
        to_sign = message_to_sign(raw, subject)
        output.result({"message": to_sign.hex()}, to_sign)
        return
    output.result(document, json.dumps(document, indent=2))


def _private_key(path: Path) -> "PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from pki.keys import KeyFormatError, private_of_known_kind

    try:
        return private_of_known_kind(load_pem_private_key(read_input(path), None))
    except (KeyFormatError, ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{path}: expected an EC, Ed25519 or RSA private key in PEM, not encrypted"
        raise Problem(message, exit_codes.INVALID, "E017") from None


def public_key(path: Path) -> "PublicKey":
    """The key of a certificate, or a public key, in PEM.  Raises Problem, OSError."""
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
