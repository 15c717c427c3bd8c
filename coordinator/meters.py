"""The metrics: MarbleRun's names and buckets (contract 8.1), and what a Coordinator adds.

Label values come from closed sets only (route templates, marble types of the manifest, status codes), so a stranger
cannot grow them.  MarbleRun's label `uuid` of activations is left out for that reason: Prometheus takes a label that is
not there for an empty one, so that sums and filters by type go on working.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_WAITS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5)
_DURATIONS: Final = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5)
_SIZES: Final = (100, 1000, 2000, 5000, 10000)
_HTTP: Final = "server_client_api_http_"
_CALL: Final = ("Activate", "rpc.Marble", "unary")
_CALL_LABELS: Final = ("grpc_method", "grpc_service", "grpc_type")


@dataclass(frozen=True, slots=True)
class OfType:
    """Marbles of one type.  alive: whose certificate has not ended.

    activated: when the marble started whose certificate ends last; issued, until: of it.  Seconds since 1970.
    """

    marble: str
    alive: int
    activated: float
    issued: float
    until: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What is looked up at each scrape.  marbles: types of the manifest alone, so the labels are a closed set."""

    update_pending: bool = False
    marbles: Sequence[OfType] = ()


class Meters:
    """Counts; knows nothing of what it counts but names."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(_HTTP + name, text, labels, buckets=buckets, registry=registry)

        self._state = Gauge("coordinator_state", "Phase of the coordinator (contract 1.3)", registry=registry)
        info = Gauge("coordinator_version_info", "Version of the coordinator", ["version", "commit"], registry=registry)
        info.labels(version, "").set(0)
        self._activations = counter("coordinator_marble_activations", "Activation requests", "type")
        self._activated = counter("coordinator_marble_activations_success", "Granted activations", "type")
        self._refused = counter("coordinator_marble_activations_refused", "Refused activations", "type", "code")
        self._renewed = counter("coordinator_marble_renewals_success", "Renewals of certificates", "type")
        self._not_renewed = counter("coordinator_marble_renewals_refused", "Refused renewals", "code")
        self._collateral = Gauge(
            "coordinator_collateral_next_update_timestamp_seconds",
            "When the first part of the collateral is to be replaced; 0 without collateral",
            registry=registry,
        )
        self._written = Histogram(
            "coordinator_journal_wait_seconds",
            "How long a request waits until what it changed is durable",
            buckets=_WAITS,
            registry=registry,
        )
        self._looks = _Looks()
        registry.register(self._looks)
        ProcessCollector(registry=registry)
        self._requests = counter(_HTTP + "request", "REST requests", "code", "method", "path")
        self._durations = histogram(
            "request_duration_histogram_seconds", "Duration of REST requests", _DURATIONS, "method", "path"
        )
        self._request_sizes = histogram("request_size_histogram_bytes", "Size of REST requests", _SIZES, "path")
        self._response_sizes = histogram("response_size_histogram_bytes", "Size of REST answers", _SIZES, "path")
        self._in_flight = Gauge(
            _HTTP + "in_flight_requests", "REST requests not answered yet", ["path"], registry=registry
        )
        self._started = counter("grpc_server_started", "Calls begun", *_CALL_LABELS)
        self._handled = counter("grpc_server_handled", "Calls ended, by outcome", *_CALL_LABELS, "grpc_code")
        self._received = counter("grpc_server_msg_received", "Messages received", *_CALL_LABELS)
        self._sent = counter("grpc_server_msg_sent", "Messages sent", *_CALL_LABELS)
        self._scrapes = counter("promhttp_metric_handler_requests", "Scrapes", "code")
        self._scraping = Gauge("promhttp_metric_handler_requests_in_flight", "Scrapes now", registry=registry)

    def phase(self, code: int) -> None:
        """The Coordinator is now in this phase."""
        self._state.set(code)

    def collateral(self, next_update: datetime) -> None:
        """When the first part of the collateral ends."""
        self._collateral.set(next_update.timestamp())

    def durable(self, seconds: float) -> None:
        """A request has waited so long until what it changed was durable."""
        self._written.observe(seconds)

    def look(self, scene: Callable[[], Scene]) -> None:
        """Where to look at each scrape."""
        self._looks.scene = scene

    def activated(self, marble: str) -> None:
        """marble: a type of the manifest."""
        self._activations.labels(marble).inc()
        self._activated.labels(marble).inc()

    def refused(self, marble: str, code: str) -> None:
        """marble: a type of the manifest, or "unknown"."""
        self._activations.labels(marble).inc()
        self._refused.labels(marble, code).inc()

    def renewed(self, marble: str) -> None:
        """marble: a type of the manifest."""
        self._renewed.labels(marble).inc()

    def renewal_refused(self, code: str) -> None:
        """code: of the refusal."""
        self._not_renewed.labels(code).inc()

    @contextmanager
    def in_flight(self, route: str) -> Iterator[None]:
        """A REST request is being answered.  route: one of the route table's paths, or "other"."""
        with self._in_flight.labels(route).track_inprogress():
            yield

    def request(self, method: str, route: str, code: int, seconds: float, *, received: int, sent: int) -> None:
        """A REST request ended.  method: lower case.  received, sent: bytes of the bodies."""
        self._requests.labels(str(code), method, route).inc()
        self._durations.labels(method, route).observe(seconds)
        self._request_sizes.labels(route).observe(received)
        self._response_sizes.labels(route).observe(sent)

    def call_started(self) -> None:
        """An Activate call came, with its message."""
        self._started.labels(*_CALL).inc()
        self._received.labels(*_CALL).inc()

    def call_ended(self, status: str) -> None:
        """An Activate call ended with this gRPC status, as `StatusCode` names it."""
        self._handled.labels(*_CALL, _go_name(status)).inc()
        if status == "OK":
            self._sent.labels(*_CALL).inc()

    def scrape(self) -> bytes:
        """All of them in Prometheus' text format."""
        with self._scraping.track_inprogress():
            text = generate_latest(self._registry)
        self._scrapes.labels("200").inc()
        return text


class _Looks(Collector):
    """Gauges of what stands, looked up when somebody asks."""

    def __init__(self) -> None:
        self.scene: Callable[[], Scene] = Scene

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As prometheus_client wants it."""
        scene, labels = self.scene(), ["type"]
        yield GaugeMetricFamily(
            "coordinator_update_pending", "1 while a manifest waits for approvals", scene.update_pending
        )
        alive = GaugeMetricFamily("coordinator_marbles", "Marbles whose certificate has not ended", labels=labels)
        activated = GaugeMetricFamily(
            "coordinator_marble_activated_timestamp_seconds",
            "When the marble started whose certificate ends last",
            labels=labels,
        )
        issued = GaugeMetricFamily(
            "coordinator_marble_certificate_issued_timestamp_seconds",
            "When the certificate was given that ends last of this type",
            labels=labels,
        )
        until = GaugeMetricFamily(
            "coordinator_marble_certificate_not_after_timestamp_seconds",
            "The end of the certificate of this type that ends last",
            labels=labels,
        )
        for one in scene.marbles:
            alive.add_metric([one.marble], one.alive)
            activated.add_metric([one.marble], one.activated)
            issued.add_metric([one.marble], one.issued)
            until.add_metric([one.marble], one.until)
        yield from (alive, activated, issued, until)


def _go_name(status: str) -> str:
    """A gRPC status as Go writes it: PermissionDenied, OK."""
    if status == "CANCELLED":
        return "Canceled"
    return status if status == "OK" else "".join(part.title() for part in status.split("_"))
