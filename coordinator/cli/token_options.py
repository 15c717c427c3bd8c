"""A private key that stays on a PKCS#11 token: how the command line is told where it is."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.cli.token_key import KeyOnToken

TOKEN_OPTIONS: Final = "--pkcs11-module, --pkcs11-token, --pkcs11-key, --pkcs11-pin-file"


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """module: the maker's library; token, label: of the token and of the key on it; pin: a file with one line."""

    module: Path
    token: str
    label: str
    pin: Path

    def key(self) -> "KeyOnToken":
        """The key there, which is looked for when it is used.  Raises Problem if the package for tokens is missing."""
        try:
            from coordinator.cli.token_key import KeyOnToken
        except ModuleNotFoundError as cause:
            hint = "install its part: pip install 'enclasp[hsm]'"
            raise Problem("the Python package 'pkcs11' is missing", exit_codes.USAGE, "U505", hint) from cause
        return KeyOnToken(self.module, self.token, self.label, self.pin)


def token_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as `token`, None where none is given."""

    @click.option("--pkcs11-module", type=FILE, help="Instead of --key: library of a token that has your key.")
    @click.option("--pkcs11-token", default="", help="The token's label.")
    @click.option("--pkcs11-key", default="", help="The key's label.")
    @click.option("--pkcs11-pin-file", type=FILE, help="File with your PIN.")
    @functools.wraps(function)
    def with_token(
        *args: Any,
        pkcs11_module: Path | None,
        pkcs11_token: str,
        pkcs11_key: str,
        pkcs11_pin_file: Path | None,
        **named: Any,
    ) -> Any:
        token = None
        if pkcs11_module is not None and pkcs11_pin_file is not None:
            token = TokenOptions(pkcs11_module, pkcs11_token, pkcs11_key, pkcs11_pin_file)
        elif pkcs11_module is not None or pkcs11_pin_file is not None or pkcs11_token or pkcs11_key:
            raise click.UsageError(f"a key on a token needs {TOKEN_OPTIONS}")
        return function(*args, token=token, **named)

    return with_token
