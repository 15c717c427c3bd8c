"""Which of several replicas is the leader: one Lease object, taken when nobody renews it.

As client-go's leader election does it (k8s.io/client-go/tools/leaderelection, package comment): a holder that was not
seen to renew for the lease's duration, by *our* clock since we last saw a change, has lost it; clocks of machines are
never compared.  A lease is a hint and no fence: the journal's storage refuses a writer who was overtaken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import CONFLICT
from typing import Any, Final

from coordinator.cluster.api import ClusterApi, Json
from coordinator.cluster.errors import ApiRefused

DURATION: Final = 15
"""Seconds without a renewal after which a lease may be taken."""
RENEW_EVERY: Final = 4.0
"""Seconds between two tries of holder and followers."""


@dataclass(frozen=True, slots=True)
class Leading:
    """We hold the lease."""


@dataclass(frozen=True, slots=True)
class Following:
    """We do not hold it.  holder: who does; empty where nobody does, and we let others go first.

    notes: what the holder says of itself, by name; proven by nothing.
    """

    holder: str
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """identity: unique for each start of a replica.  notes: what followers should know of the holder."""

    identity: str
    notes: Mapping[str, str]


class Election:
    """Tries for one lease.

    hesitation: asked when the lease may be taken, for how many seconds others go first; it may raise ClusterError.  It
    is told whether there is no lease at all yet.
    monotonic: seconds; wall: the time that people read in the object.
    """

    def __init__(
        self,
        api: ClusterApi,
        name: str,
        candidate: Candidate,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], datetime],
        hesitation: Callable[[bool], float] = lambda _first: 0,
    ) -> None:
        self._api, self._name, self._candidate = api, name, candidate
        self._hesitation, self._monotonic, self._wall = hesitation, monotonic, wall
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{api.namespace}/leases"
        self._seen: tuple[str, float] = ("", monotonic())

    def attempt(self) -> Leading | Following:
        """Renew the lease, take it if nobody holds it, or say who does.  Raises ClusterError."""
        try:
            return self._attempt()
        except ApiRefused as refused:
            if refused.status != CONFLICT:
                raise
            return self._attempt()  # somebody was faster: look who

    def release(self) -> None:
        """Let go of the lease if we hold it, so that another replica need not wait.  Raises ClusterError."""
        found = self._api.get(self._path)
        if found is not None and _holder(found) == self._candidate.identity:
            self._api.replace(self._path, self._lease(found, holder="", transitions=_transitions(found)))

    @property
    def _path(self) -> str:
        return f"{self._leases}/{self._name}"

    def _attempt(self) -> Leading | Following:
        found = self._api.get(self._path)
        holder = "" if found is None else _holder(found)
        if found is not None and holder == self._candidate.identity:
            self._api.replace(self._path, self._lease(found, holder, _transitions(found)))
            return Leading()
        version = "" if found is None else str(found.get("metadata", {}).get("resourceVersion", ""))
        if version != self._seen[0]:
            self._seen = (version, self._monotonic())
        unchanged = self._monotonic() - self._seen[1]
        held = _duration(found) if found is not None and holder else 0
        if found is not None and unchanged < held:
            return Following(holder, _notes(found))
        if unchanged < held + self._hesitation(found is None):
            return Following("", {})
        if found is None:
            self._api.create(self._leases, self._lease(None, self._candidate.identity, 0))
        else:
            self._api.replace(self._path, self._lease(found, self._candidate.identity, _transitions(found) + 1))
        return Leading()

    def _lease(self, found: Json | None, holder: str, transitions: int) -> Json:
        now = self._wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        notes = {f"{_PREFIX}{name}": value for name, value in self._candidate.notes.items()}
        metadata: dict[str, Any] = {"name": self._name, "annotations": notes}
        acquired = now
        if found is not None:  # what others wrote there stays: a chart's labels
            others = found["metadata"].get("annotations") or {}
            kept = {name: value for name, value in others.items() if not name.startswith(_PREFIX)}
            metadata = {**found["metadata"], "annotations": {**kept, **notes}}
            if _holder(found) == holder:
                acquired = _spec(found).get("acquireTime", now)
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION,
            "acquireTime": acquired,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _spec(found: Json) -> Json:
    spec = found.get("spec")
    return spec if isinstance(spec, dict) else {}


def _holder(found: Json) -> str:
    return str(_spec(found).get("holderIdentity") or "")


def _transitions(found: Json) -> int:
    number = _spec(found).get("leaseTransitions")
    return number if isinstance(number, int) else 0


def _duration(found: Json) -> float:
    """The holder's own word, within bounds: what it says cannot keep us away for longer than twice our own."""
    seconds = _spec(found).get("leaseDurationSeconds")
    return min(seconds, 2 * DURATION) if isinstance(seconds, int) and seconds > 0 else DURATION


def _notes(found: Json) -> Mapping[str, str]:
    annotations = found.get("metadata", {}).get("annotations") or {}
    return {
        str(name).removeprefix(_PREFIX): str(value) for name, value in annotations.items() if name.startswith(_PREFIX)
    }


_PREFIX: Final = "enclasp.io/"
