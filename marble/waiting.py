"""How does a marble wait for a coordinator that is not there, or does not do yet what it asks?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Final

FIRST_DELAY_SECONDS: Final = 0.5
SILENCE_SECONDS: Final = 60.0

_log = logging.getLogger("marble")


def _read_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - shell: reads the clock


@dataclass(frozen=True, slots=True)
class World:
    """What the shell reads from outside: the time (UTC), waiting (seconds), and chance (0 up to 1)."""

    now: Callable[[], datetime] = _read_clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = SystemRandom().random


class Waiting:
    """Longer and longer pauses with jitter: a line for each; when they grow no more, for a new reason or each minute.

    A marble may wait for days until somebody sets the manifest.
    """

    def __init__(self, what: str, world: World, most_seconds: float) -> None:
        """what: begins each line.  most_seconds: the longest pause."""
        self._what = what
        self._world = world
        self._most = most_seconds
        self._longest = FIRST_DELAY_SECONDS
        self._silent_seconds = SILENCE_SECONDS
        self.reason = "no answer yet"
        self.advice = ""

    async def after(self, reason: str) -> None:
        """Wait between half and all of the present pause, then double it up to the longest.

        Of the reason the first line is told; a hint of the coordinator's is what to do in the end.
        """
        reason, _, self.advice = reason.partition("\n  hint: ")
        reason = reason.partition("\n")[0]
        delay = self._longest * (0.5 + self._world.chance() / 2)
        if self._longest < self._most or reason != self.reason or self._silent_seconds >= SILENCE_SECONDS:
            _log.info("%s: %s, next try in %.1f s", self._what, reason, delay)
            self._silent_seconds = 0.0
        self.reason = reason
        self._silent_seconds += delay
        self._longest = min(self._longest * 2, self._most)
        await self._world.sleep(delay)
