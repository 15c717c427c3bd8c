"""Which marbles have a certificate of which hierarchy: so that people see who still has one of before an update.

A bounded memory beside the State, filled from the journal's records, as `single_use.py` is.
"""

from collections import Counter
from heapq import nlargest
from typing import Final

from coordinator.state.events import (
    Event,
    ManifestSet,
    ManifestUpdated,
    MarbleActivated,
    MarblesRenewed,
    MarblesSeen,
    PackagesRaised,
    RenewedMarble,
    UpdatesKept,
)
from coordinator.state.events import SeenMarble as SeenMarble

MOST: Final = 10_000
"""Marbles that are remembered; those that were heard of longest ago are forgotten first."""


class Roll:
    """Marbles by type and UUID, each with the hierarchy that its certificate is of; who was last heard of at the end.

    A hierarchy is known by its number: how many steps the deployment's history had when it was issued.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], SeenMarble] = {}
        self._number = 0

    def note(self, event: Event) -> None:
        """One more record of the journal, in order."""
        match event:
            case MarbleActivated():
                seen = SeenMarble(
                    event.marble,
                    event.uuid,
                    self._number,
                    event.time_ms,
                    event.platform,
                    event.package,
                    event.until_ms,
                )
                self._put(seen)
            case MarblesRenewed():
                for renewed in event.marbles:
                    self.renewed(renewed)
            case MarblesSeen():
                self._seen = {(seen.marble, seen.uuid): seen for seen in event.marbles}
            case ManifestSet():
                self._number = 1
            case UpdatesKept():
                self._number = len(event.history)
            case ManifestUpdated() | PackagesRaised():
                self._number += 1

    def renewed(self, one: RenewedMarble) -> None:
        """A marble has another certificate; what is older than what is known of it says nothing."""
        known = self._seen.get((one.marble, one.uuid))
        if known is not None and one.time_ms < max(known.time_ms, known.renewed_ms):
            return
        started = one.time_ms if known is None else known.time_ms
        places = (one.platform, one.package, one.until_ms)
        self._put(SeenMarble(one.marble, one.uuid, one.number, started, *places, renewed_ms=one.time_ms))

    def under_law(self, number: int) -> None:
        """Who joins from now on does so under this hierarchy."""
        self._number = number

    def kept(self) -> MarblesSeen:
        """What a snapshot keeps of it."""
        return MarblesSeen(tuple(self._seen.values()))

    def newest(self, most: int, marble: str = "") -> tuple[SeenMarble, ...]:
        """At most that many, the last one that started first.  marble: only of this type; empty: of all."""
        seen = (one for one in reversed(self._seen.values()) if not marble or one.marble == marble)
        return tuple(nlargest(most, seen, key=lambda one: one.time_ms))

    def by_type(self) -> Counter[str]:
        """How many of each type are remembered."""
        return Counter(marble for marble, _ in self._seen)

    def under(self, number: int) -> tuple[SeenMarble, ...]:
        """The marbles whose certificate is of this hierarchy, the one that was last heard of at the end."""
        return tuple(seen for seen in self._seen.values() if seen.number == number)

    def before(self, number: int) -> tuple[SeenMarble, ...]:
        """The marbles whose certificate is of an earlier hierarchy than this."""
        return tuple(seen for seen in self._seen.values() if seen.number < number)

    def _put(self, seen: SeenMarble) -> None:
        key = (seen.marble, seen.uuid)
        self._seen.pop(key, None)
        self._seen[key] = seen
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
