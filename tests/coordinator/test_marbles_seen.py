"""`GET /api/v2/marbles`: bounded, the newest first, and read back by the client as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.decisions.instances import alive_by_type
from coordinator.meters import OfType
from coordinator.state.events import ManifestSet, MarbleActivated
from coordinator.state.roll import Roll
from coordinator.wire.marbles import (
    MOST,
    Instance,
    Marbles,
    MarblesFormatError,
    Step,
    decode_limit,
    document,
    most_of,
    parse_document,
)
from coordinator.wire.v2 import BodyInvalid

_text = st.text(max_size=20)
_seconds = st.integers(0, 2**33).map(lambda seconds: seconds * 1000)
_numbers = st.integers(0, 2**31)
INSTANCES = st.builds(Instance, _text, _text, _text, _text, _seconds, _seconds, _numbers)
STEPS = st.builds(Step, _numbers, _text, st.booleans(), _seconds)
ANSWERS = st.builds(
    Marbles,
    _numbers,
    st.dictionaries(_text, _numbers, max_size=3),
    st.lists(INSTANCES, max_size=3).map(tuple),
    st.lists(STEPS, max_size=3).map(tuple),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=10,
)
FIELDS = ("total", "types", "steps", "instances")


@given(ANSWERS)
def test_the_client_reads_what_the_coordinator_says(answer: Marbles) -> None:
    assert answer == parse_document(document(answer))


@given(JSON | st.fixed_dictionaries(dict.fromkeys(FIELDS, st.just([]) | st.lists(JSON, max_size=2))))
def test_no_answer_makes_the_reader_fail_in_any_other_way(data: object) -> None:
    try:
        parse_document(data)
    except MarblesFormatError:
        return


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-29T02:00:00", "9999-99-99T00:00:00Z"])
def test_a_time_that_is_none_is_refused(moment: str) -> None:
    answer = document(Marbles(1, {"m": 1}, (Instance("m", "u", "tdx", "p", 1000, 2000, 1),), ()))
    assert parse_document(answer).newest[0].activated_ms == 1000
    answer["instances"][0]["activated"] = moment
    with pytest.raises(MarblesFormatError, match="expected a time"):
        parse_document(answer)


def test_an_answer_of_more_than_may_be_asked_for_is_refused() -> None:
    answer = document(Marbles(0, {}, (Instance("m", "u", "tdx", "p", 1000, 2000, 1),) * (MOST + 1), ()))
    with pytest.raises(MarblesFormatError, match="at most 1000"):
        parse_document(answer)


def test_a_limit_is_a_number_within_bounds() -> None:
    assert (100, 0, MOST) == (decode_limit(""), decode_limit("0"), decode_limit("1000"))
    for text in ("1001", "-1", "²", "1e2", "9" * 5000):
        with pytest.raises(BodyInvalid, match="expected a number from 0 to 1000"):
            decode_limit(text)


def test_the_types_of_most_instances_are_named() -> None:
    counts = {f"type-{n}": n for n in range(MOST + 10)}
    assert (MOST, MOST + 9, False) == (len(most_of(counts)), max(most_of(counts).values()), "type-9" in most_of(counts))


def test_the_newest_come_first_and_one_type_can_be_asked_for() -> None:
    roll = Roll()
    roll.note(ManifestSet(0, b"{}", 1, False, b"", {}, b""))
    for number, marble in enumerate("aabab"):
        roll.note(MarbleActivated(number, marble, str(number), b"", platform="tdx", package="p", until_ms=9))
    roll.note(MarbleActivated(9, "a", "0", b""))
    assert [("a", "0"), ("b", "4"), ("a", "3")] == [(one.marble, one.uuid) for one in roll.newest(3)]
    assert ["4", "2"] == [one.uuid for one in roll.newest(5, "b")]
    assert {"a": 3, "b": 2} == roll.by_type()
    assert ("tdx", "p", 9) == (roll.newest(5, "b")[0].platform, roll.newest(5, "b")[0].package, 9)


def test_metrics_count_who_is_alive_and_show_the_certificate_of_each_type_that_ends_last() -> None:
    roll = Roll()
    for number, (marble, until_ms) in enumerate([("a", 5000), ("a", 9000), ("a", 7000), ("a", 4000), ("b", 9000)]):
        roll.note(MarbleActivated(number * 1000, marble, str(number), b"", until_ms=until_ms))
    assert [OfType("a", 3, 1.0, 1.0, 9.0)] == alive_by_type(roll, {"a"}, 4000), "b is not in the manifest any more"
    assert ["a", "b"] == [one.marble for one in alive_by_type(roll, {"a", "b", "c"}, 8999)]
    assert [] == alive_by_type(roll, {"a", "b"}, 9000)
