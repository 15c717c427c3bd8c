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
from coordinator.cli.token_options import TOKEN_OPTIONS, TokenOptions, token_options

if TYPE_CHECKING:
    from coordinator.manifest.signature import Subject
    from pki.keys import PrivateKey, PublicKey


@dataclass(frozen=True, slots=True)
class Way:
    """key: a file that signs; or a token, whose key the certificate names; or made: what was signed elsewhere with it.

    None of these: the bytes to be signed are wanted.
    """

    key: Path | None
    token: TokenOptions | None
    made: Path | None
    certificate: Path | None


def signs(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as `way`."""

    @click.option("--key", "key_file", type=FILE, help="The signer's private key: PEM, not encrypted.")
    @token_options
    @click.option("--message", is_flag=True, help="Write the bytes to be signed instead, for openssl or another tool.")
    @click.option("--made", type=FILE, help="A signature of those bytes that was made elsewhere; with --certificate.")
    @click.option(
        "--certificate", type=FILE, help="The signer's certificate or public key, PEM; of a token, or --made."
    )
    @functools.wraps(function)
    def with_way(
        *args: Any,
        key_file: Path | None,
        token: TokenOptions | None,
        message: bool,
        made: Path | None,
        certificate: Path | None,
        **named: Any,
    ) -> Any:
        elsewhere = token is not None or made is not None
        ways = (key_file is not None, token is not None, message, made is not None)
        if ways.count(True) != 1 or elsewhere != (certificate is not None):
            raise click.UsageError(
                "give --key, or --message, or with --certificate either --made or a key on a token: " + TOKEN_OPTIONS
            )
        return function(*args, way=Way(key_file, token, made, certificate), **named)

    return with_way


def write_signature(output: Output, raw: bytes, subject: "Subject", way: Way) -> None:
    """The signature of a document's exact bytes as a small document of its own; or the bytes to be signed."""
    from coordinator.manifest.signature import SignatureWrong, message_to_sign, sign, signed_elsewhere

    to_sign = message_to_sign(raw, subject)
    if way.key is not None:
        document = sign(raw, _private_key(way.key), subject).as_json()
    elif way.certificate is not None:
        key = public_key(way.certificate)
        where, made = _made(way, to_sign, key)
        try:
            document = signed_elsewhere(raw, key, made, subject).as_json()
        except SignatureWrong as cause:
            raise Problem(f"{where}: {cause}", exit_codes.REFUSED, "E018") from cause
    else:
        output.result({"message": to_sign.hex()}, to_sign)
        return
    output.result(document, json.dumps(document, indent=2))


def _made(way: Way, message: bytes, key: "PublicKey") -> tuple[str, bytes]:
    """Where a signature was made, and its bytes.  Raises Problem, OSError."""
    if way.token is not None:
        return f"PKCS#11 token '{way.token.token}', key '{way.token.label}'", way.token.key().sign(message, key)
    assert way.made is not None, "a certificate comes with one of both"
    return str(way.made), read_input(way.made)


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
