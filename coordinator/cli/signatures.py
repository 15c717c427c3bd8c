"""Detached signatures that a command takes: files that `manifest sign` and `secret sign` wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.manifest.signature import DetachedSignature, Subject


def read_signature(path: Path, subject: "Subject") -> "DetachedSignature":
    """The signature in a file; what it is of is not compared yet.  Raises Problem."""
    from coordinator.manifest.signature import SignatureFormatError, parse_signature

    try:
        return parse_signature(read_input(path), subject)
    except SignatureFormatError as cause:
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "E017") from cause
