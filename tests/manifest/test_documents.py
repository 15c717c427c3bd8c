"""JSON and YAML are read strictly, and every value knows where it stands."""

import pytest

from coordinator.manifest.document import ListNode, MapNode, Node, ScalarNode, ScalarOrigin
from coordinator.manifest.errors import Severity
from coordinator.manifest.reader import read


def codes(text: str | bytes, *, compatible: bool = False) -> list[tuple[str, str]]:
    raw = text if isinstance(text, bytes) else text.encode()
    reading, _ = read(raw, name="x", compatible=compatible)
    return [(finding.code, finding.severity.value) for finding in reading.findings]


def plain(node: Node) -> object:
    if isinstance(node, MapNode):
        return {member.key: plain(member.node) for member in node.members}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


def value(text: str, *, compatible: bool = False) -> object:
    reading, root = read(text.encode(), name="x", compatible=compatible)
    assert not [finding for finding in reading.findings if finding.severity is Severity.ERROR]
    return plain(root)


def scalar(text: str, key: str) -> tuple[ScalarOrigin, ScalarNode]:
    reading, root = read(text.encode(), name="x", compatible=False)
    assert isinstance(root, MapNode)
    node = root.by_key()[key].node
    assert isinstance(node, ScalarNode)
    return ScalarOrigin(reading.document, node, exact=True), node


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,}',
        '{"a": 1 "b": 2}',
        "{'a': 1}",
        '{"a": tru}',
        '{"a": 01}',
        '{"a": 1.}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "x\ny"}',
        '{"a": "\\x"}',
        '{"a": 1} {"b": 2}',
        '{"a": 1} x',
        '{"a": [1, 2',
        "{",
        '{"a" 1}',
        '{"a": "\\ud800"}',
        '{"a": /* c */ 1}',
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    assert [severity for _, severity in codes(text)] == ["error"]


def test_json_values_are_read_as_they_are() -> None:
    text = ' {"a": [1, -2.5, 1e2, true, null, ""], "b": {"é": "\\ud83d\\ude00\\n"}}\n'
    assert value(text) == {"a": [1, -2.5, 100.0, True, None, ""], "b": {"é": "😀\n"}}


def test_half_a_surrogate_pair_becomes_the_replacement_character_in_compatible_mode() -> None:
    assert value('{"a": "\\ud800x"}', compatible=True) == {"a": "�x"}


def test_large_whole_numbers_are_exact() -> None:
    assert value('{"a": 18446744073709551615}') == {"a": 2**64 - 1}


@pytest.mark.parametrize(("text", "severity"), [('{"a": 1, "a": 2}', "warning"), ("a: 1\na: 2\n", "error")])
def test_a_repeated_key_is_an_error_but_in_compatible_mode_in_json_a_warning(text: str, severity: str) -> None:
    assert codes(text) == [("E002", "error")]
    assert codes(text, compatible=True) == [("E002", severity)]


@pytest.mark.parametrize(
    ("word", "code", "compatible_value"),
    [
        ("no", "E004", False),
        ("Yes", "E004", True),
        ("on", "E004", True),
        ("y", "E004", True),
        ("0644", "E005", 420),
        ("089", "E005", 89),
        ("0x1F", "E005", 31),
        ("0o17", "E005", 15),
        ("1_000", "E005", 1000),
        ("1e3", "E006", 1000),
        ("00706E470000", "E006", "00706E470000"),
        ("1" * 64, "E006", float("1" * 64)),
    ],
)
def test_a_word_that_yaml_tools_read_differently_must_be_quoted(word: str, code: str, compatible_value: object) -> None:
    assert codes(f"a: {word}\n") == [(code, "error")]
    assert value(f'a: "{word}"\n') == {"a": word}
    assert value(f"a: {word}\n", compatible=True) == {"a": compatible_value}


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("42", 42),
        ("-7", -7),
        ("1.5", 1.5),
        ("12:30:45", "12:30:45"),
        ("2026-11-25", "2026-11-25"),
        ("0123456789abcdef", "0123456789abcdef"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
    ],
)
def test_unquoted_words_follow_yaml_1_2(word: str, meaning: object) -> None:
    assert value(f"a: {word}\n") == {"a": meaning}


