"""CBOR from outside: one value, few types, nothing that runs."""

from contextlib import suppress

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.cbor import decode, encode
from attestation.errors import EvidenceFormatError

LEAVES = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda items: (
        st.lists(items, max_size=4) | st.dictionaries(st.integers(0, 2**32) | st.text(max_size=9), items, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=60)
def test_what_was_encoded_is_decoded_again(value: object) -> None:
    assert value == decode(encode(value), "value")


@given(st.binary(max_size=80))
@settings(max_examples=200)
def test_no_bytes_make_the_decoder_fail_in_any_other_way(raw: bytes) -> None:
    for indefinite in (False, True):
        with suppress(EvidenceFormatError):
            decode(raw, "value", tags=frozenset({18, 399}), indefinite=indefinite)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("nothing", ""),
        ("a cut value", "820102"[:4]),
        ("trailing bytes", "0101"),
        ("a key twice", "a201020103"),
        ("indefinite length", "9f01ff"),
        ("a regular expression", "d8236161"),
        ("a shared value that holds itself", "d81c81d81d00"),
        ("a big integer", "c24101"),
        ("a float", "f93c00"),
        ("undefined", "f7"),
        ("a simple value", "f0"),
        ("a list as key", "a18001"),
        ("a boolean as key", "a1f501"),
        ("text that is no UTF-8", "62c328"),
        ("a length of 2^63", "5b7fffffffffffffff"),
        ("a list of 2^63", "9b7fffffffffffffff"),
        ("depth", "81" * 40 + "01"),
        ("a tag of another kind", "d9018e01"),
    ],
)
def test_what_evidence_never_holds_is_refused(name: str, raw: str) -> None:
    with pytest.raises(EvidenceFormatError, match="value: expected"):
        decode(bytes.fromhex(raw), "value", tags=frozenset({18, 399}))


def test_no_tag_is_decoded_that_was_not_asked_for() -> None:
    for tag in (*range(300), 399, 1001, 43000, 55799, 2**40):
        for content in (b"\x01", b"\x61a", b"\x41a", b"\x80", b"\xa0", b"\x82\x01\x02"):
            raw = encode(cbor2.CBORTag(tag, 0))[:-1] + content
            with pytest.raises(EvidenceFormatError):
                decode(raw, "value")


def test_a_tag_that_was_asked_for_is_kept() -> None:
    value = decode(encode(cbor2.CBORTag(399, [1])), "value", tags=frozenset({399}))

    assert isinstance(value, cbor2.CBORTag)
    assert (399, [1]) == (value.tag, list(value.value))


def test_indefinite_lengths_are_read_where_they_are_allowed_but_no_key_twice() -> None:
    assert {1: 2} == decode(bytes.fromhex("bf0102ff"), "value", indefinite=True)
    with pytest.raises(EvidenceFormatError, match="Duplicate"):
        decode(bytes.fromhex("bf01020103ff"), "value", indefinite=True)
