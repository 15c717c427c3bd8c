"""Evidence on disk: a file, or a folder under the file names of design.md, 9.  Roots in a folder are never read."""

from dataclasses import dataclass
from pathlib import Path

from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence, recognise
from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.problems import Problem

_QUOTE = "quote.bin"
_COLLATERAL = "collateral.json"
_OTHER_PLATFORMS = ("report.bin", "document.cbor", "token.cbor", "evidence.bin", "hcl_report.bin")
_HINT = "expected a quote, or a folder with quote.bin and, beside it, collateral.json"


@dataclass(frozen=True, slots=True)
class Found:
    """endorsements: those that lay in the same folder."""

    evidence: Evidence
    endorsements: Endorsements


def find_evidence(path: Path) -> Found:
    """Read the evidence at `path`.  Raises Problem if there is none of a kind that this version knows, OSError."""
    if not path.is_dir():
        return Found(_recognise(path), Endorsements.none())
    quote = path / _QUOTE
    if not quote.is_file():
        other = next((name for name in _OTHER_PLATFORMS if (path / name).is_file()), None)
        message = (
            f"{path}: {other} is of a platform that comes with a later version" if other else f"{path}: no evidence"
        )
        raise Problem(message, exit_codes.INVALID, "U502", _HINT)
    collateral = path / _COLLATERAL
    endorsements = parse_bundle(read_input(collateral)) if collateral.is_file() else Endorsements.none()
    return Found(_recognise(quote), endorsements)


def _recognise(path: Path) -> Evidence:
    try:
        return recognise(read_input(path))
    except EvidenceFormatError as cause:
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "U502", _HINT) from cause
