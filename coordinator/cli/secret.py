"""`enclasp secret …`: a user of the manifest reads and sets secrets.  Requests to read are in secret_requests.py."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.group import Group
from coordinator.cli.output import PRIVATE, Output
from coordinator.cli.problems import Problem
from coordinator.cli.secret_requests import approve, request, requests, sign_request, withdraw
from coordinator.cli.visit import (
    Visit,
    endpoint_argument,
    insecure_option,
    names_and_endpoint,
    user_options,
    visits,
)

if TYPE_CHECKING:
    from coordinator.client.client import CoordinatorClient

_NEEDS_APPROVAL: Final = "A230"
_NO_REQUEST: Final = "A231"


@click.group(cls=Group)
def secret() -> None:
    """Read and set secrets, as a user whose roles in the manifest allow it."""


@secret.command()
@names_and_endpoint
@click.option("--raw", is_flag=True, help="Of one secret: its exact bytes, or its certificate and key in PEM.")
@user_options(required=True)
@insecure_option
@visits
@reports
def get(output: Output, names: tuple[str, ...], endpoint: str, raw: bool, visit: Visit) -> None:
    """Verify the coordinator, then read secrets: all that are named, or none. A file for them is readable by you only.

    Secrets that the manifest gives only with the approval of others are given once your request is approved
    (`enclasp secret request`); each time that is in the log.

    \b
    enclasp secret get password localhost:4433 --user-cert alice.pem --user-key alice.key --reference reference.yaml
    enclasp secret get password localhost:4433 --raw --out password -c alice.pem -k alice.key --reference reference.yaml
    """
    if raw and len(names) != 1:
        raise click.UsageError("--raw is for one secret")
    secrets = _read(visit.client(endpoint, output), names)
    document = {"secrets": {name: dict(value) for name, value in secrets.items()}, "verified": not visit.insecure}
    table = _exact(names[0], secrets) if raw else lambda: "\n".join(_lines(secrets))
    output.result(document, table, mode=PRIVATE)


@secret.command(name="set")
@click.argument("file", type=FILE)
@endpoint_argument
@click.option("--name", help="FILE is the value of this secret, byte for byte (symmetric-key and plain).")
@click.option("--from-pem", metavar="NAME", help="FILE holds the certificate, and perhaps the key, of this secret.")
@user_options(required=True)
@insecure_option
@visits
@reports
def set_secrets(
    output: Output, file: Path, endpoint: str, name: str | None, from_pem: str | None, visit: Visit
) -> None:
    """Verify the coordinator, then set user-defined secrets: all of FILE, or none.

    FILE is JSON: {"NAME": {"Key": BASE64}} for symmetric-key and plain, {"NAME": {"Cert": BASE64, "Private": BASE64}}
    for certificates, in DER.

    \b
    enclasp secret set secrets.json localhost:4433 --user-cert alice.pem --user-key alice.key --reference reference.yaml
    enclasp secret set password --name password localhost:4433 -c alice.pem -k alice.key --reference reference.yaml
    """
    if name is not None and from_pem is not None:
        raise click.UsageError("--name and --from-pem exclude each other")
    raw = read_input(file)
    if name is not None:
        secrets: dict[str, dict[str, Any]] = {name: {"Key": base64.b64encode(raw).decode()}}
    elif from_pem is not None:
        secrets = {from_pem: _from_pem(file, raw)}
    else:
        secrets = _from_json(file, raw)
    visit.client(endpoint, output).secrets_set(secrets)
    listed = ", ".join(secrets)
    output.result({"set": [*secrets], "verified": not visit.insecure}, f"set: {listed}")


for command in (request, requests, approve, withdraw, sign_request):
    secret.add_command(command)


def _read(client: "CoordinatorClient", names: tuple[str, ...]) -> Mapping[str, Mapping[str, Any]]:
    """The secrets, by an approved request where they need one.  Where there is none, the first refusal says more."""
    from coordinator.client.errors import NotAuthorised, RequestRefused

    try:
        return client.secrets_get(names)
    except NotAuthorised as refused:
        if refused.code != _NEEDS_APPROVAL:
            raise
        try:
            return client.read_approved(names)
        except RequestRefused as second:
            if second.code != _NO_REQUEST:
                raise
            raise refused from second


def _from_json(file: Path, raw: bytes) -> dict[str, dict[str, Any]]:
    import json

    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not all(isinstance(value, dict) for value in document.values()):
        message = f'{file}: expected JSON like {{"NAME": {{"Key": BASE64}}}}'
        raise Problem(message, exit_codes.INVALID, "U522", "for the value itself in a file give --name NAME") from None
    return document


def _from_pem(file: Path, raw: bytes) -> dict[str, Any]:
    """The first certificate and the first private key of a PEM file."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from pki.certificates import der, load_pem_chain
    from pki.keys import KeyFormatError, private_der, private_of_known_kind

    found: dict[str, Any] = {"Cert": base64.b64encode(der(load_pem_chain(raw)[0])).decode()}
    if b"PRIVATE KEY-----" in raw:
        try:
            key = private_of_known_kind(load_pem_private_key(raw[_key_at(raw) :], None))
        except (KeyFormatError, ValueError, TypeError, UnsupportedAlgorithm):
            message = f"{file}: expected an EC, Ed25519 or RSA private key in PEM, not encrypted"
            raise Problem(message, exit_codes.INVALID, "U522") from None
        found["Private"] = base64.b64encode(private_der(key)).decode()
    return found


def _key_at(raw: bytes) -> int:
    """Where the first block of a private key begins."""
    return raw.rindex(b"-----BEGIN ", 0, raw.index(b"PRIVATE KEY-----"))


def _exact(name: str, secrets: Mapping[str, Mapping[str, Any]]) -> bytes:
    from pki.pem import pem_block

    value = secrets.get(name, {})
    certificate, private = (base64.b64decode(value.get(part) or "") for part in ("Cert", "Private"))
    if not certificate and not private:
        raise Problem(f"secret '{name}' is not set", exit_codes.INVALID, "A209")
    if not certificate:
        return private
    key = pem_block("PRIVATE KEY", private) if private else ""
    return (pem_block("CERTIFICATE", certificate) + key).encode()


def _lines(secrets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, value in secrets.items():
        lines.append(f"{name}: {value.get('Type', '')}")
        parts = [(part, value.get(part)) for part in ("Cert", "Private", "Public")]
        lines += [f"  {part:<8} {content}" for part, content in parts if content] or ["  not set"]
    return lines
