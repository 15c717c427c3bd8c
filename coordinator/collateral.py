"""A running Coordinator says in time when its collateral ends: without it no evidence is accepted any more."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from attestation.endorsements import Endorsements
from attestation.freshness import Part, State, gravest, parts_of
from coordinator.observe import Observer

_EVERY_SECONDS: Final = 3600.0


async def watch_collateral(endorsements: Endorsements, observer: Observer, clock: Callable[[], datetime]) -> None:
    """Look at once and every hour, for ever."""
    parts = parts_of(endorsements)
    while True:
        say_collateral(parts, observer, clock())
        await asyncio.sleep(_EVERY_SECONDS)


def say_collateral(parts: Sequence[Part], observer: Observer, now: datetime) -> None:
    """A metric with the first date at which a part ends, and a warning for each part that ends soon or has ended."""
    dates = [part.next_update for part in parts if part.next_update is not None]
    if dates:
        observer.meters.collateral(min(dates))
    if gravest(parts, now) is State.CURRENT:
        return
    for part in parts:
        if part.state(now) is not State.CURRENT:
            observer.warning(
                "collateral is to be replaced: `enclasp collateral fetch`, then restart the coordinator with it",
                platform=part.platform,
                part=part.sentence(now),
            )
