"""Where callers come in: two doors over TLS, which show the hierarchy in force, and the one for metrics."""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeAlias

from aiohttp import web
from OpenSSL import SSL

from coordinator.config import Address
from coordinator.doors.listen import listening_on
from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve_on
from coordinator.doors.tls import serve as serve_tls
from coordinator.observe import Observer
from coordinator.rest import app, metrics
from coordinator.rpc.unary import UnaryServer
from coordinator.service import Coordinator
from coordinator.state.model import Authority

Where: TypeAlias = Address | socket.socket
"""An address to listen on, or a socket that listens."""


async def open_front_door(where: Where, coordinator: Coordinator, front: app.FrontDoor) -> asyncio.Server:
    """People and programs, over HTTPS: the root is shown, a client's certificate asked for.  Raises CannotListen."""
    chooser = _chooser(
        coordinator,
        lambda authority: make_context(
            (authority.root,),
            authority.root_key,
            client_certificate=ClientCertificate.REQUEST,
            alpn=("http/1.1",),
        ),
    )
    return await _listen(where, front.connection, chooser)


async def open_marble_door(where: Where, coordinator: Coordinator, calls: UnaryServer) -> asyncio.Server:
    """Marbles, over gRPC: the marble root is shown, and each marble shows its own certificate.  Raises CannotListen."""
    chooser = _chooser(
        coordinator,
        lambda authority: make_context(
            (authority.marble_root,),
            authority.intermediate_key,
            client_certificate=ClientCertificate.REQUIRE,
            alpn=("h2",),
        ),
    )
    return await _listen(where, calls, chooser)


async def _listen(
    where: Where, factory: Callable[[], asyncio.Protocol], chooser: Callable[[], SSL.Context]
) -> asyncio.Server:
    if isinstance(where, socket.socket):
        return await serve_on(where, factory, chooser, limits=TlsLimits())
    with listening_on(where):
        return await serve_tls(factory, chooser, host=where.host or None, port=where.port, limits=TlsLimits())


def _chooser(coordinator: Coordinator, make: Callable[[Authority], SSL.Context]) -> Callable[[], SSL.Context]:
    """The context for a new connection: made anew when the hierarchy has changed."""
    made: list[tuple[Authority, SSL.Context]] = []

    def choose() -> SSL.Context:
        authority = coordinator.authority
        if not made or made[0][0] is not authority:
            made[:] = [(authority, make(authority))]
        return made[0][1]

    return choose


class MetricsDoor:
    """Open for as long as the process is there, also while it follows another replica."""

    def __init__(self, address: Address | None, observer: Observer) -> None:
        self._address, self._observer = address, observer
        self._coordinator: Coordinator | None = None
        self._runner = metrics.make_runner(observer, lambda: self._coordinator)

    def show(self, coordinator: Coordinator) -> None:
        """From now on the metrics are of this one."""
        self._coordinator = coordinator
        self._observer.meters.look(coordinator.scene)

    async def __aenter__(self) -> "MetricsDoor":
        """Listen, if an address is configured.  Raises CannotListen."""
        if self._address is not None:
            await self._runner.setup()
            with listening_on(self._address):
                await web.TCPSite(self._runner, self._address.host or None, self._address.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
