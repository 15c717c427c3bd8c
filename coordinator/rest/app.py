"""The front door: an aiohttp application over the route table, with limits on bodies and time."""

import asyncio
import re
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Handler

from coordinator.decisions.errors import Refused
from coordinator.observe import Observer
from coordinator.rest import errors
from coordinator.rest.routes import MANIFEST_BYTES, ROUTES, Route
from coordinator.service import Coordinator, NotServing, NotWritten
from coordinator.wire.v2 import BodyInvalid

REQUEST_SECONDS = 30.0
IDLE_SECONDS = 120.0
HEADER_BYTES = 16 * 1024

_TABLE = {(route.method, route.path): route for route in ROUTES}


def make_runner(coordinator: Coordinator, observer: Observer) -> web.AppRunner:
    """The application, to be set up and mounted on a TLS door through `runner.server`."""

    @web.middleware
    async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
        begin = monotonic()
        response = await handler(request)
        route = request.path if (request.method, request.path) in _TABLE else "other"
        method = request.method.lower() if route != "other" else "other"
        size = len(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else 0
        observer.request(method, route, response.status, monotonic() - begin, size)
        return response

    async def answer(request: web.Request) -> web.Response:
        if "//" in request.path:
            clean = re.sub("/+", "/", request.path)
            return web.Response(status=307, headers={"Location": clean})
        route = _TABLE.get((request.method, request.path))
        if route is None:
            return errors.error(405, "")
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await _handle(route, request)
        except TimeoutError:
            return errors.error(408, f"request not complete after {REQUEST_SECONDS:.0f} s")

    async def _handle(route: Route, request: web.Request) -> web.Response:
        if request.content_length is not None and request.content_length > route.body_limit:
            return _too_large(route, request.content_length)
        request = request.clone(client_max_size=route.body_limit)
        try:
            return await route.handler(coordinator, request)
        except web.HTTPRequestEntityTooLarge as large:
            return _too_large(route, int(large.actual_size) if hasattr(large, "actual_size") else route.body_limit + 1)
        except (Refused, BodyInvalid) as refusal:
            return errors.refused(refusal, route.version)
        except (NotServing, NotWritten) as failure:
            return errors.error(503, str(failure))
        except asyncio.CancelledError:
            raise
        except Exception:
            observer.error("request failed", route=route.path, exc_info=True)
            return errors.error(500, "internal error; the coordinator's log has the details")

    app = web.Application(middlewares=[observed], client_max_size=MANIFEST_BYTES * 2)
    app.router.add_route("*", "/{path:.*}", answer)
    return web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=IDLE_SECONDS,
        max_headers=64,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )


def _too_large(route: Route, size: int) -> web.Response:
    return errors.error(413, f"body of {route.path}: expected at most {route.body_limit} bytes, got {size}")
