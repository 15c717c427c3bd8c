"""Turns at the gate, without sockets."""

import asyncio
from typing import Any

import pytest

from coordinator.doors.gate import Gate, Turn
from coordinator.doors.limits import TlsLimits


class Visitor:
    def __init__(self, gate: Gate, address: str = "a") -> None:
        self.gate = gate
        self.started = self.gave_up = False
        self.turn = Turn(address, self._start, self._give_up)
        self.entered = gate.enter(self.turn)

    def _start(self) -> None:
        self.started = True

    def _give_up(self) -> None:
        self.gave_up = True
        self.gate.leave(self.turn)


@pytest.fixture
def gate() -> Any:
    def _gate(**limits: Any) -> Gate:
        return Gate(TlsLimits(**limits))

    return _gate


async def test_turns_are_given_in_the_order_of_arrival(gate: Any) -> None:
    door = gate(handshakes=2)
    visitors = [Visitor(door) for _ in range(4)]
    assert [visitor.started for visitor in visitors] == [True, True, False, False]
    door.handshake_over(visitors[1].turn)
    assert [visitor.started for visitor in visitors] == [True, True, True, False]
    assert (door.handshakes, door.connections) == (2, 4)


async def test_one_address_cannot_take_every_turn(gate: Any) -> None:
    door = gate(handshakes=4, address_share=3)
    greedy = [Visitor(door, "greedy") for _ in range(10)]
    modest = Visitor(door, "modest")
    assert 3 == sum(visitor.started for visitor in greedy)
    assert modest.started


async def test_addresses_take_turns(gate: Any) -> None:
    door = gate(handshakes=1)
    first = Visitor(door, "a")
    waiting = [Visitor(door, name) for name in ("a", "a", "b", "c")]
    order = []
    current = first
    for _ in waiting:
        door.handshake_over(current.turn)
        current = next(visitor for visitor in waiting if visitor.started and visitor.turn not in order)
        order.append(current.turn)
    assert ["a", "b", "c", "a"] == [turn.address for turn in order]


async def test_a_full_door_refuses_until_somebody_leaves(gate: Any) -> None:
    door = gate(connections=2)
    first, _ = Visitor(door), Visitor(door)
    assert not Visitor(door).entered
    door.leave(first.turn)
    assert Visitor(door).entered


async def test_the_slow_give_up_their_turn_only_when_others_wait(gate: Any) -> None:
    door = gate(handshakes=2, patience_seconds=0.03)
    slow = [Visitor(door), Visitor(door)]
    await asyncio.sleep(0.06)
    assert [False, False] == [visitor.gave_up for visitor in slow]
    late = Visitor(door)
    assert not late.started
    await asyncio.sleep(0.06)
    assert [True, True] == [visitor.gave_up for visitor in slow]
    assert late.started


async def test_who_leaves_while_waiting_is_forgotten_and_may_say_so_twice(gate: Any) -> None:
    door = gate(handshakes=1)
    first, second, third = Visitor(door), Visitor(door, "b"), Visitor(door, "c")
    door.leave(second.turn)
    door.handshake_over(first.turn)
    door.handshake_over(first.turn)
    assert [False, True] == [second.started, third.started]
    door.leave(first.turn)
    door.leave(third.turn)
    assert (0, 0) == (door.connections, door.handshakes)
