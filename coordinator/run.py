"""Composition root: configuration to issuer, verifier, vault, Coordinator and doors.  The only place that wires."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from attestation.codes import NO_DEVICE
from attestation.errors import AttestationError, NoDevice
from attestation.issue import Issuer
from coordinator import startup
from coordinator.cluster.account import Account, find_account
from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ClusterError
from coordinator.cluster.lease import RENEW_EVERY
from coordinator.collateral import watch_collateral
from coordinator.config import Address, Config, ConfigInvalid, content
from coordinator.decisions.errors import Refused
from coordinator.desk import Environment, TryAgain
from coordinator.doors.listen import CannotListen, listen, listening_on
from coordinator.entrances import MetricsDoor, open_front_door, open_marble_door
from coordinator.journal.errors import JournalError
from coordinator.journal.glimpses import NOTHING_SEEN, Glimpses
from coordinator.journal.kubernetes import KubernetesStorage, read_meta
from coordinator.journal.vault import Vault
from coordinator.machine import Machine, find_machine, make_vault, read_clock
from coordinator.observe import Observer, configure_logging
from coordinator.replica import CLIENT_DOOR, MESH_DOOR, Fitness, Replica
from coordinator.rest import app
from coordinator.rpc import server as rpc
from coordinator.rpc.unary import RpcLimits, UnaryServer
from coordinator.service import Coordinator
from coordinator.setters import Setters, SettersInvalid, parse_setters
from coordinator.state.events import EventFormatError
from coordinator.state.replay import ReplayFailed
from coordinator.successor import Successor

VERSION: Final = "0.1.0"
_COLLECT_AFTER: Final = 10_000
"""New objects between two garbage collections.  A connection leaves about 50 that only the collector frees (h2's), so
this is some 200 connections, a few MB; with Python's 700 the collector takes 4 % of an activation."""
_T = TypeVar("_T")
EXIT_DONE: Final = 0
EXIT_STOPPED: Final = 6
"""The journal failed, or another replica leads: the stored state is intact, this process's memory is not to be used."""


class CannotStart(Exception):
    """The text says why.  code: of `enclasp explain`, or empty."""

    def __init__(self, cause: Exception) -> None:
        self.code, text = str(getattr(cause, "code", "")), str(cause)
        if isinstance(cause, NoDevice):
            self.code = NO_DEVICE
        elif isinstance(cause, OSError) and cause.filename is not None:
            self.code, text = "U501", f"{cause.filename}: {cause.strerror}"
        elif isinstance(cause, ConfigInvalid):
            self.code = "U507"
        super().__init__(text)


def serve(config: Config, environ: Mapping[str, str], clock: Callable[[], datetime] = read_clock) -> int:
    """Run a coordinator until a signal or a failure; returns the exit code.  Raises CannotStart, which is logged."""
    configure_logging(config.log_level, http=config.http_log_level)
    _allow_many_connections()
    observer = Observer(VERSION)
    try:
        return asyncio.run(_serve(config, environ, observer, clock))
    except (
        AttestationError,
        CannotListen,
        ClusterError,
        ConfigInvalid,
        JournalError,
        EventFormatError,
        ReplayFailed,
        Refused,
        TryAgain,
        OSError,
    ) as cause:
        failure = CannotStart(cause)
        observer.error("the coordinator cannot start", code=failure.code, reason=str(failure))
        raise failure from cause


def _setters(config: Config) -> Setters:
    """Who may set a manifest.  Raises ConfigInvalid, OSError."""
    try:
        return parse_setters(content(config.setters) if config.setters else b"", config.claim_token_sha256)
    except SettersInvalid as cause:
        raise ConfigInvalid(f"{config.setters}: {cause}" if config.setters else str(cause)) from cause


def _allow_many_connections() -> None:
    """As many open files as the system lets us have: the doors take 10,000 connections each (design.md, 10)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, environ: Mapping[str, str], observer: Observer, clock: Callable[[], datetime]) -> int:
    async with MetricsDoor(config.prometheus, observer) as metrics_door:
        signalled = _on_signal()  # first: process 1 of a container ignores what it does not handle
        machine = find_machine(config, environ, observer, clock)
        return await _serve_or_follow(config, environ, machine, metrics_door, signalled)


async def _serve_or_follow(
    config: Config,
    environ: Mapping[str, str],
    machine: Machine,
    metrics_door: MetricsDoor,
    signalled: asyncio.Event,
) -> int:
    startup.say_who_keeps_the_key(config, machine.issuer, machine.observer)
    if config.store == "sqlite":
        opened = await _before(signalled, startup.open_own_state(Path(config.state_dir), machine.observer))
        if opened is None:
            return EXIT_DONE
        vault = make_vault(config, machine, opened.result(), None)
        coordinator = _coordinator(config, machine, vault, NOTHING_SEEN)
        return await _run(config, machine, coordinator, None, metrics_door, signalled)
    account, successor = find_account(environ), Successor(machine)
    while True:
        replica = _replica(config, account, successor)
        try:
            if await _before(signalled, replica.lead()) is None:
                return EXIT_DONE
            if (led := _open_shared(config, machine, account, successor)) is not None:
                return await _run(config, machine, led, replica, metrics_door, signalled)
        finally:
            await replica.leave()
        if await _before(signalled, asyncio.sleep(RENEW_EVERY / 2)) is None:  # before one that remembers nothing leads
            return EXIT_DONE


def _open_shared(config: Config, machine: Machine, account: Account, successor: Successor) -> Coordinator | None:
    """The coordinator that leads from now on.

    None where the state is no longer there as it was seen: this process goes on, for what it remembers ends with it.
    Raises JournalError, Refused where it remembers nothing.
    """
    try:
        with contextlib.ExitStack() as undo:
            storage = KubernetesStorage(ClusterApi(account), config.state_name, machine.entropy)
            undo.callback(storage.close)
            vault = make_vault(config, machine, storage, successor.held)
            coordinator = _coordinator(config, machine, vault, successor.glimpses, shared=True)
            undo.pop_all()
            return coordinator
    except (JournalError, Refused) as failure:
        if not successor.glimpses.seen:
            raise
        machine.observer.error("the state cannot be served, and this replica goes on following", reason=str(failure))
        return None


def _coordinator(
    config: Config, machine: Machine, vault: Vault, glimpses: Glimpses, *, shared: bool = False
) -> Coordinator:
    """glimpses: what was seen of the state.  shared: by replicas."""
    return Coordinator(
        Environment(
            issuer=machine.issuer,
            verifier=machine.verifier,
            vault=vault,
            observer=machine.observer,
            clock=machine.clock,
            entropy=machine.entropy,
            names=config.dns_names,
            compatible=config.compatible,
            snapshot_every=config.snapshot_every,
            setters=_setters(config),
            replicas=shared,
            glimpses=glimpses,
            told=config.told,
        )
    )


async def _run(
    config: Config,
    machine: Machine,
    coordinator: Coordinator,
    replica: Replica | None,
    metrics_door: MetricsDoor,
    signalled: asyncio.Event,
) -> int:
    """Serve.  replica: which leads now, and whose doors are used; None for a state of one's own."""
    observer = machine.observer
    startup.say_what_is_not_read(Path(config.state_dir), observer)
    await startup.set_manifest(config.startup_manifest, coordinator, observer)
    front = await app.open_front_door(coordinator, observer, config.limits)
    doors = replica.doors if replica is not None else {}
    servers = [await open_front_door(doors.get(CLIENT_DOOR, config.client), coordinator, front)]
    calls = UnaryServer(rpc.methods(coordinator, observer), RpcLimits())
    servers.append(await open_marble_door(doors.get(MESH_DOOR, config.mesh), coordinator, calls))
    metrics_door.show(coordinator)
    _announce(config, machine.issuer, coordinator, observer)
    gc.freeze()  # what start-up made lives for ever: the collector need not look at it again
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    gc.enable()
    watch = asyncio.create_task(watch_collateral(machine.endorsements, observer, machine.clock))
    code = await _until_stopped(coordinator, replica, observer, signalled)
    watch.cancel()
    for server in servers:
        server.close()
    calls.drain()
    await front.runner.cleanup()
    await coordinator.close()
    return code


async def _until_stopped(
    coordinator: Coordinator, replica: Replica | None, observer: Observer, signalled: asyncio.Event
) -> int:
    waits: dict[asyncio.Future[Any], int] = {
        asyncio.ensure_future(signalled.wait()): EXIT_DONE,
        asyncio.ensure_future(coordinator.failure()): EXIT_STOPPED,
    }
    if replica is not None:
        waits[asyncio.ensure_future(replica.lost())] = EXIT_STOPPED
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    code = max(waits[wait] for wait in done)
    if code == EXIT_STOPPED:
        reasons = [str(wait.result()) for wait in done if waits[wait] == EXIT_STOPPED]
        observer.error("this process may not serve any longer; stopping", reason="; ".join(reasons))
    else:
        observer.info("stopping")
    return code


def _on_signal() -> asyncio.Event:
    """Set by a signal that asks to stop, from now on."""
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    return signalled


def _replica(config: Config, account: Account, successor: Successor) -> Replica:
    machine = successor.machine
    return Replica(
        account,
        config.state_name,
        {door: _listening(address) for door, address in _shared_doors(config).items()},
        learn=lambda leader: successor.learn(*leader),
        fit=lambda api, first: _fitness(api, config.state_name, successor, first=first),
        observer=machine.observer,
        wall=machine.clock,
        entropy=machine.entropy,
    )


def _listening(address: Address) -> socket.socket:
    with listening_on(address):
        return listen(address.host, address.port)


def _shared_doors(config: Config) -> Mapping[str, Address]:
    return {CLIENT_DOOR: config.client, MESH_DOOR: config.mesh}


def _fitness(api: ClusterApi, name: str, successor: Successor, *, first: bool) -> Fitness:
    """What this replica could do with the state now.  first: nobody has led yet.  Raises ClusterError."""
    remembers = bool(successor.glimpses.seen)
    try:
        meta = read_meta(api, name)
    except JournalError:  # it is damaged: who remembers says so, and stays
        return Fitness.REMEMBERS if remembers else Fitness.CANNOT_OPEN
    if not meta:
        return Fitness.REMEMBERS if remembers or first else Fitness.OPENS
    if not successor.opens(meta):
        return Fitness.CANNOT_OPEN
    return Fitness.REMEMBERS if successor.has_seen(meta) else Fitness.OPENS


async def _before(signalled: asyncio.Event, work: Awaitable[_T]) -> asyncio.Future[_T] | None:
    """The work when it is done, or None if a signal came first.  Raises what it raises."""
    works, stops = asyncio.ensure_future(work), asyncio.ensure_future(signalled.wait())
    _, pending = await asyncio.wait({works, stops}, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if works.cancelled():
        return None
    works.result()
    return works


def _announce(config: Config, issuer: Issuer, coordinator: Coordinator, observer: Observer) -> None:
    observer.info(
        "coordinator ready",
        client=str(config.client),
        mesh=str(config.mesh),
        phase=coordinator.phase.name,
        platform=issuer.kind.value,
        hardware="SIMULATED: proves nothing" if issuer.simulated else "genuine",
        configuration="measured" if config.measured else "not measured: the host's",
        version=VERSION,
    )
