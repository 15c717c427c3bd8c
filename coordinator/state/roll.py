"""Which marbles joined last under which hierarchy: so that people see who still has a certificate of before an update.

A bounded memory beside the State, filled from the journal's records, as `single_use.py` is.
"""

from collections import Counter
from itertools import islice
from typing import Final

from coordinator.state.events import (
    Event,
    ManifestSet,
    ManifestUpdated,
    MarbleActivated,
    MarblesSeen,
    PackagesRaised,
    UpdatesKept,
)
from coordinator.state.events import SeenMarble as SeenMarble

MOST: Final = 10_000
"""Marbles that are remembered; those that joined longest ago are forgotten first."""


class Roll:
    """Marbles by type and UUID, each with the hierarchy of its last start.

    A hierarchy is known by its number: how many steps the deployment's history had when it was issued.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], SeenMarble] = {}
        self._number = 0

    def note(self, event: Event) -> None:
        """One more record of the journal, in order."""
        match event:
            case MarbleActivated():
                key = (event.marble, event.uuid)
                self._seen.pop(key, None)
                self._seen[key] = SeenMarble(
                    event.marble,
                    event.uuid,
                    self._number,
                    event.time_ms,
                    event.platform,
                    event.package,
                    event.until_ms,
                )
                if len(self._seen) > MOST:
                    del self._seen[next(iter(self._seen))]
            case MarblesSeen():
                self._seen = {(seen.marble, seen.uuid): seen for seen in event.marbles}
            case ManifestSet():
                self._number = 1
            case UpdatesKept():
                self._number = len(event.history)
            case ManifestUpdated() | PackagesRaised():
                self._number += 1

    def under_law(self, number: int) -> None:
        """Who joins from now on does so under this hierarchy."""
        self._number = number

    def kept(self) -> MarblesSeen:
        """What a snapshot keeps of it."""
        return MarblesSeen(tuple(self._seen.values()))

    def newest(self, most: int, marble: str = "") -> tuple[SeenMarble, ...]:
        """At most that many, the last one that started first.  marble: only of this type; empty: of all."""
        seen = reversed(self._seen.values())
        return tuple(islice((one for one in seen if not marble or one.marble == marble), most))

    def by_type(self) -> Counter[str]:
        """How many of each type are remembered."""
        return Counter(marble for marble, _ in self._seen)

    def under(self, number: int) -> tuple[SeenMarble, ...]:
        """The marbles whose last start was under this hierarchy, the last one that started at the end."""
        return tuple(seen for seen in self._seen.values() if seen.number == number)

    def before(self, number: int) -> tuple[SeenMarble, ...]:
        """The marbles whose last start was under an earlier hierarchy than this."""
        return tuple(seen for seen in self._seen.values() if seen.number < number)
