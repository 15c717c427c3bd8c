"""One of several coordinators that share a state in a cluster: the leader serves, the others pass connections on to it.

A replica waits at its doors until it leads, then serves for as long as it holds the lease, and ends its process when it
has lost it: what it knows may be old then, and a new process starts from the journal.  Whoever still writes after
another has taken over is refused by the storage (`journal/kubernetes.py`), so the lease need not be trusted.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
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


class Replica:
    """A process's part in the election of one state's leader.

    doors: listening sockets by name, its own from now on.  learn: called with the leader's client door now and then
    while this replica follows; it blocks.
    """

    def __init__(
        self,
        account: Account,
        name: str,
        doors: Mapping[str, socket.socket],
        *,
        learn: Callable[[Target], None],
        observer: Observer,
        wall: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        """Raises ClusterError if there is no way to the API server."""
        self.doors = doors
        self._observer, self._learn = observer, learn
        self._api = ClusterApi(account)
        host = own_address(account)
        notes = {door: str(Address(host, listening.getsockname()[1])) for door, listening in doors.items()}
        identity = f"{socket.gethostname()}-{entropy(6).hex()}"
        candidate = Candidate(identity, notes)
        self._election = Election(self._api, name, candidate, monotonic=time.monotonic, wall=wall)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")
        self._leader: Following | None = None
        self._known = asyncio.Condition()
        self._learning: asyncio.Future[None] | None = None

    async def lead(self) -> None:
        """Pass connections on until this replica leads.  Errors of the API server are logged, and it tries again."""
        forwarders = [Forwarder(partial(self._target, door), ForwardLimits()) for door in self.doors]
        for forwarder, listening in zip(forwarders, self.doors.values(), strict=True):
            await forwarder.listen(listening)
        try:
            while not await self._leads():
                await asyncio.sleep(RENEW_EVERY)
        finally:
            for forwarder in forwarders:
                await forwarder.stop()
        self._observer.info("this replica leads")

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
            if self._leader is None or self._leader.holder != answer.holder:
                self._observer.info("this replica follows", leader=answer.holder)
            self._leader = answer
            self._known.notify_all()
        await self._learn_soon()
        return False

    async def _learn_soon(self) -> None:
        """Beside everything else: a leader that does not answer must not keep us from taking its place."""
        if self._learning is None or self._learning.done():
            with contextlib.suppress(OSError):
                leader = await self._target(CLIENT_DOOR)
                self._learning = asyncio.get_running_loop().run_in_executor(None, self._learn, leader)

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
