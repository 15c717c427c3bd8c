"""When to try again what has failed.  Pure: the time is an argument."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

MOST: Final = 1_000
LONGEST: Final = 60.0
"""Seconds between two tries of what may have passed by itself."""
REFUSED_AGAIN: Final = 600.0
"""Seconds until the very thing that was refused is asked again: the coordinator's circumstances may have changed."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """again: when it may be tried.  delay: seconds that were waited for it."""

    again: float
    delay: float


class Patience:
    """Remembers failures by what they were about; of more than MOST subjects the oldest is forgotten first.

    first: seconds after the first failure; twice as many after each that follows, up to LONGEST.
    """

    def __init__(self, first: float) -> None:
        self._first = first
        self._failures: dict[Hashable, _Failure] = {}

    def due(self, subject: Hashable, now: float) -> bool:
        """Whether it may be tried.  now: seconds of a monotonic clock."""
        failure = self._failures.get(subject)
        return failure is None or now >= failure.again

    def failed(self, subject: Hashable, now: float) -> None:
        """It failed, and may work by itself."""
        before = self._failures.get(subject)
        delay = self._first if before is None else min(2 * before.delay, max(LONGEST, self._first))
        self._remember(subject, _Failure(now + delay, delay))

    def refused(self, subject: Hashable, now: float) -> None:
        """It was understood, and refused."""
        self._remember(subject, _Failure(now + REFUSED_AGAIN, REFUSED_AGAIN))

    def worked(self, subject: Hashable) -> None:
        """It worked."""
        self._failures.pop(subject, None)

    def _remember(self, subject: Hashable, failure: _Failure) -> None:
        self._failures.pop(subject, None)
        self._failures[subject] = failure
        if len(self._failures) > MOST:
            del self._failures[next(iter(self._failures))]
