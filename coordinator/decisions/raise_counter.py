"""A marble raises, or reads, one of its monotonic counters (contract 1.13)."""

from datetime import datetime
from typing import Final

from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import CounterRefused
from coordinator.decisions.gates import through_gate
from coordinator.decisions.marble_name import MarbleName
from coordinator.manifest.model import FeatureGate
from coordinator.state.counters import LONGEST_NAME, MOST, counter_key
from coordinator.state.events import CounterRaised, Event
from coordinator.state.model import State
from coordinator.state.phase import Ask

_LARGEST: Final = 2**64 - 1


def raise_counter(state: State, marble: MarbleName, name: str, value: int, *, now: datetime) -> Decision[int]:
    """Raise the counter to `value` if it is lower; the reply is its value before.  A new counter begins at 0.

    Raises WrongPhase, GateClosed, CounterRefused.
    """
    admit(state, Ask.RAISE_COUNTER)
    counters = through_gate(state, FeatureGate.MONOTONIC_COUNTER).counters
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise CounterRefused(f"name of a counter: expected at most {LONGEST_NAME} bytes, got {len(name)} characters")
    if not 0 <= value <= _LARGEST:
        raise CounterRefused(f"counter: expected a value from 0 to {_LARGEST}, got {value}")
    key = counter_key(marble.type, marble.uuid, name)
    before = counters.get(key, 0)
    if value <= before:
        return Decision((), before)
    if key not in counters and len(counters) >= MOST:
        raise CounterRefused(f"this deployment has {MOST} counters already, and keeps no more")
    events: tuple[Event, ...] = (CounterRaised(int(now.timestamp() * 1000), marble.type, marble.uuid, name, value),)
    return Decision(events, before)
