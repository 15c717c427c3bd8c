"""The validator's opinion is only heard where ours is missing, and never repeats a value."""

import json
from pathlib import Path
from typing import Any

import pytest

from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.parse import examine
from coordinator.manifest.schema_check import second_opinion

CORPUS = sorted((Path(__file__).parents[1] / "vectors" / "manifest").glob("*valid/*"))
GOOD: dict[str, Any] = {
    "Packages": {"web": {"TDX": {"MRTD": "11" * 48}}},
    "Marbles": {"web": {"Package": "web", "MaxActivations": 1}},
}


def opinion(document: Any, *, ours: bool) -> tuple[Finding, ...]:
    examined = examine(json.dumps(document, indent=1).encode(), name="m.json", compatible=False)
    return second_opinion(examined.document, examined.root, examined.findings if ours else ())


def test_a_validator_has_nothing_to_say_of_a_good_manifest() -> None:
    assert opinion(GOOD, ours=False) == ()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({**GOOD, "Secretz": {}}, ""),
        ({**GOOD, "Marbles": {"web": {"Package": "web", "MaxActivations": "hunter2"}}}, "/Marbles/web/MaxActivations"),
        ({**GOOD, "Marbles": {"web": {}}}, "/Marbles/web"),
        ({**GOOD, "Packages": {"web": {"TDX": {"MRTD": "hunter2"}}}}, "/Packages/web/TDX/MRTD"),
    ],
)
def test_an_objection_that_we_miss_becomes_an_error_at_its_place(document: Any, path: str) -> None:
    (finding,) = opinion(document, ours=False)
    assert ("E019", Severity.ERROR, path) == (finding.code, finding.severity, finding.path)
    assert finding.line > 0
    assert "hunter2" not in finding.message + finding.hint


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_two_agree_on_the_corpus(path: Path) -> None:
    examined = examine(path.read_bytes(), name=path.name, compatible=False)
    assert second_opinion(examined.document, examined.root, examined.findings) == ()


def test_an_objection_that_we_share_is_said_once() -> None:
    assert opinion({**GOOD, "Marbles": {"web": {"Pakage": "web", "TLS": 3}}}, ours=True) == ()
