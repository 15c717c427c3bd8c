"""The monitoring door: plain HTTP, off by default; metrics and activation events, nothing secret (contract 8)."""

from collections.abc import Callable

from aiohttp import web

from coordinator.observe import Observer
from coordinator.rest.logger import server_logger
from coordinator.service import Coordinator
from coordinator.wire import events_log


def make_runner(observer: Observer, found: Callable[[], Coordinator | None]) -> web.AppRunner:
    """`/metrics`, `/events`, and `/healthz` (200 while the Coordinator serves, 503 in recovery or stopped).

    found: the Coordinator; None while there is none, in a replica that follows.
    """

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=observer.meters.scrape(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def events(_request: web.Request) -> web.Response:
        coordinator = found()
        kept = await coordinator.recent_activations() if coordinator is not None else ()
        entries = [events_log.Entry(entry.time_ms, entry.marble, entry.uuid, entry.evidence) for entry in kept]
        return web.Response(body=events_log.encode(entries), content_type="application/json")

    async def healthz(_request: web.Request) -> web.Response:
        coordinator = found()
        serving = coordinator is not None and coordinator.serving
        return web.json_response({"serving": serving}, status=200 if serving else 503)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/events", events)
    app.router.add_get("/healthz", healthz)
    return web.AppRunner(app, access_log=None, logger=server_logger(), handle_signals=False)
