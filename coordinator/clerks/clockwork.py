"""What happens without anybody's asking.

What has expired is over, what only time was missing to comes in force, and renewals of certificates are written down.
"""

import asyncio
from typing import Final

from coordinator.clerks.renewals import Renewals
from coordinator.clerks.updates import Updates
from coordinator.decisions.expiry import expired_reads, expired_update
from coordinator.desk import Desk, NotServing

_EVERY_SECONDS: Final = 15
"""How often the clock is looked at."""


class Clockwork:
    """Looks at the clock as long as its event loop runs, until `close`."""

    def __init__(self, desk: Desk, updates: Updates, renewals: Renewals) -> None:
        self._desk, self._updates, self._renewals = desk, updates, renewals
        self._clock = asyncio.get_running_loop().call_later(_EVERY_SECONDS, self._tick)
        self._round: asyncio.Future[None] | None = None

    async def look(self) -> None:
        """Do what is due now."""
        await self._end_expired()
        await self._updates.apply_due()
        await self._renewals.write()

    def close(self) -> None:
        """Look no more."""
        self._clock.cancel()

    async def _end_expired(self) -> None:
        """Write down what is over, so that a clock that is put back later does not bring it to life again."""
        desk = self._desk
        deployment = desk.state.deployment
        if not desk.serving or deployment is None:
            return
        now = desk.env.clock()
        if events := (*expired_update(deployment, now), *expired_reads(deployment, now)):
            try:
                await desk.durable(desk.enact(events))
            except NotServing as reason:
                desk.env.observer.error("what has expired is not written down", reason=str(reason))

    def _tick(self) -> None:
        self._round = asyncio.ensure_future(self.look())
        self._clock = asyncio.get_running_loop().call_later(_EVERY_SECONDS, self._tick)
