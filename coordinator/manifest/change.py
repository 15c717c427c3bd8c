"""One change of a manifest, and how grave it is."""

from dataclasses import dataclass
from enum import IntEnum


class Gravity(IntEnum):
    """What a change does to the trust that people had in the first manifest; the most serious is the smallest."""

    WEAKENS = 1
    WIDENS = 2
    REPLACES = 3
    CHANGES = 4
    NARROWS = 5
    NEUTRAL = 6

    @property
    def word(self) -> str:
        """As it is written in reports."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Change:
    """One change.  path: JSON pointer of what changed; meaning: a sentence; before, after: short texts, or empty."""

    gravity: Gravity
    path: str
    meaning: str
    before: str = ""
    after: str = ""
