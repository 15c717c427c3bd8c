"""`Decision`: what follows when a request is granted."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from coordinator.decisions.errors import WrongPhase
from coordinator.state.events import Event
from coordinator.state.model import State
from coordinator.state.phase import ADMITS, Ask

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Decision(Generic[R]):
    """events: to be kept in the journal and replayed into the State; reply: for the one who asked."""

    events: tuple[Event, ...]
    reply: R


def admit(state: State, ask: Ask) -> None:
    """Raises WrongPhase if the State's phase does not admit `ask`."""
    if ask not in ADMITS[state.phase]:
        raise WrongPhase(ask, state.phase)
