"""Composition of the controller's process."""

import signal
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from coordinator.cluster.account import find_account
from coordinator.cluster.api import ClusterApi
from coordinator.controller.reconcile import Visit
from coordinator.controller.rounds import Controller


def run(visit: Visit, *, endpoint: str, compatible: bool, interval: float, environ: Mapping[str, str]) -> None:
    """Rounds until SIGTERM or SIGINT.  interval: seconds between two.  endpoint: of objects that name none.

    Raises NoAccount if we run in no cluster.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    api = ClusterApi(find_account(environ))
    controller = Controller(
        api,
        visit,
        endpoint,
        compatible,
        clock=lambda: datetime.now(UTC),  # noqa: TID251 - shell: reads the clock
    )
    try:
        while not stopped.is_set():
            controller.round()
            stopped.wait(interval)
    finally:
        api.close()
