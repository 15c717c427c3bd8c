"""One of several coordinators that share a state in a cluster: the leader serves, the others pass connections on to it.

A replica waits at its doors until it leads, then serves for as long as it holds the lease, and ends its process when it
has lost it: what it knows may be old then, and a new process starts from the journal.  Whoever still writes after
another has taken over is refused by the storage (`journal/kubernetes.py`), so the lease need not be trusted.

A replica that the leader does not accept, or that could not open the state, lets the others go first; one that is not
accepted opens no doors either, so that it never counts as ready, and a rolling upgrade to it stops.  One that has seen
nothing of the state lets those go first that would know an older one: whoever was just started would not.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Final, TypeVar

from coordinator.cluster.account import Account
from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ClusterError
from coordinator.cluster.lease import DURATION, RENEW_EVERY, Candidate, Election, Following, Leading
from coordinator.config import Address
from coordinator.doors.forward import Forwarder, ForwardLimits, Target
from coordinator.observe import Observer

T = TypeVar("T")

CLIENT_DOOR: Final = "client"
MESH_DOOR: Final = "mesh"
RENEW_DEADLINE: Final = DURATION * 2 / 3
"""Seconds without a renewal after which a leader ends, before anybody else may take the lease."""


class Fitness(Enum):
    """What a replica could do with the state now: for how many seconds it lets others lead first."""

    REMEMBERS = 0.0
    """It opens the state, and would know an older one."""
    OPENS = RENEW_EVERY * 5 / 4
    """Everybody who remembers has tried by then."""
    CANNOT_OPEN = RENEW_EVERY * 5 / 2
    """Everybody who can lead has tried by then."""


class Replica:
    """A process's part in the election of one state's leader.

    doors: listening sockets by name, its own from now on.  learn: called with the leader's client door now and then
    while this replica follows; it blocks, and says whether leader and follower accept each other.  fit: what this
    replica could do with the state now; it is told whether nobody has led yet, blocks, and may raise ClusterError.
    """

    def __init__(
        self,
        account: Account,
        name: str,
        doors: Mapping[str, socket.socket],
        *,
        learn: Callable[[Target], bool],
        fit: Callable[[ClusterApi, bool], Fitness],
        observer: Observer,
        wall: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        """Raises ClusterError if there is no way to the API server."""
        self.doors = doors
        self._observer, self._learn, self._fit = observer, learn, fit
        self._api = ClusterApi(account)
        host = own_address(account)
        notes = {door: str(Address(host, listening.getsockname()[1])) for door, listening in doors.items()}
        identity = f"{socket.gethostname()}-{entropy(6).hex()}"
        candidate, self._itself = Candidate(identity, notes), Following(identity, notes)
        self._election = Election(
            self._api, name, candidate, hesitation=self._hesitation, monotonic=time.monotonic, wall=wall
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")
        self._leader: Following | None = None
        self._known = asyncio.Condition()
        self._learning: asyncio.Future[bool] | None = None
        self._accepted: bool | None = None
        """By the leader; None before it was asked."""
        self._forwarders: list[Forwarder] = []

    async def lead(self) -> None:
        """Pass connections on until this replica leads.  Errors of the API server are logged, and it tries again.

        Connections that wait for a leader then reach this one, as soon as its doors open.
        """
        try:
            while not await self._leads():
                await asyncio.sleep(RENEW_EVERY)
        finally:
            if self._learning is not None:
                self._learning.cancel()
                await asyncio.gather(self._learning, return_exceptions=True)
        self._observer.info("this replica leads")
        async with self._known:
            self._leader = self._itself
            self._known.notify_all()
        for forwarder in self._forwarders:
            await forwarder.cease()

    async def lost(self) -> str:
        """Hold the lease, perhaps for ever; then say why it is held no longer."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                answer = await self._attempt()
            except ClusterError as failure:
                self._observer.warning("the lease cannot be renewed", reason=str(failure))
                if time.monotonic() - renewed > RENEW_DEADLINE:
                    return f"the lease was not renewed for {RENEW_DEADLINE:g} s"
                continue
            if isinstance(answer, Following):
                return f"the lease was taken by {answer.holder}"
            renewed = time.monotonic()

    async def leave(self) -> None:
        """Let another replica lead at once, and close."""
        with contextlib.suppress(ClusterError):
            await self._in_thread(self._election.release)
        self._thread.shutdown()
        self._api.close()
        for forwarder in self._forwarders:
            await forwarder.stop()
        for listening in self.doors.values():
            listening.close()

    async def _leads(self) -> bool:
        try:
            answer = await self._attempt()
        except ClusterError as failure:
            self._observer.warning("who leads cannot be asked", reason=str(failure))
            return False
        if isinstance(answer, Leading):
            return True
        async with self._known:
            if answer.holder and (self._leader is None or self._leader.holder != answer.holder):
                self._observer.info("this replica follows", leader=answer.holder)
            self._leader = answer if answer.holder else None
            self._known.notify_all()
        if answer.holder:
            self._learn_soon()
        return False

    def _learn_soon(self) -> None:
        """Beside everything else: a leader that does not answer must not keep us from taking its place."""
        if self._learning is None or self._learning.done():
            self._learning = asyncio.ensure_future(self._ask_leader())

    async def _ask_leader(self) -> bool:
        try:
            leader = await self._target(CLIENT_DOOR)
        except OSError:
            return False
        self._accepted = await asyncio.get_running_loop().run_in_executor(None, self._learn, leader)
        if self._accepted and not self._forwarders:
            await self._open_doors()
        return self._accepted

    async def _open_doors(self) -> None:
        """Pass connections on from now on."""
        self._forwarders = [Forwarder(partial(self._target, door), ForwardLimits()) for door in self.doors]
        for forwarder, listening in zip(self._forwarders, self.doors.values(), strict=True):
            await forwarder.listen(listening)

    def _hesitation(self, first: bool) -> float:
        """Seconds for which others go first; in the lease's thread."""
        fitness = Fitness.CANNOT_OPEN if self._accepted is False else self._fit(self._api, first)
        seconds = fitness.value
        if fitness is Fitness.CANNOT_OPEN:
            self._observer.warning("this replica could not open the state: others may lead first", seconds=seconds)
        elif fitness is Fitness.OPENS:
            self._observer.info("this replica has seen nothing of the state: others may lead first", seconds=seconds)
        return seconds

    async def _target(self, door: str) -> Target:
        """Where the leader's door is, once there is one."""
        async with self._known:
            await self._known.wait_for(lambda: self._leader is not None)
            assert self._leader is not None, "waited for above"
            host, _, port = self._leader.notes.get(door, "").rpartition(":")
        if not host or not port.isascii() or not port.isdigit():
            raise OSError(f"the leader does not say where its door '{door}' is")
        return host.removeprefix("[").removesuffix("]"), int(port)

    async def _attempt(self) -> Leading | Following:
        return await self._in_thread(self._election.attempt)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def own_address(account: Account) -> str:
    """The address by which this machine reaches the API server; other replicas reach it there.  Raises ClusterError."""
    with socket.socket(_family(account), socket.SOCK_DGRAM) as probe:
        probe.connect((account.host, account.port))  # sends nothing: UDP
        return str(probe.getsockname()[0])


def _family(account: Account) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in account.host else socket.AF_INET
