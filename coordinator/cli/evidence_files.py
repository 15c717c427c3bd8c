"""Evidence on disk: a file, or a folder under the file names of design.md, 9.  Roots in a folder are never read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence, recognise
from attestation.tdx.event_log import LOG_FILE
from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.problems import Problem

_COLLATERAL: Final = "collateral.json"
_NVIDIA: Final = "evidence.bin"
_AZURE: Final = "hcl_report.bin"
_WHOLE: Final = ("quote.bin", "report.bin", "document.cbor", "token.cbor", "token.json", "composite.json")
_ENDORSING: Final = (".der", ".pem", ".jwk.json", "_rim.xml", ".crl", ".xml", LOG_FILE)
_MOST_FILES: Final = 64
_HINT: Final = (
    "expected evidence in a file, or a folder with quote.bin (and collateral.json), report.bin (and vcek.der, "
    "ask.der), document.cbor, token.cbor (and cpak.jwk.json), evidence.bin with cert_chain.pem, or hcl_report.bin "
    "with tpm_quote.*"
)


@dataclass(frozen=True, slots=True)
class Found:
    """endorsements: those that lay in the same folder."""

    evidence: Evidence
    endorsements: Endorsements


def find_evidence(path: Path) -> Found:
    """Read the evidence at `path`.  Raises Problem if there is none of a kind that this version knows, OSError."""
    try:
        if not path.is_dir():
            return Found(recognise(read_input(path)), Endorsements.none())
        evidence = _in_folder(path)
    except EvidenceFormatError as cause:
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "U502", _HINT) from cause
    collateral = path / _COLLATERAL
    bundle = parse_bundle(read_input(collateral)) if collateral.is_file() else Endorsements.none()
    return Found(evidence, bundle.and_those(Endorsements(files=_files(path, _ENDORSING))))


def _in_folder(folder: Path) -> Evidence:
    """The folder's evidence.  Raises EvidenceFormatError, Problem."""
    if (folder / _NVIDIA).is_file():
        from attestation.nvidia_gpu.format import evidence_of_files

        return evidence_of_files(_files(folder, (".bin", ".pem")))
    if (folder / _AZURE).is_file():
        from attestation.azure_vtpm.format import container_of_files

        return recognise(container_of_files(_files(folder, (".bin", ".msg", ".sig", ".json"))))
    whole = next((folder / name for name in _WHOLE if (folder / name).is_file()), None)
    if whole is None:
        raise Problem(f"{folder}: no evidence", exit_codes.INVALID, "U502", _HINT)
    return recognise(read_input(whole))


def _files(folder: Path, endings: tuple[str, ...]) -> Mapping[str, bytes]:
    """The folder's files with these endings, by name.  Raises Problem if there are very many."""
    paths = sorted(p for p in folder.iterdir() if p.is_file() and p.name.endswith(endings))
    if len(paths) > _MOST_FILES:
        message = f"{folder}: expected at most {_MOST_FILES} files of evidence and endorsements, got {len(paths)}"
        raise Problem(message, exit_codes.INVALID, "U502", _HINT)
    return {path.name: read_input(path) for path in paths}
