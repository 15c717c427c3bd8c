"""The front door: an aiohttp application over the route table, with limits on headers, bodies and time."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from coordinator.decisions.errors import Refused
from coordinator.decisions.marble_name import NOBODY
from coordinator.desk import NotServing, TryAgain
from coordinator.limits import RestLimits
from coordinator.observe import Observer
from coordinator.rest import errors
from coordinator.rest.call import Call, Caller, Route
from coordinator.rest.gatekeeper import BodyMemory, BodyShare, BodyTooLong, HeaderGuard, NoRoom
from coordinator.rest.logger import server_logger
from coordinator.rest.routes import ROUTES
from coordinator.service import Coordinator
from coordinator.wire.v2 import BodyInvalid

_TABLE = {(route.method, route.path): route for route in ROUTES}
_SMALL: Final = 64 * 1024
"""Bytes of an answer that every connection may hold."""


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The application.  connection: makes the protocol of a new connection, to be mounted on a TLS door."""

    runner: web.AppRunner
    connection: Callable[[], asyncio.Protocol]


async def open_front_door(coordinator: Coordinator, observer: Observer, limits: RestLimits) -> FrontDoor:
    """The application, set up; `runner.cleanup()` ends it."""
    runner = _make_runner(coordinator, observer, limits)
    await runner.setup()
    server = runner.server
    assert server is not None, "a runner that was set up has a server"
    return FrontDoor(runner, lambda: HeaderGuard(server(), limits))


def _make_runner(coordinator: Coordinator, observer: Observer, limits: RestLimits) -> web.AppRunner:
    answers = _Answers(coordinator, observer, limits)
    app = web.Application(middlewares=[answers.observed])
    app.router.add_route("*", "/{path:.*}", answers.answer)
    return web.AppRunner(
        app,
        access_log=None,
        logger=server_logger(),
        handle_signals=False,
        shutdown_timeout=limits.answer_seconds,
        keepalive_timeout=limits.idle_seconds,
        auto_decompress=False,  # MarbleRun takes bodies as they are, too
        max_headers=64,
        max_line_size=limits.header,
        max_field_size=limits.header,
    )


class _Answers:
    """Every request, from its header to its answer."""

    def __init__(self, coordinator: Coordinator, observer: Observer, limits: RestLimits) -> None:
        self._coordinator, self._observer, self._limits = coordinator, observer, limits
        self._memory, self._answers = BodyMemory(limits.bodies), BodyMemory(limits.answers)

    @web.middleware
    async def observed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer and count; then watch for the next request, and hold the memory of a large answer while it leaves."""
        begin = monotonic()
        route = request.path if (request.method, request.path) in _TABLE else "other"
        meters = self._observer.meters
        with meters.in_flight(route):
            response = await handler(request)
        method = request.method.lower() if route != "other" else "other"
        with self._answers.share() as share:
            response = _within(share, response)
            received, sent = request.content.total_bytes, _size(response)
            meters.request(method, route, response.status, monotonic() - begin, received=received, sent=sent)
            _expect_next(request, response)
            if share.held:
                with contextlib.suppress(ConnectionError):  # who asked is gone
                    await response.prepare(request)
                    await response.write_eof()
            return response

    async def answer(self, request: web.Request) -> web.Response:
        """By the route table, within the time that a request has."""
        if "//" in request.path:
            clean = re.sub("/+", "/", request.path)
            return web.Response(status=307, headers={"Location": clean})
        route = _TABLE.get((request.method, request.path))
        if route is None:
            return errors.error(405, "")
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                return await self._guarded(route, request)
        except TimeoutError:
            return errors.error(408, f"request not complete after {self._limits.request_seconds:g} s")

    async def _guarded(self, route: Route, request: web.Request) -> web.Response:
        """Whatever goes wrong becomes an answer."""
        try:
            return await self._handle(route, request)
        except BodyTooLong as large:
            return _too_large(route, large.got)
        except NoRoom:
            return errors.error(503, "too many large requests at a time; try again")
        except (Refused, BodyInvalid) as refusal:
            return errors.refused(refusal, route.version, route.refusal_v1)
        except (NotServing, TryAgain) as failure:
            return errors.error(503, str(failure))
        except (web.RequestPayloadError, ConnectionError):  # broken chunks, or the caller hung up
            return errors.error(400, "the body is not complete")
        except Exception:
            self._observer.error("request failed", route=route.path, exc_info=True)
            return errors.error(500, "internal error; the coordinator's log has the details")

    async def _handle(self, route: Route, request: web.Request) -> web.Response:
        """Who asks is looked at before the body is read."""
        coordinator, leaf = self._coordinator, _leaf(request)
        marble = coordinator.features.check_marble(leaf) if route.caller is Caller.MARBLE else NOBODY
        user = _user(coordinator, route, leaf)
        if route.caller is Caller.SETTER:
            coordinator.check_setter(leaf, _bearer(request))
        if request.content_length is not None and request.content_length > route.body_limit:
            return _too_large(route, request.content_length)
        with self._memory.share() as share:
            body = await share.read(aiter(request.content.iter_any()), route.body_limit)
            return await route.handler(coordinator, Call(request.query, body, user, marble))


def _within(share: BodyShare, response: web.StreamResponse) -> web.StreamResponse:
    """The answer, if there is room for it until it is taken; else the one that says so."""
    if (size := _size(response)) <= _SMALL:
        return response
    try:
        share.take(size)
    except NoRoom:
        return errors.error(503, "too many large answers wait to be taken; try again")
    return response


def _size(response: web.StreamResponse) -> int:
    return len(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else 0


def _expect_next(request: web.Request, response: web.StreamResponse) -> None:
    """Watch the next header; or end the connection after this answer, if the request was not read to its end."""
    guard = request.transport.get_protocol() if request.transport is not None else None
    if isinstance(guard, HeaderGuard) and request.content.is_eof():
        guard.answered()
    else:
        response.force_close()


def _user(coordinator: Coordinator, route: Route, leaf: bytes | None) -> bytes:
    """Who asks, as far as the route wants to know it.  Raises UnknownUser, NotServing."""
    match route.caller:
        case Caller.ANYONE | Caller.MARBLE | Caller.SETTER:
            return b""
        case Caller.USER:
            return coordinator.people.check_user(leaf)
        case Caller.APPROVER:
            return coordinator.people.known_user(leaf)


def _leaf(request: web.Request) -> bytes | None:
    """The certificate whose key the connection proved, DER; those that came with it are nobody's proof."""
    leaf = request.transport.get_extra_info("peer_leaf_der") if request.transport is not None else None
    return leaf if isinstance(leaf, bytes) else None


def _bearer(request: web.Request) -> str:
    """The token of `Authorization: Bearer …`, or nothing."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _too_large(route: Route, size: int) -> web.Response:
    return errors.error(413, f"body of {route.path}: expected at most {route.body_limit} bytes, got {size}")
