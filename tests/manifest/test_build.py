"""Several documents to one flat manifest: the same values, each with its origin, or a refusal."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.build import Built, Source, build
from coordinator.manifest.document import MapNode
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from coordinator.manifest.reader import read
from coordinator.manifest.schema_check import plain
from coordinator.manifest.yaml_writer import write_entry

FILES = {
    "all.yaml": "Include: [packages.yaml, parts/secrets.yaml]\nMarbles:\n  web:\n    Package: web\n",
    "packages.yaml": f'Packages:\n  web:\n    SGX: {{MRENCLAVE: "{"11" * 32}"}}\n',
    "parts/secrets.yaml": "Include: [../packages.yaml]\nSecrets:\n  key: {Type: symmetric-key, Size: 256}\n",
    "../packages.yaml": "Secrets: {}\n",
}


def include(_by: str, text: str) -> Source:
    return Source(text, FILES[text].encode())


def built(*names: str, **more: str) -> Built:
    return build([*(Source(name, FILES[name].encode()) for name in names), *_sources(more)], include)


def _sources(more: dict[str, str]) -> list[Source]:
    return [Source(f"{name}.yaml", text.encode()) for name, text in more.items()]


def test_includes_make_one_flat_manifest_that_tells_where_it_is_from() -> None:
    result = built("all.yaml")
    manifest = parse(result.text.encode(), name="flat", compatible=False).manifest
    assert (["web"], ["key"]) == (list(manifest.packages), list(manifest.secrets))
    assert "Include" not in result.text
    assert "packages.yaml:2" == result.origins["/Packages/web"]
    assert "  # parts/secrets.yaml:3\n  key:\n" in result.text


def test_the_order_of_the_sections_is_that_of_the_language() -> None:
    text = built("all.yaml").text
    assert text.index("Packages:") < text.index("Marbles:") < text.index("Secrets:")


def test_several_files_are_one_manifest_and_a_file_counts_once() -> None:
    assert built("packages.yaml", "all.yaml").text == built("packages.yaml", "packages.yaml", "all.yaml").text


def test_a_name_in_two_documents_is_refused_with_both_places() -> None:
    with pytest.raises(ManifestInvalid, match=r'E002 "web" stands in packages.yaml:2 too') as refused:
        built("packages.yaml", more=FILES["packages.yaml"])
    assert "more.yaml" == refused.value.name


@pytest.mark.parametrize(
    ("text", "code"), [("Packagez: {}\n", "E010"), ("- a\n", "E014"), ("Include: [3]\n", "E014"), ("a: [\n", "E001")]
)
def test_a_document_that_is_none_is_refused(text: str, code: str) -> None:
    with pytest.raises(ManifestInvalid, match=code):
        built(bad=text)


def test_documents_may_include_each_other() -> None:
    pair = {"a": "Include: [b]\nSecrets: {}\n", "b": "Include: [a]\nTLS: {}\n"}
    result = build([Source("a", pair["a"].encode())], lambda _by, name: Source(name, pair[name].encode()))
    assert "Secrets: {}\nTLS: {}\n" == result.text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "off",
        "0o17",
        "1e5",
        "00706E470000",
        "null",
        "~",
        "<<",
        "a\nb\n",
        "a\n\nb\n",
        " a\n b\n",
        "a \n",
        "\n",
        "---",
        "a: b",
        "- x",
    ]
)
KEYS = TEXTS.filter(bool)
SCALARS = TEXTS | st.booleans() | st.none() | st.integers(-(2**63), 2**63)
TREES = st.recursive(
    SCALARS, lambda it: st.lists(it, max_size=4) | st.dictionaries(KEYS, it, max_size=4), max_leaves=12
)


@given(KEYS, TREES)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_again_without_a_remark(key: str, tree: Any) -> None:
    _, root = read(json.dumps({key: tree}).encode(), name="x", compatible=False)
    assert isinstance(root, MapNode)
    text = "\n".join(write_entry(key, root.members[0].node, 0)) + "\n"
    reading, again = read(text.encode(), name="y", compatible=False)
    assert reading.findings == []
    assert plain(again) == {key: tree}
