"""The signed standing of a journal: its bytes are unambiguous, and nothing else passes for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.client.errors import Distrusted
from coordinator.client.standing import Seen, SeenFormatError, decode_seen, encode_seen, follows
from coordinator.wire import standing as wire
from coordinator.wire.standing import (
    Standing,
    StandingFormatError,
    document,
    parse,
    parse_for_replica,
    replica_document,
    signed_bytes,
)
from coordinator.wire.v2 import BodyInvalid

_link = st.binary(min_size=32, max_size=32)
_number = st.integers(0, 2**63 - 1)
STANDINGS = st.builds(
    Standing, st.binary(min_size=16, max_size=16), _number, _link, st.none() | _number, st.just(b"") | _link
)
_json = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))


@given(STANDINGS, st.binary(max_size=20))
def test_a_standing_goes_through_json_and_back(standing: Standing, signature: bytes) -> None:
    assert (standing, signature) == parse(json.loads(json.dumps(document(standing, signature))))


@given(STANDINGS, _number)
def test_one_for_a_replica_does_too(standing: Standing, accepted: int) -> None:
    assert (standing, accepted) == parse_for_replica(json.loads(json.dumps(replica_document(standing, accepted))))


@pytest.mark.parametrize("accepted", [None, -1, 1.5, True, "1", 2**63])
def test_a_number_of_acceptances_that_is_none_is_refused(accepted: object) -> None:
    data = replica_document(Standing(b"j" * 16, 7, b"l" * 32, None, b""), 0)
    assert 0 == parse_for_replica(data)[1]
    with pytest.raises(StandingFormatError, match="accepted"):
        parse_for_replica(data | {"accepted": accepted})


@given(STANDINGS, STANDINGS, st.binary(max_size=3), st.binary(max_size=3))
def test_no_two_answers_have_the_same_signed_bytes(one: Standing, two: Standing, a: bytes, b: bytes) -> None:
    assert ((one, a) == (two, b)) == (signed_bytes(one, a) == signed_bytes(two, b))


@given(
    _json
    | st.dictionaries(
        st.sampled_from(["journal", "sequence", "link", "asked", "linkAsked", "signature", "accepted"]), _json
    )
)
def test_nothing_else_is_a_standing(data: object) -> None:
    for read in (parse, parse_for_replica):
        with pytest.raises(StandingFormatError):
            read(data)


@given(st.builds(Seen, st.binary(min_size=16, max_size=16), _number, _link))
def test_what_was_seen_is_remembered_as_it_was(seen: Seen) -> None:
    assert seen == decode_seen(encode_seen(seen))


@given(st.binary(max_size=60))
def test_no_bytes_make_the_memory_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(SeenFormatError):
        decode_seen(raw)


SEEN = Seen(b"j" * 16, 7, b"l" * 32)


@pytest.mark.parametrize(
    ("standing", "known"),
    [
        (Standing(b"j" * 16, 7, b"l" * 32, 7, b"l" * 32), True),
        (Standing(b"j" * 16, 9, b"m" * 32, 7, b"l" * 32), True),
        (Standing(b"j" * 16, 9_000, b"m" * 32, 7, b""), False),
    ],
)
def test_a_state_that_goes_on_is_accepted(standing: Standing, known: bool) -> None:
    assert known is follows(standing, SEEN)


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (Standing(b"k" * 16, 9, b"m" * 32, 7, b"l" * 32), "founded anew"),
        (Standing(b"j" * 16, 6, b"m" * 32, 7, b""), "record 6: older"),
        (Standing(b"j" * 16, 9, b"m" * 32, 7, b"x" * 32), "another one"),
    ],
)
def test_one_that_does_not_is_refused(standing: Standing, said: str) -> None:
    with pytest.raises(Distrusted, match=said) as refused:
        follows(standing, SEEN)
    assert "U571" == refused.value.code


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "9" * 19, "\u0661"])
def test_a_record_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BodyInvalid):
        wire.decode_sequence(text)
    assert 12 == wire.decode_sequence("12")
    assert wire.decode_sequence("") is None


def test_a_nonce_is_bounded() -> None:
    assert bytes(64) == wire.decode_short_nonce(bytes(64))
    with pytest.raises(BodyInvalid):
        wire.decode_short_nonce(bytes(65))
