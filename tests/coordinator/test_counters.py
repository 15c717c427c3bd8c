"""Monotonic counters as decisions: bounded, and apart from each other."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.decisions import raise_counter as counters
from coordinator.decisions.errors import CounterRefused, GateClosed
from coordinator.decisions.marble_name import MarbleName
from coordinator.state.counters import counter_key
from coordinator.state.replay import condense, replay, replay_all
from tests.support.states import deployed_state

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ME = MarbleName("web", "3f2c1b7e-1111-4222-8333-944455566677")
GATES = {"FeatureGates": ["MonotonicCounter"]}
_text = st.text(max_size=3)


@given(st.tuples(_text, _text, _text), st.tuples(_text, _text, _text))
def test_no_two_counters_have_one_key(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (one == other) == (counter_key(*one) == counter_key(*other))


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2**64 - 1)), max_size=8))
def test_counters_are_the_largest_values_ever_sent_also_behind_a_snapshot(raises: list[tuple[str, int]]) -> None:
    state, expected = deployed_state(Config=GATES), {"a": 0, "b": 0}
    for name, value in raises:
        decision = counters.raise_counter(state, ME, name, value, now=NOON)
        assert expected[name] == decision.reply
        expected[name] = max(expected[name], value)
        for event in decision.events:
            state = replay(state, event)
    state = replay_all(condense(state))
    assert expected == {name: counters.raise_counter(state, ME, name, 0, now=NOON).reply for name in expected}


def test_a_deployment_keeps_a_bounded_number_of_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST", 2)
    state: Any = deployed_state(Config=GATES)
    for name in ("a", "b"):
        (event,) = counters.raise_counter(state, ME, name, 1, now=NOON).events
        state = replay(state, event)
    with pytest.raises(CounterRefused, match="keeps no more"):
        counters.raise_counter(state, ME, "c", 1, now=NOON)
    assert counters.raise_counter(state, ME, "a", 2, now=NOON).events, "those that are there can be raised"


def test_a_closed_gate_refuses() -> None:
    with pytest.raises(GateClosed):
        counters.raise_counter(deployed_state(), ME, "a", 1, now=NOON)
    state = deployed_state(Config=GATES)
    with pytest.raises(GateClosed):
        counters.raise_counter(replace(state, deployment=None), ME, "a", 1, now=NOON)
