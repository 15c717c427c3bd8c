"""Which intermediates are trusted now, and which marbles still have a certificate of each."""

from dataclasses import dataclass
from datetime import datetime

from coordinator.state.model import Authority, Deployment
from coordinator.state.roll import Roll, SeenMarble


@dataclass(frozen=True, slots=True)
class Trusted:
    """One intermediate.  number: of the history's step that brought it; until: None for the one in force."""

    number: int
    until: datetime | None
    marbles: tuple[SeenMarble, ...]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """trusted: the one in force first.  cut_off: marbles that started under one that is trusted no more."""

    trusted: tuple[Trusted, ...]
    cut_off: tuple[SeenMarble, ...]


def hierarchy(deployment: Deployment, authority: Authority, roll: Roll, now: datetime) -> Hierarchy:
    """The standing of all intermediates."""
    number = len(deployment.history.versions)
    retired = authority.overlapping(now)
    trusted = (
        Trusted(number, None, roll.under(number)),
        *(Trusted(one.number, one.until, roll.under(one.number)) for one in retired),
    )
    numbers = {one.number for one in trusted}
    return Hierarchy(trusted, tuple(seen for seen in roll.before(number) if seen.number not in numbers))
