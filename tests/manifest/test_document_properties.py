"""Any bytes are read or remarked upon; JSON means to us what it means to everybody."""

import json

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.document import ListNode, MapNode, Node
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from coordinator.manifest.reader import read

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
SNIPPETS = st.lists(
    st.sampled_from(
        [
            *("Packages:", "Marbles:", "Secrets:", "web", ": ", "\n", "\n  ", "\n    ", "- ", "{", "}", "[", "]", ","),
            *(
                '"',
                "'",
                "|",
                ">",
                "&a",
                "*a",
                "!!str",
                "#",
                "---",
                "no",
                "0644",
                "1e5",
                "null",
                "\t",
                "\\",
                "\x85",
                "é",
            ),
            *('"Packages"', '"Marbles"', '{"a":', "TDX", "MRTD", "Package", "Env", "{{ hex .Secrets.a }}"),
        ]
    ),
    max_size=16,
).map("".join)


def plain(node: Node) -> object:
    if isinstance(node, MapNode):
        return {member.key: plain(member.node) for member in node.members}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


@given(st.dictionaries(TEXT, JSON, max_size=5), st.sampled_from([None, 1]))
@settings(max_examples=150, deadline=None)
def test_json_is_read_as_the_standard_library_reads_it(data: dict[str, object], indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    reading, root = read(text.encode(), name="x", compatible=False)
    assert (plain(root), reading.findings) == (json.loads(text), [])


@given(st.dictionaries(TEXT, TEXT, max_size=5))
@settings(max_examples=100, deadline=None)
def test_quoted_yaml_text_is_read_as_it_is(data: dict[str, str]) -> None:
    text = "# YAML\n" + yaml.safe_dump(data, default_style='"', allow_unicode=True)
    reading, root = read(text.encode(), name="x", compatible=False)
    assert (plain(root), reading.findings) == (data, [])


@given(st.binary(max_size=60) | SNIPPETS.map(str.encode), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_manifest_or_are_refused_with_places(raw: bytes, compatible: bool) -> None:
    refusal = refusal_of(raw, compatible=compatible)
    for finding in refusal.findings if refusal else ():
        assert finding.line >= 1
        assert finding.column >= 1
        assert finding.hint


def refusal_of(raw: bytes, *, compatible: bool) -> ManifestInvalid | None:
    try:
        parse(raw, name="x", compatible=compatible)
    except ManifestInvalid as refusal:
        return refusal
    return None
