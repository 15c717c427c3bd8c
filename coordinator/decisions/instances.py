"""Which marbles have joined: how many of each type, and the newest with how far each is trusted."""

from collections.abc import Collection
from datetime import datetime

from coordinator.meters import OfType
from coordinator.state.model import Authority, Deployment
from coordinator.state.roll import MOST, Roll, SeenMarble
from coordinator.wire.history import parse_entry
from coordinator.wire.marbles import Instance, Marbles, Step, most_of


def instances(
    deployment: Deployment, authority: Authority, roll: Roll, now: datetime, *, most: int, marble: str
) -> Marbles:
    """At most that many of the newest.  marble: only of this type; empty: of all."""
    seen = roll.newest(most, marble)
    counts = roll.by_type()
    newest = tuple(
        Instance(one.marble, one.uuid, one.platform, one.package, one.time_ms, one.until_ms, one.number, one.renewed_ms)
        for one in seen
    )
    return Marbles(counts.total(), most_of(counts), newest, _steps(deployment, authority, newest, now))


def alive_by_type(roll: Roll, types: Collection[str], now_ms: float) -> list[OfType]:
    """Marbles of these types whose certificate has not ended.  A type without any is left out."""
    alive: dict[str, list[SeenMarble]] = {}
    for one in roll.newest(MOST):
        if one.until_ms > now_ms and one.marble in types:
            alive.setdefault(one.marble, []).append(one)
    found = []
    for marble, them in sorted(alive.items()):
        last = max(them, key=lambda one: one.until_ms)
        issued = max(last.time_ms, last.renewed_ms)
        found.append(OfType(marble, len(them), last.time_ms / 1000, issued / 1000, last.until_ms / 1000))
    return found


def _steps(
    deployment: Deployment, authority: Authority, newest: tuple[Instance, ...], now: datetime
) -> tuple[Step, ...]:
    versions, current = deployment.history.versions, len(deployment.history.versions)
    overlapping = {one.number: one.until for one in authority.overlapping(now)}
    return tuple(
        Step(
            number,
            parse_entry(versions[number - 1].entry).manifest.hex(),
            number == current or number in overlapping,
            int(overlapping[number].timestamp()) * 1000 if number in overlapping else 0,
        )
        for number in sorted({one.step for one in newest}, reverse=True)
        if 1 <= number <= current
    )
