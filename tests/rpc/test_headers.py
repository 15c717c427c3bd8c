"""Header blocks, before and after `hpack` unpacks them."""

import pytest
from hpack import Decoder, Encoder, HPACKDecodingError, HPACKError
from hypothesis import given
from hypothesis import strategies as st

from coordinator.rpc.headers import HeaderDecoder

SIZES = (b"\x20", b"\x3e", b"\x3f\x00", b"\x3f\xe1\x1f")
FIELDS = Encoder().encode([(b"x", b"y")])


@given(st.lists(st.sampled_from(SIZES), max_size=2))
def test_a_table_changes_its_size_twice_before_the_fields(sizes: list[bytes]) -> None:
    assert [(b"x", b"y")] == HeaderDecoder().decode(b"".join(sizes) + FIELDS, raw=True)


@given(st.lists(st.sampled_from(SIZES), min_size=3, max_size=6))
def test_and_no_more_often(sizes: list[bytes]) -> None:
    with pytest.raises(HPACKDecodingError, match="expected at most 2 table sizes"):
        HeaderDecoder().decode(b"".join(sizes) + FIELDS, raw=True)


@given(st.binary(max_size=40))
def test_whatever_else_a_block_holds_is_left_to_hpack(block: bytes) -> None:
    ours, theirs = (_outcome(decoder, block) for decoder in (HeaderDecoder(), Decoder()))
    assert ours in (theirs, HPACKDecodingError)


def _outcome(decoder: Decoder, block: bytes) -> object:
    try:
        return decoder.decode(block, raw=True)
    except HPACKError as refusal:
        return type(refusal)
