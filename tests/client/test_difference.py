"""Where two manifests differ."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.client.difference import differing_lines


@pytest.mark.parametrize(
    ("yours", "active", "line", "left", "right"),
    [
        (b"a\nb\n", b"a\nc\n", 2, "b", "c"),
        (b"a\n", b"a\nb\n", 2, None, "b"),
        (b"a\nb\n", b"a\n", 2, "b", None),
        (b"a\n", b"a", 1, "a", "a (no newline at the end)"),
        (b"a\r\n", b"a\n", 1, "b'a\\r\\n'", "a"),
        (b"", b"a\n", 1, None, "a"),
    ],
)
def test_the_first_difference_has_a_place(
    yours: bytes, active: bytes, line: int, left: str | None, right: str | None
) -> None:
    difference = differing_lines(yours, active, name="x")
    assert difference is not None
    assert (line, left, right) == (difference.line, difference.yours, difference.active)


@settings(max_examples=200)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_bytes_that_differ_have_lines_that_differ(yours: bytes, active: bytes) -> None:
    difference = differing_lines(yours, active, name="x")
    if yours == active:
        assert difference is None
    else:
        assert difference is not None
        assert difference.yours != difference.active


@pytest.mark.parametrize(
    ("yours", "active", "only"),
    [(b"a\r\nb\r\n", b"a\nb\n", True), (b"a\nb", b"a\nb\n", True), (b"a\r\nb\n", b"a\nc\n", False)],
)
def test_other_ends_of_lines_alone_are_told_as_such(yours: bytes, active: bytes, only: bool) -> None:
    difference = differing_lines(yours, active, name="x")
    assert difference is not None
    assert only == difference.only_line_ends
