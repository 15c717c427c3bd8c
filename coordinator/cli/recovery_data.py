"""Where the owners' new recovery secrets go: to a file that is made before anything is sent, or into the result."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE
from coordinator.cli.output import PRIVATE, Output, write_file
from coordinator.cli.problems import Problem

recoverydata_option = click.option(
    "--recoverydata", "-r", type=FILE, help="Write the recovery secrets to this new file (0600)."
)


@contextmanager
def reserved(file: Path | None) -> Iterator[None]:
    """Make the file before anything is sent: secrets that cannot be written would be lost.  Empty, it goes again.

    Raises Problem, OSError.
    """
    if file is None or str(file) == "-":
        yield
        return
    try:
        with file.open("xb"):
            pass
    except FileExistsError as cause:
        hint = "it may hold other recovery secrets: choose another name, or remove it"
        raise Problem(f"{file}: exists", exit_codes.INVALID, "U501", hint) from cause
    try:
        yield
    finally:
        if file.stat().st_size == 0:
            file.unlink()


def kept(file: Path | None, secrets: dict[str, str], output: Output) -> dict[str, str]:
    """Write the secrets to the file; those that were not written are given back, to be shown instead."""
    if file is None or not secrets:
        return secrets
    try:
        write_file(file, json.dumps({"RecoverySecrets": secrets}, indent=2).encode() + b"\n", mode=PRIVATE)
    except OSError as cause:
        output.remark(f"{file}: {cause.strerror}; the recovery secrets are in the result instead")
        return secrets
    output.remark(
        f"recovery secrets written to {file}; give each owner theirs, and keep them where the coordinator is not"
    )
    return {}
