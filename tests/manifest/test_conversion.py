"""YAML becomes the bytes that MarbleRun's command line sends: they decide the fingerprint."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.conversion import convert, quoted
from coordinator.manifest.errors import ManifestInvalid, Severity
from coordinator.manifest.go_float import general, json_number
from coordinator.manifest.parse import examine, parse

RECORDED = json.loads((Path(__file__).parents[1] / "vectors" / "manifest" / "yaml_go.json").read_text())["cases"]
TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def converted(text: str) -> str | None:
    """The bytes as text; None where the document is refused."""
    try:
        return convert(text.encode(), name="m.yaml").raw.decode()
    except ManifestInvalid:
        return None


def refusal_of(raw: bytes) -> list[int] | None:
    """The lines of the errors; None where the document is converted."""
    try:
        convert(raw, name="m")
    except ManifestInvalid as refused:
        return [finding.line for finding in refused.findings if finding.severity is Severity.ERROR]
    return None


def test_every_recorded_document_becomes_the_recorded_bytes() -> None:
    assert len(RECORDED) > 300
    wrong = [case["yaml"] for case in RECORDED if converted(case["yaml"]) != case.get("json")]
    # An empty flow collection as a key: the library makes something else of it altogether.
    assert not [text for text in wrong if text not in ("[]: 1", "{}: 1")]


# The rows of contract 6.3, as values of one key.
ROWS: dict[str, list[tuple[str, str]]] = {
    "booleans": [(word, "true") for word in ("yes", "on", "true", "y", "Y", "ON")]
    + [(word, "false") for word in ("no", "off", "false", "n", "N", "No")],
    "null": [("~", "null"), ("", "null"), ("null", "null")],
    "integers": [("12", "12"), ("0x1F", "31"), ("0b101", "5"), ("0o17", "15"), ("1_000", "1000")],
    "leading zeros are octal": [("010", "8"), ("0755", "493"), ("0_17", "15")],
    "but not 08 and 0800": [("08", "8"), ("0800", "800")],
    "beyond 64 bits": [("123456789012345678901234567890", "1.2345678901234568e+29")],
    "floats": [("1e3", "1000"), ("3.0", "3"), ("1e21", "1e+21"), ("1e-7", "1e-7"), ("0.000001", "0.000001")],
    "timestamps": [("2001-01-01", '"2001-01-01"'), ("2001-01-01T10:00:00Z", '"2001-01-01T10:00:00Z"')],
    "sexagesimal": [("12:30:45", '"12:30:45"'), ("190:20", '"190:20"')],
    "binary and unknown tags": [("!!binary aGk=", '"hi"'), ("!mine 12", '"12"')],
    "escapes": [
        ('"<>&\\u2028\\u2029"', '"\\u003c\\u003e\\u0026\\u2028\\u2029"'),
        ('"\\x01\\t\\x7f"', '"\\u0001\\t\x7f"'),
    ],
    "UTF-8 is kept": [("héllo", '"héllo"')],
}


@pytest.mark.parametrize(("value", "expected"), [pair for row in ROWS.values() for pair in row])
def test_6_3_a_value_is_converted_as_measured(value: str, expected: str) -> None:
    assert converted(f"a: {value}") == f'{{"a":{expected}}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"b": 1,\n "a":  1.50, "a": 2}\n', '{"b": 1,\n "a":  1.50, "a": 2}\n'),
        ("b: 1\na: 2\n", '{"a":2,"b":1}'),
        ("a: 1\n---\nb: 2\n", '{"a":1}'),
        ("", "null"),
        ("yes: 1\n2: 3\n0.5: 4\n", '{"0.5":4,"2":3,"true":1}'),
        ("a: &x {k: 1}\nb: *x\n", '{"a":{"k":1},"b":{"k":1}}'),
        ("a: &x {k: 1}\nb: {<<: *x, l: 2}\n", '{"a":{"k":1},"b":{"k":1,"l":2}}'),
        ("a: 1\na: 2\n", None),
        ("a: .inf\n", None),
        ("~: 1\n", None),
    ],
)
def test_6_3_a_document_is_converted_as_measured(text: str, expected: str | None) -> None:
    assert converted(text) == expected


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_a_json_document_is_sent_as_it_is(value: Any) -> None:
    raw = json.dumps(value, indent=1).encode()
    result = convert(raw, name="m.json")
    assert (raw, True) == (result.raw, result.is_as_given)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_what_a_yaml_document_means_is_what_its_json_says(value: Any) -> None:
    # JSON that begins with a comment is YAML.
    result = convert(b"# comment\n" + json.dumps(value, ensure_ascii=False).encode(), name="m.yaml")
    assert json.loads(result.raw) == value
    assert convert(result.raw, name="m.json").raw == result.raw


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "replace")))
@settings(max_examples=300, deadline=None)
def test_any_text_is_converted_to_json_or_refused_with_a_place(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    places = refusal_of(raw)
    if places is None:
        json.loads(convert(raw, name="m").raw)
    else:
        assert places
        assert min(places) >= 1


@given(st.text(max_size=40))
def test_a_quoted_text_reads_back(text: str) -> None:
    assert json.loads(quoted(text)) == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_from_both_forms(value: float) -> None:
    assert float(json_number(value)) == value
    assert float(general(value)) == value


def test_numbers_are_written_as_go_writes_them() -> None:
    assert [general(v) for v in (1e5, 1e6, 1234567.0, 1e-4, 1e-5, 3.0, 1e100)] == (
        ["100000", "1e+06", "1.234567e+06", "0.0001", "1e-05", "3", "1e+100"]
    )
    assert [json_number(v) for v in (1e20, 1e21, 1e-6, 1e-7, -0.0)] == (
        ["100000000000000000000", "1e+21", "0.000001", "1e-7", "-0"]
    )
    assert general(16777217.0, bits=32) == "1.6777216e+07"


def test_an_alias_bomb_is_refused_with_bounded_work() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ManifestInvalid) as refused:
        convert("\n".join(lines).encode(), name="bomb.yaml")
    assert [f.code for f in refused.value.findings if f.severity is Severity.ERROR] == ["E007"]


def test_each_surprise_is_said_with_its_place_and_what_marblerun_reads() -> None:
    result = convert(b"a: no\nb: 0755\nc: &x 1\nd: *x\ne: !mine z\n", name="m.yaml")
    assert {(f.code, f.line) for f in result.findings} == {("E004", 1), ("E005", 2), ("E003", 3), ("E003", 5)}
    assert "MarbleRun reads false" in result.findings[0].message
    assert "MarbleRun reads the number 493" in result.findings[1].message


MANIFEST = """Packages:
  p: &p {UniqueID: "%s"}
Marbles:
  m: {Package: p, MaxActivations: 010, Parameters: {Env: {A: &text hello, B: *text}}}
""" % ("ab" * 32)


def test_a_document_is_read_as_its_conversion_is() -> None:
    here = parse(MANIFEST.encode(), name="m.yaml", compatible=True).manifest
    there = parse(convert(MANIFEST.encode(), name="m.yaml").raw, name="m.json", compatible=True).manifest
    assert (here.marbles, here.packages["p"].alternatives[0].kind) == (
        there.marbles,
        there.packages["p"].alternatives[0].kind,
    )
    assert here.marbles["m"].max_activations == 8


def test_without_compatible_nothing_of_it_is_accepted() -> None:
    codes = {f.code for f in examine(MANIFEST.encode(), name="m", compatible=False).findings}
    assert "E003" in codes
