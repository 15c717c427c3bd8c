"""The published schema is the one that is checked, and it means to validators what it means to us."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.parse import parse
from coordinator.manifest.reader import read
from coordinator.manifest.schema import MANIFEST
from coordinator.manifest.shape import shape

ROOT = Path(__file__).parents[2]
PLATFORM_EXAMPLES = ("sgx", "tdx", "two_platforms", "sev_snp", "nitro", "cca", "azure", "gpu", "many_platforms")
PUBLISHED = ROOT / "manifests" / "manifest.schema.json"
EXAMPLES = sorted([ROOT / "manifests" / "minimal.yaml", *(ROOT / "manifests" / "templates").glob("*.yaml")])
CORPUS = sorted((ROOT / "tests" / "vectors" / "manifest").glob("*valid/*.json"))
VALIDATOR = jsonschema.Draft202012Validator(MANIFEST)
NEW_VALUES = st.sampled_from(
    [None, True, 0, -1, 3, 2**64, 1.5, "", "web", "HEX", "01" * 32, [], ["a"], [1], {}, {"a": 1}]
)


def is_shaped(data: Any) -> bool:
    reading, root = read(json.dumps(data).encode(), name="x", compatible=False)
    shape(reading, root, MANIFEST)
    return not reading.findings


def test_the_published_schema_is_the_one_that_is_checked() -> None:
    assert json.loads(PUBLISHED.read_text()) == MANIFEST


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(MANIFEST)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_validator_and_we_agree_on_the_corpus(path: Path) -> None:
    try:
        data = json.loads(path.read_bytes())
    except ValueError:
        pytest.skip("not JSON")
    if not isinstance(data, dict) or path.stem == "v23-duplicate-keys":
        pytest.skip("not for a validator")
    assert is_shaped(data) == VALIDATOR.is_valid(data)


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [here, *(path for key, child in children for path in paths(child, (*here, key)))][bool(not here) :]


BASE_NAMES = ("v05-parameters", "v07-secret-cert", "v15-config", "v18-marble", "v19-infra", "c13-tls-in-cert")
BASES = [json.loads(path.read_bytes()) for path in CORPUS if path.stem.startswith(BASE_NAMES)]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_validator_and_we_agree_on_documents_with_one_change(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(BASES)))
    *parents, last = data.draw(st.sampled_from(paths(document)))
    node = document
    for key in parents:
        node = node[key]
    change = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "remove":
        del node[last]
    elif change == "add" and isinstance(node, dict):
        node[data.draw(st.sampled_from(["Size", "package", "x"]))] = data.draw(NEW_VALUES)
    else:
        node[last] = data.draw(NEW_VALUES)
    assert is_shaped(document) == VALIDATOR.is_valid(document)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_our_examples_pass_without_a_remark(path: Path) -> None:
    assert parse(path.read_bytes(), name=path.name, compatible=False).findings == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_our_examples_tell_editors_their_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).resolve() == PUBLISHED


def test_there_is_an_example_for_each_platform() -> None:
    assert {path.stem for path in EXAMPLES} >= {"minimal", "marblerun_sgx", *PLATFORM_EXAMPLES}
