"""Every document of the corpus is accepted or refused as MarbleRun does, or for a reason that stands here."""

from pathlib import Path

import pytest

from coordinator.manifest.dry_run import check
from coordinator.manifest.errors import Severity

VECTORS = Path(__file__).parents[1] / "vectors" / "manifest"
VALID = sorted((VECTORS / "valid").iterdir())
INVALID = sorted((VECTORS / "invalid").iterdir())
# What MarbleRun accepts and our own style does not: letter case, unknown and repeated fields, packages that prove
# nothing, names that no marble could start with, infrastructures that nobody enforces.
STRICTER = {
    "v19-infrastructures.json": {"E094"},
    "v21-letter-case.json": {"E010"},
    "v22-unknown-fields.json": {"E010"},
    "v23-duplicate-keys.json": {"E002"},
    "v33-recovery-rsa1024.json": {"E026"},
    "v25-unreferenced-package-unchecked.json": {"E021"},
    "v36-empty-names.json": {"E011", "E028"},
    "v43-relative-and-odd-file-paths.json": {"E028"},
}
# What MarbleRun refuses and our own style takes: recovery keys that are not RSA.
WIDER = {"g12-recovery-ec"}


def error_codes(path: Path, certificate_der: bytes, *, compatible: bool) -> set[str]:
    findings = check(path.read_bytes(), name=path.name, compatible=compatible, certificate_der=certificate_der)
    return {finding.code for finding in findings if finding.severity is Severity.ERROR}


def test_the_corpus_is_there() -> None:
    assert (len(VALID), len(INVALID)) == (35, 73)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_document_is_accepted_or_told_why_our_own_style_does_not(path: Path, certificate_der: bytes) -> None:
    assert not error_codes(path, certificate_der, compatible=True)
    assert error_codes(path, certificate_der, compatible=False) == STRICTER.get(path.name, set())


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
@pytest.mark.parametrize("compatible", [True, False], ids=["compatible", "strict"])
def test_an_invalid_document_is_refused_for_what_is_wrong_with_it(
    path: Path, compatible: bool, certificate_der: bytes
) -> None:
    codes = error_codes(path, certificate_der, compatible=compatible)
    if path.stem in WIDER and not compatible:
        assert not codes
        return
    assert codes
