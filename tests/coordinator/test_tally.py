"""Counters that share what did not change."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.state.tally import NONE_COUNTED, Tally

_names = st.text(max_size=3)


@given(st.dictionaries(_names, st.integers()), st.lists(st.tuples(_names, st.integers(), st.booleans()), max_size=20))
def test_a_tally_counts_as_a_dictionary_does(begin: dict[str, int], changes: list[tuple[str, int, bool]]) -> None:
    tally, expected = Tally(begin), dict(begin)
    for name, number, adds in changes:
        before, seen = tally, dict(tally)
        if adds:
            tally, expected[name] = tally.plus(name, number), expected.get(name, 0) + number
        else:
            tally, expected[name] = tally.with_count(name, number), number
        assert seen == dict(before), "the one before is as it was"
    assert (expected, len(expected)) == (dict(tally), len(tally))
    assert expected == tally
    assert all(tally[name] == count for name, count in expected.items())


def test_a_name_that_was_never_counted_is_not_there() -> None:
    assert "web" not in NONE_COUNTED
    assert 0 == NONE_COUNTED.get("web", 0)
    assert 2 == NONE_COUNTED.plus("web", 2)["web"]
