"""JSON that says the same to every reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.strict_json import parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_json_is_read_as_it_is(value: object) -> None:
    assert value == parse_json(json.dumps(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 1}', "stands twice"),
        ('[{"a": {"b": 1, "b": 2}}]', "stands twice"),
        ("NaN", "NaN is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": 1', "delimiter"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_json(text)


@given(st.binary(max_size=200))
def test_no_bytes_fail_in_any_other_way(raw: bytes) -> None:
    try:
        parse_json(raw)
    except ValueError:
        return
