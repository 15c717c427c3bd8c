"""What an owner of a recovery share gives on the command line: the share, and the key that opens it."""

import binascii
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input
from coordinator.cli.problems import Problem
from coordinator.cli.token_options import TOKEN_OPTIONS, TokenOptions, token_options

if TYPE_CHECKING:
    from coordinator.recovery.owner_key import Opener

PLAIN_LENGTHS: Final = (16, 32, 33)
"""Shares that are not encrypted (contract 1.12)."""
_MOST_BYTES: Final = 8 << 20

share_argument = click.argument("file", type=FILE)


@dataclass(frozen=True, slots=True)
class OwnerOptions:
    """key: PEM file; None: on a token.  name: whose share, where FILE holds several and more than one opens."""

    key: Path | None
    password: Path | None
    name: str | None
    token: TokenOptions | None

    def opener(self) -> "Opener":
        """The owner's private key.  Raises OwnerKeyInvalid, Problem."""
        if self.key is None:
            if self.token is None:
                raise click.UsageError(f"give --key FILE, or {TOKEN_OPTIONS}")
            return self.token.key()
        from coordinator.recovery.owner_key import KeyInMemory

        password = None if self.password is None else read_input(self.password).rstrip(b"\r\n")
        return KeyInMemory.parse(read_input(self.key), password)


def owner_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as `owner`."""

    @click.option("--key", "-k", "key", type=FILE, help="Your private key in PEM.")
    @click.option("--key-password-file", "password", type=FILE, help="File with the key's password, if it has one.")
    @click.option("--name", help="Whose share, if FILE holds those of several owners and your key opens more than one.")
    @token_options
    @functools.wraps(function)
    def with_owner(
        *args: Any,
        key: Path | None,
        password: Path | None,
        name: str | None,
        token: TokenOptions | None,
        **named: Any,
    ) -> Any:
        return function(*args, owner=OwnerOptions(key, password, name, token), **named)

    return with_owner


def open_share(file: Path, owner: OwnerOptions, opener: "Opener") -> bytes:
    """The plain share in FILE.

    FILE is what `manifest set --recoverydata` wrote (all owners' encrypted shares), or one encrypted share, in base64
    or as it is, or a plain one.  Raises EnvelopeUnreadable, Problem.
    """
    from coordinator.recovery.errors import EnvelopeUnreadable

    raw = read_input(file, _MOST_BYTES)
    if len(raw) in PLAIN_LENGTHS:
        return raw
    if raw.lstrip()[:1] != b"{":
        return opener.open(_decoded(raw))
    envelopes = _envelopes(file, raw)
    if owner.name is not None:
        if owner.name not in envelopes:
            raise Problem(f"{file}: no share of '{owner.name}'", exit_codes.INVALID, "R423", "it has those of others")
        return opener.open(envelopes[owner.name])
    opened = {}
    for name, envelope in envelopes.items():
        try:
            opened[name] = opener.open(envelope)
        except EnvelopeUnreadable:
            continue
    if not opened:
        message = f"{file}: this key opens none of the shares of {', '.join(envelopes) or 'nobody'}"
        raise Problem(message, exit_codes.INVALID, "R427")
    if len(opened) > 1:
        message = f"{file}: this key opens several shares: {', '.join(opened)}"
        raise Problem(message, exit_codes.USAGE, "R427", "say which with --name")
    return next(iter(opened.values()))


def _envelopes(file: Path, raw: bytes) -> Mapping[str, bytes]:
    try:
        document = json.loads(raw)
        shares = document["RecoverySecrets"].items()
        return {str(name): binascii.a2b_base64(text, strict_mode=True) for name, text in shares}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = f'{file}: expected {{"RecoverySecrets": {{NAME: BASE64}}}}'
        raise Problem(message, exit_codes.INVALID, "R427", "`manifest set --recoverydata` writes it") from None


def _decoded(raw: bytes) -> bytes:
    """Base64 as people pass it on; or the bytes as they are."""
    try:
        return binascii.a2b_base64(b"".join(raw.split()), strict_mode=True)
    except (ValueError, binascii.Error):
        return raw
