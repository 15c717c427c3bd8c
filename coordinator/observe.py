"""Say aloud what happened: structured log, metrics and the activation event log.  Never a secret.

Label values come from closed sets only (route templates, marble types of the manifest, status codes), so a stranger
cannot grow them.  Metric names are MarbleRun's (contract 8.1).
"""

import contextlib
import json
import logging
import sys
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from attestation.checks import Check
from attestation.waivers import WAIVED

_log = logging.getLogger("enclasp")
_DURATIONS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5)
_SIZES = (100, 1000, 2000, 5000, 10000)
_EVENTS_KEPT = 1000


class _Stderr:
    """One line at a time.  A line that cannot be written is lost: the log must not decide what is served."""

    def write(self, text: str) -> None:
        """Write and flush."""
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()

    def flush(self) -> None:
        """Every write is flushed."""


class _JsonLines(logging.Formatter):
    """One JSON object a line, of our own and of what libraries log: level, ts (seconds), msg and fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        line = {"level": record.levelname.lower(), "ts": record.created, "msg": record.getMessage(), **fields}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """One JSON object a line on stderr, as MarbleRun's logs have them.  level: of our own; libraries only warn."""
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    _log.setLevel(level.upper())


class Observer:
    """The one place that logs, counts and remembers events."""

    def __init__(self, version: str) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS_KEPT)
        self.registry = registry = CollectorRegistry()
        self._state = Gauge("coordinator_state", "Phase of the coordinator (contract 1.3)", registry=registry)
        info = Gauge("coordinator_version_info", "Version of the coordinator", ["version", "commit"], registry=registry)
        info.labels(version, "").set(0)
        self._activations = Counter(
            "coordinator_marble_activations", "Activation requests", ["type"], registry=registry
        )
        self._activated = Counter(
            "coordinator_marble_activations_success", "Granted activations", ["type"], registry=registry
        )
        self._refused = Counter(
            "coordinator_marble_activations_refused", "Refused activations", ["type", "code"], registry=registry
        )
        self._rpc = Counter(
            "grpc_server_handled", "RPCs by outcome", ["grpc_service", "grpc_method", "grpc_code"], registry=registry
        )
        self._requests = Counter(
            "server_client_api_http_request", "REST requests", ["code", "method", "path"], registry=registry
        )
        self._durations = Histogram(
            "server_client_api_http_request_duration_histogram_seconds",
            "Duration of REST requests",
            ["method", "path"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self._responses = Histogram(
            "server_client_api_http_response_size_histogram_bytes",
            "Size of REST answers",
            ["path"],
            buckets=_SIZES,
            registry=registry,
        )

    def info(self, message: str, **fields: object) -> None:
        """A line of the log at level info."""
        _log.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: object) -> None:
        """Something that an operator should look at."""
        _log.warning(message, extra={"fields": fields})

    def error(self, message: str, *, exc_info: bool = False, **fields: object) -> None:
        """Something failed; `exc_info=True` adds the traceback."""
        _log.error(message, exc_info=exc_info, extra={"fields": fields})

    def phase(self, code: int) -> None:
        """The Coordinator is now in this phase."""
        self._state.set(code)

    def activated(
        self,
        marble: str,
        uuid: str,
        when: datetime,
        *,
        simulated: bool,
        evidence: str,
        waived: tuple[Check, ...],
    ) -> None:
        """A marble was admitted.  evidence: SHA-256 of its Evidence in hex.  waived: a check for each waiver in use."""
        self._activations.labels(marble).inc()
        self._activated.labels(marble).inc()
        self._events.append(
            {"time": when.isoformat(), "activation": {"marbleType": marble, "uuid": uuid, "evidenceSha256": evidence}}
        )
        self.info(
            "marble activated",
            marble=marble,
            uuid=uuid,
            join="compatible, no nonce",
            evidence_sha256=evidence,
            hardware="SIMULATED" if simulated else "genuine",
        )
        for waiver in waived:
            say = self.info if waiver.code == WAIVED else self.warning
            say("waiver in use", marble=marble, waiver=waiver.expected, today=waiver.found, stands=waiver.source)

    def refused(self, marble: str, code: str, reason: str) -> None:
        """A marble was refused.  marble: a type of the manifest, or "unknown"; reason: the whole verdict."""
        self._activations.labels(marble).inc()
        self._refused.labels(marble, code).inc()
        self.warning("marble refused", marble=marble, code=code, reason=reason)

    def rpc(self, status: str) -> None:
        """An Activate call ended with this gRPC status name."""
        self._rpc.labels("rpc.Marble", "Activate", status).inc()

    def request(self, method: str, route: str, code: int, seconds: float, size: int) -> None:
        """A REST request ended.  route: one of the route table's paths, or "other"."""
        self._requests.labels(str(code), method, route).inc()
        self._durations.labels(method, route).observe(seconds)
        self._responses.labels(route).observe(size)

    def metrics(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)

    def events(self) -> bytes:
        """The newest activations as JSON, oldest first; `null` while there are none (contract 8.2)."""
        entries: list[Mapping[str, Any]] = list(self._events)
        return (json.dumps(entries or None, separators=(",", ":")) + "\n").encode()
