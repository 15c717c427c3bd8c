"""The admission door: HTTPS for the API server, in a process of its own that knows no secret of any deployment."""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Final

from aiohttp import web
from OpenSSL import SSL

from coordinator.admission.mutate import inject
from coordinator.admission.pod import Refusal
from coordinator.admission.review import ReviewInvalid, admit, parse_review, refuse, subject
from coordinator.admission.settings import Injection
from coordinator.doors.tls import TlsLimits, serve

BODY_BYTES: Final = 4 * 1024 * 1024
"""The API server takes objects of at most 3 MiB."""
_JSON: Final = "application/json"
_log = logging.getLogger("enclasp.admission")


def application(settings: Injection) -> web.Application:
    """`POST /mutate` answers an AdmissionReview; `GET /healthz` says that the process serves."""

    async def mutate(request: web.Request) -> web.Response:
        if request.headers.get("Content-Type") != _JSON:
            return web.Response(status=400, text=f"Content-Type: expected {_JSON}\n")
        try:
            review = parse_review(await request.read())
        except ReviewInvalid as invalid:
            return web.Response(status=400, text=f"{invalid}\n")
        if review.pod is None:
            return web.Response(body=admit(review, ()), content_type=_JSON)
        try:
            operations = inject(review.pod, namespace=review.namespace, settings=settings)
        except Refusal as refusal:
            _log.warning("refused: %s: %s %s", subject(review), refusal.code, refusal)
            return web.Response(body=refuse(review, refusal), content_type=_JSON)
        _log.info("admitted: %s: %d changes", subject(review), len(operations))
        return web.Response(body=admit(review, operations), content_type=_JSON)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application(client_max_size=BODY_BYTES)
    app.router.add_post("/mutate", mutate)
    app.router.add_get("/healthz", healthy)
    return app


async def serve_until_stopped(settings: Injection, port: int, chooser: Callable[[], SSL.Context]) -> None:
    """Serve until SIGTERM or SIGINT.  chooser: the certificate for each new connection."""
    runner = web.AppRunner(application(settings), access_log=None, handle_signals=False, shutdown_timeout=5)
    await runner.setup()
    protocol = runner.server
    assert protocol is not None, "a runner that was set up has a server"
    server = await serve(protocol, chooser, host=None, port=port, limits=TlsLimits())
    _log.info("admission door open at port %d, coordinator %s", port, settings.coordinator)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.close()
    await runner.cleanup()
