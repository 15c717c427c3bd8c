"""The reference is whole and current, and its examples are manifests."""

import json
from typing import Any

import pytest

from coordinator.cli.check import check_document
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.schema import MANIFEST
from tests.support.manifest_gallery import NOON
from tests.support.manifest_reference import EXAMPLES, PAGE, PUBLISHED, REFUSED, Incomplete, page, parts, with_field

PATHS = [field.path for part in parts() for field in part.fields]


def errors(raw: bytes, name: str) -> list[Finding]:
    said = check_document(raw, name=name, compatible=False, now=NOON, remarks=True)
    return [finding for finding in said if finding.severity is Severity.ERROR]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_is_a_manifest(path: Any) -> None:
    assert [] == errors(path.read_bytes(), path.name)


@pytest.mark.parametrize("path", sorted(REFUSED))
def test_what_is_said_to_be_refused_is_refused(path: str) -> None:
    value, code = REFUSED[path]
    assert path in PATHS
    accepted = f"{path} is accepted now: move it from REFUSED into one of docs/manifest/*.yaml"
    assert code in [finding.code for finding in errors(json.dumps(with_field(path, value)).encode(), "x")], accepted


def test_the_page_and_the_schema_are_current() -> None:
    hint = "run: python -m tests.support.manifest_reference"
    assert PAGE.read_text(encoding="utf-8") == page(), hint
    assert PUBLISHED.read_text(encoding="utf-8") == json.dumps(MANIFEST, indent=2) + "\n", hint


@pytest.mark.parametrize("path", PATHS)
def test_every_field_is_on_the_page(path: str) -> None:
    """Fields that differ only in a number share a row, so the first and last stand there."""
    assert PAGE.read_text(encoding="utf-8").count(f"`{path.rpartition('.')[2].rstrip('0123456789')}")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string", "description": "New."}, r"Config\.Fresh has no example: use it in one of docs/manifest"),
        ({"type": "string"}, r"Config\.SealMode has no description"),
    ],
)
def test_a_field_without_example_or_description_stops_the_generator(
    monkeypatch: pytest.MonkeyPatch, schema: dict[str, Any], said: str
) -> None:
    name = "Fresh" if "Fresh" in said else "SealMode"
    config = MANIFEST["properties"]["Config"]["properties"]
    monkeypatch.setitem(config, name, schema)
    with pytest.raises(Incomplete, match=said):
        page()
