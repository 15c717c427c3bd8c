"""The controller's probes: `/healthz` while it looks or asks something, `/readyz` while the API server answers it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

from coordinator.doors.listen import listen

SILENCE: Final = 180.0
"""Seconds without a sign of life after which the process is taken for stuck.  A round may be as long as it likes: each
request is such a sign, and only those of a coordinator's verification are not, three of at most 40 s (`Limits`)."""


@dataclass(slots=True)
class Pulse:
    """monotonic: seconds.  Written by the rounds, read by the probes."""

    monotonic: Callable[[], float]
    beaten: float
    answered: bool = False

    def beat(self, answered: bool) -> None:
        """A look is over.  answered: by the API server."""
        self.beaten, self.answered = self.monotonic(), answered

    def move(self) -> None:
        """A look goes on: it asks somebody for something."""
        self.beaten = self.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the last sign of life was not too long ago."""
        return self.monotonic() - self.beaten < SILENCE


class HealthDoor:
    """Plain HTTP, one request at a time and two seconds each: it says nothing that is worth more."""

    def __init__(self, port: int, pulse: Pulse) -> None:
        """port: on all interfaces; 0: any.  Raises OSError if it is taken."""

        class Handler(BaseHTTPRequestHandler):
            timeout = 2
            server_version, sys_version = "enclasp", ""

            def do_GET(self) -> None:
                answers = {"/healthz": pulse.alive, "/readyz": pulse.alive and pulse.answered}
                found = answers.get(self.path)
                self.send_response(404 if found is None else 200 if found else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """A probe is no line of the log."""

        self._server = HTTPServer(("", port), Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listen("", port)
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
