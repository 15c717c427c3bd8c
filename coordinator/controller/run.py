"""Composition of the controller's process."""

import logging
import secrets
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from coordinator.client.client import CoordinatorClient
from coordinator.client.transport import Answer, Request
from coordinator.client.verify import VerifiedDeployment
from coordinator.cluster.account import Account, find_account
from coordinator.cluster.api import ClusterApi, Json
from coordinator.cluster.errors import ClusterError
from coordinator.cluster.lease import RENEW_EVERY, Candidate, Election, Leading
from coordinator.controller.health import HealthDoor, Pulse
from coordinator.controller.reconcile import Visit
from coordinator.controller.rounds import Controller

_log = logging.getLogger("enclasp.controller")


@dataclass(frozen=True, slots=True)
class Settings:
    """endpoint: of objects that name none.  interval: seconds between rounds.  marbles: how many get an object at most.

    pods: namespaces in which marbles' pods are looked for.
    lease: name of the Lease by which one of several controllers acts; empty: this is the only one.
    health: the port where probes are answered; 0: nowhere.
    """

    endpoint: str
    compatible: bool
    interval: float
    marbles: int
    pods: tuple[str, ...]
    lease: str
    health: int


def run(visit: Visit, settings: Settings, environ: Mapping[str, str]) -> None:
    """Rounds until SIGTERM or SIGINT.  Raises NoAccount if we run in no cluster, OSError."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as stack:
        pulse = Pulse(time.monotonic, time.monotonic())
        api = _Watched(find_account(environ), pulse)
        stack.callback(api.close)
        if settings.health:
            stack.callback(HealthDoor(settings.health, pulse).close)
        turn = _Turn(api, settings.lease)
        stack.callback(turn.leave)
        controller = Controller(
            api,
            _watched(visit, pulse),
            endpoint=settings.endpoint,
            compatible=settings.compatible,
            marbles=settings.marbles,
            pods=settings.pods,
            interval=settings.interval,
            clock=_now,
            monotonic=time.monotonic,
        )
        due = 0.0
        while not stopped.is_set():
            answered = turn.ours()
            if answered and turn.leads and time.monotonic() >= due:
                due = time.monotonic() + settings.interval
                answered = controller.round()
            pulse.beat(answered)
            stopped.wait(min(max(due - time.monotonic(), 0), RENEW_EVERY) if turn.leads else RENEW_EVERY)


class _Watched(ClusterApi):
    """Each request is a sign of life."""

    def __init__(self, account: Account, pulse: Pulse) -> None:
        super().__init__(account)
        self._pulse = pulse

    def _request(self, method: str, path: str, body: Json | None = None, *, metadata_only: bool = False) -> Json:
        self._pulse.move()
        return super()._request(method, path, body, metadata_only=metadata_only)


def _watched(visit: Visit, pulse: Pulse) -> Visit:
    """The same, and each request of the client that it gives is a sign of life."""

    def visited(endpoint: str) -> tuple[VerifiedDeployment, CoordinatorClient]:
        deployment, client = visit(endpoint)

        def exchange(request: Request, *, pin: bytes | None) -> Answer:
            pulse.move()
            return client.exchange(request, pin=pin)

        return deployment, replace(client, exchange=exchange)

    return visited


class _Turn:
    """Whether it is this process's turn.  Two who act at once do no harm, they only repeat each other: each write names
    the version that it replaces, and an approval counts once."""

    def __init__(self, api: ClusterApi, lease: str) -> None:
        self.leads = not lease
        self._election: Election | None = None
        if lease:
            identity = f"{socket.gethostname()}-{secrets.token_hex(6)}"
            self._election = Election(api, lease, Candidate(identity, {}), monotonic=time.monotonic, wall=_now)

    def ours(self) -> bool:
        """Renew or try to take the lease; whether the API server answered."""
        if self._election is None:
            return True
        before = self.leads
        try:
            self.leads = isinstance(self._election.attempt(), Leading)
        except ClusterError as cause:
            self.leads = False
            _log.warning("lease: %s %s", cause.code, cause)
            return False
        if self.leads and not before:
            _log.info("this controller acts")
        return True

    def leave(self) -> None:
        """Let another one act at once."""
        if self._election is not None and self.leads:
            try:
                self._election.release()
            except ClusterError as cause:
                _log.warning("lease: %s %s", cause.code, cause)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - shell: reads the clock
