"""Coordinators that share a state in the cluster, as real processes beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coordinator.cluster.account import Account
from tests.faults.clients import phase
from tests.support.another_machine import another_machine
from tests.support.coordinator_process import CoordinatorProcess, start

TAKEOVER_SECONDS = 90
"""A lease of 15 s, a try every 4 s, the start of a coordinator, and a busy machine."""
Begin = Callable[..., CoordinatorProcess]
"""Start one replica more.  code: of another version than this one.  elsewhere: on another machine."""


def environ(account: Account) -> dict[str, Any]:
    return {
        "EDG_STORE_BACKEND": "kubernetes",
        "KUBERNETES_SERVICE_HOST": account.host,
        "KUBERNETES_SERVICE_PORT": str(account.port),
        "ENCLASP_SERVICE_ACCOUNT": str(account.folder),
    }


@contextmanager
def replicas_of(account: Account, place: Path) -> Iterator[Begin]:
    """Starts replicas of one state; they end with the block.  place: for their folders."""
    started = list[CoordinatorProcess]()

    def begin(*, code: Path | None = None, elsewhere: bool = False) -> CoordinatorProcess:
        folder = place / f"replica-{len(started)}"
        if elsewhere:
            another_machine(started[0].folder / "simulation", folder / "simulation")
        elif started:
            folder.mkdir()
            (folder / "simulation").symlink_to(started[0].folder / "simulation")
        started.append(start(folder, code=code, **environ(account)))
        return started[-1]

    try:
        yield begin
    finally:
        for running in started:
            running.kill()


def answers(running: CoordinatorProcess, expected: int) -> bool:
    """Whether it answers, in this phase."""
    try:
        return phase(running.client_address) == expected
    except (OSError, AssertionError):
        return False


def leads(running: CoordinatorProcess) -> bool:
    return "this replica leads" in running.log