def test_a_number_that_is_not_finite_is_refused_in_both_modes() -> None:
    assert codes("a: .inf\n") == [("E006", "error")]
    assert codes("a: .inf\n", compatible=True)[-1] == ("E006", "error")


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("a: &x 1\nb: *x\n", "warning"),
        ("a: &x {}\n", "warning"),
        ("<<: {a: 1}\n", "warning"),
        ("a: !!binary aGk=\n", "warning"),
        ("a: !!python/object/apply:os.system [x]\n", "warning"),
        ("a: !local 1\n", "warning"),
        ("a: 1\n---\nb: 2\n", "warning"),
        ("? [a]\n: 1\n", "error"),
    ],
)
def test_yaml_features_that_manifests_do_not_use_are_refused_or_in_compatible_mode_told(
    text: str, severity: str
) -> None:
    assert codes(text) == [("E003", "error")]
    assert codes(text, compatible=True) == [("E003", severity)]


def test_an_explicit_text_tag_is_fine() -> None:
    assert value("a: !!str 0644\n") == {"a": "0644"}


@pytest.mark.parametrize("key", ["yes", "0644", "null", "true"])
def test_a_key_that_is_not_text_to_every_tool_must_be_quoted(key: str) -> None:
    assert codes(f"{key}: 1\n") == [("E004", "error")]
    assert codes(f'"{key}": 1\n') == []


@pytest.mark.parametrize("raw", [b"", b"\n# only a comment\n", b"null", b"---\n"])
def test_an_empty_document_is_refused(raw: bytes) -> None:
    assert codes(raw) == [("E001", "error")]


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbf{}", b"a: \xff\n", b'{"a": "\xc3"}', b"a: \0\n", b"\x7f\x01: 1"])
def test_what_is_no_text_is_refused(raw: bytes) -> None:
    assert codes(raw) == [("E001", "error")]


@pytest.mark.parametrize("text", ["[" * 70 + "]" * 70, '{"a":' * 70 + "1" + "}" * 70, "- " * 70 + "1"])
def test_depth_is_limited(text: str) -> None:
    assert codes(text) == [("E007", "error")]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, '{"a":' * 100_000])
def test_absurd_depth_is_refused_at_once(text: str) -> None:
    assert [severity for _, severity in codes(text)] == ["error"]


def test_size_is_limited() -> None:
    assert codes(b"a: " + b"x" * (8 << 20)) == [("E007", "error")]


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        ('{\n "k": "abc"}', 1, (2, 9)),
        ('{"k": "\\u00e9\\n\\ud83d\\ude00z"}', 3, (1, 28)),
        ("k: abc\n", 1, (1, 5)),
        ("k: 'a''bc'\n", 2, (1, 8)),
        ('k: "\\x41\\tb"\n', 2, (1, 11)),
        ("k: |\n  ab\n  cd\n", 4, (3, 4)),
        ("k: |\n\n   ab\n    cd\n", 5, (4, 5)),
        ("k: >\n  ab\n  cd\n", 4, (1, 4)),
        ("k: |2\n  ab\n", 1, (1, 4)),
        ("k: ab\n  cd\n", 5, (1, 4)),
    ],
)
def test_a_character_of_a_value_is_found_in_the_document(text: str, offset: int, place: tuple[int, int]) -> None:
    origin, _ = scalar(text, "k")
    line, column, shown = origin.locate(offset)
    assert (line, column) == place
    assert shown == text.split("\n")[line - 1]


def test_pointers_escape_slashes_and_tildes() -> None:
    _, root = read(b'{"/a~": {"b": [1]}}', name="x", compatible=False)
    assert isinstance(root, MapNode)
    inner = root.members[0].node
    assert isinstance(inner, MapNode)
    items = inner.members[0].node
    assert isinstance(items, ListNode)
    assert items.items[0].place.pointer == "/~1a~0/b/0"
