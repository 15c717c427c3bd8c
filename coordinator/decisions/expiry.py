"""What is over by time alone: an update that waited, and requests to read secrets."""

from datetime import datetime

from coordinator.decisions.approvals import milliseconds
from coordinator.state import read_replay, update_replay
from coordinator.state.events import Event, ReadEnded, UpdateWithdrawn
from coordinator.state.model import Deployment


def expired_update(deployment: Deployment, now: datetime) -> tuple[Event, ...]:
    """The event that ends an update whose time is over; nothing where none is."""
    pending = deployment.pending
    if pending is None or pending.expires > now:
        return ()
    return (UpdateWithdrawn(milliseconds(now), update_replay.EXPIRED, ""),)


def expired_reads(deployment: Deployment, now: datetime) -> tuple[Event, ...]:
    """The events that end requests to read whose time is over."""
    return tuple(
        ReadEnded(milliseconds(now), name, read_replay.EXPIRED, "")
        for name, request in deployment.requests.items()
        if request.document.expires <= now
    )
