"""Composition root: configuration to issuer, verifier, vault, Coordinator and doors.  The only place that wires."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web
from OpenSSL import SSL

from attestation.anchors import TrustAnchors
from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import AttestationError
from attestation.issue import Issuer, find_issuer
from attestation.verify import Verifier
from coordinator.config import Address, Config
from coordinator.decisions.errors import Refused
from coordinator.desk import Environment, TryAgain
from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context
from coordinator.doors.tls import serve as serve_tls
from coordinator.journal.archive import NO_ARCHIVES, EvidenceFolder, Retention
from coordinator.journal.errors import JournalError
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Vault
from coordinator.observe import Observer, configure_logging
from coordinator.program import own_program
from coordinator.rest import app, metrics
from coordinator.rest.limits import RestLimits
from coordinator.rpc import server as rpc
from coordinator.rpc.unary import RpcLimits, UnaryServer
from coordinator.service import Coordinator
from coordinator.state.events import EventFormatError
from coordinator.state.model import Authority
from coordinator.state.phase import Phase
from coordinator.state.replay import ReplayFailed

VERSION: Final = "0.1.0"
_COLLECT_AFTER: Final = 10_000
"""New objects between two garbage collections.  A connection leaves about 50 that only the collector frees (h2's), so
this is some 200 connections, a few MB; with Python's 700 the collector takes 4 % of an activation."""
EXIT_DONE: Final = 0
EXIT_INPUT: Final = 3
EXIT_STOPPED: Final = 6
"""The journal failed while serving: the state on disk is intact, the process is not to be trusted any more."""


def serve(config: Config, environ: Mapping[str, str], limits: RestLimits = RestLimits()) -> int:  # noqa: B008 - frozen
    """Run a coordinator until a signal or a failure; returns the exit code.  limits: of the front door."""
    configure_logging(config.log_level)
    _allow_many_connections()
    observer = Observer(VERSION)
    try:
        return asyncio.run(_serve(config, environ, observer, limits))
    except (AttestationError, JournalError, EventFormatError, ReplayFailed, Refused, TryAgain, OSError) as cause:
        observer.error("the coordinator cannot start", reason=str(cause))
        with contextlib.suppress(OSError):
            print(f"error: the coordinator cannot start: {cause}", file=sys.stderr)
        return EXIT_INPUT


def _allow_many_connections() -> None:
    """As many open files as the system lets us have: the doors take 10,000 connections each (design.md, 10)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, environ: Mapping[str, str], observer: Observer, limits: RestLimits) -> int:
    issuer = find_issuer(environ, own_program())
    coordinator = Coordinator(
        Environment(
            issuer=issuer,
            verifier=_verifier(config),
            vault=_vault(config, issuer),
            observer=observer,
            clock=lambda: datetime.now(UTC),  # noqa: TID251 - shell: reads the clock
            entropy=os.urandom,  # noqa: TID251 - shell: draws entropy
            names=config.dns_names,
            compatible=config.compatible,
            snapshot_every=config.snapshot_every,
        )
    )
    await _set_startup_manifest(config, coordinator, observer)
    front = await app.open_front_door(coordinator, observer, limits)
    runners = [front.runner]
    servers = [await _open_front_door(config.client, coordinator, front)]
    calls = UnaryServer(rpc.methods(coordinator, observer), RpcLimits())
    servers.append(await _open_marble_door(config.mesh, coordinator, calls))
    if config.prometheus is not None:
        runners.append(metrics.make_runner(coordinator, observer))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], config.prometheus.host or None, config.prometheus.port).start()
    _announce(config, issuer, coordinator, observer)
    gc.freeze()  # what start-up made lives for ever: the collector need not look at it again
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    gc.enable()
    code = await _until_stopped(coordinator, observer)
    for server in servers:
        server.close()
    calls.drain()
    for runner in runners:
        await runner.cleanup()
    await coordinator.close()
    return code


def _vault(config: Config, issuer: Issuer) -> Vault:
    folder, entropy = Path(config.state_dir), os.urandom  # noqa: TID251 - shell: draws entropy
    retention = Retention(config.evidence_days, config.evidence_megabytes * 1_000_000)
    archives = EvidenceFolder(folder / "evidence", retention, entropy) if retention.keeps else NO_ARCHIVES
    return Vault(SqliteStorage(folder), [KeyOfEnvironment(issuer, entropy)], entropy, archives)


async def _until_stopped(coordinator: Coordinator, observer: Observer) -> int:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    waits = {
        asyncio.ensure_future(signalled.wait()): EXIT_DONE,
        asyncio.ensure_future(coordinator.failure()): EXIT_STOPPED,
    }
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    code = max(waits[wait] for wait in done)
    if code == EXIT_STOPPED:
        observer.error("the journal failed; stopping", reason=str(await coordinator.failure()))
    else:
        observer.info("stopping")
    return code


def _verifier(config: Config) -> Verifier:
    anchors = TrustAnchors.genuine()
    if config.trust:
        anchors = anchors.with_simulated(Path(config.trust).read_bytes())
    endorsements = parse_bundle(Path(config.collateral).read_bytes()) if config.collateral else Endorsements.none()
    return Verifier(anchors, endorsements)


async def _set_startup_manifest(config: Config, coordinator: Coordinator, observer: Observer) -> None:
    """Set the start-up manifest on a first start only: it never replaces a state, nor one that waits for recovery."""
    if not config.startup_manifest:
        return
    if coordinator.phase is Phase.ACCEPTING_MANIFEST:
        await coordinator.set_manifest(Path(config.startup_manifest).read_bytes())
    else:
        observer.warning("start-up manifest ignored: there is a state already", phase=coordinator.phase.name)


def _announce(config: Config, issuer: Issuer, coordinator: Coordinator, observer: Observer) -> None:
    observer.info(
        "coordinator ready",
        client=str(config.client),
        mesh=str(config.mesh),
        phase=coordinator.phase.name,
        platform=issuer.kind.value,
        hardware="SIMULATED: proves nothing" if issuer.simulated else "genuine",
        version=VERSION,
    )


async def _open_front_door(address: Address, coordinator: Coordinator, front: app.FrontDoor) -> asyncio.Server:
    chooser = _chooser(
        coordinator,
        lambda authority: make_context(
            (authority.root,),
            authority.root_key,
            client_certificate=ClientCertificate.REQUEST,
            alpn=("http/1.1",),
        ),
    )
    return await serve_tls(front.connection, chooser, host=address.host or None, port=address.port, limits=TlsLimits())


async def _open_marble_door(address: Address, coordinator: Coordinator, calls: UnaryServer) -> asyncio.Server:
    chooser = _chooser(
        coordinator,
        lambda authority: make_context(
            (authority.marble_root,),
            authority.intermediate_key,
            client_certificate=ClientCertificate.REQUIRE,
            alpn=("h2",),
        ),
    )
    return await serve_tls(calls, chooser, host=address.host or None, port=address.port, limits=TlsLimits())


def _chooser(coordinator: Coordinator, make: Callable[[Authority], SSL.Context]) -> Callable[[], SSL.Context]:
    """The context for a new connection: made anew when the hierarchy has changed."""
    made: list[tuple[Authority, SSL.Context]] = []

    def choose() -> SSL.Context:
        authority = coordinator.authority
        if not made or made[0][0] is not authority:
            made[:] = [(authority, make(authority))]
        return made[0][1]

    return choose
