"""The rows of the contract about metrics and events (8.1 to 8.3), asked at the Prometheus address."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from attestation.kinds import Kind
from tests.compat.test_rest_contract import curl
from tests.faults.clients import document, outcome
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start

UUID = "3F2C1B7E-1111-4222-8333-944455566677"


@dataclass
class Deployed:
    running: CoordinatorProcess
    joins: list[marble_client.Join]

    def plain(self, path: str) -> str:
        with urlopen(f"http://{self.running.metrics_address}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        families = text_string_to_metric_families(self.plain("/metrics"))
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def value(self, name: str, **labels: str) -> float:
        return self.samples()[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Two activations are granted, one is refused; a manifest is set and the status asked."""
    folder = tmp_path_factory.mktemp("observed")
    program = folder / "program.py"
    program.write_text("print('the agreed program')\n")
    running = start(folder / "dev")
    deployed = Deployed(running, [])
    assert "null\n" == deployed.plain("/events"), "before a manifest"
    assert 200 == curl(running.client_address, "/manifest", body=document(program)).status
    assert "null\n" == deployed.plain("/events"), "before an activation"
    quote = marble_client.simulated(running.folder, Kind.TDX, program)
    for _ in range(2):
        join = marble_client.prepare(quote, "limited")
        join.uuid = UUID
        assert outcome(running.mesh_address, join)[0] is grpc.StatusCode.OK
        deployed.joins.append(join)
    assert outcome(running.mesh_address, deployed.joins[0])[0] is grpc.StatusCode.PERMISSION_DENIED
    assert outcome(running.mesh_address, marble_client.prepare(quote, "a stranger's"))[0] is (
        grpc.StatusCode.PERMISSION_DENIED
    )
    assert 200 == curl(running.client_address, "/status").status
    assert 405 == curl(running.client_address, "/nothing").status
    yield deployed
    deployed.running.kill()


HTTP = "server_client_api_http_"
CALL = {"grpc_method": "Activate", "grpc_service": "rpc.Marble", "grpc_type": "unary"}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("coordinator_state", {}, 3),
        ("coordinator_version_info", {"version": "0.1.0", "commit": ""}, 0),
        ("coordinator_marble_activations_total", {"type": "limited"}, 3),
        ("coordinator_marble_activations_total", {"type": "unknown"}, 1),
        ("coordinator_marble_activations_success_total", {"type": "limited"}, 2),
        (f"{HTTP}request_total", {"code": "200", "method": "post", "path": "/manifest"}, 1),
        (f"{HTTP}request_total", {"code": "405", "method": "other", "path": "other"}, 1),
        (f"{HTTP}request_duration_histogram_seconds_count", {"method": "get", "path": "/status"}, 1),
        (f"{HTTP}request_size_histogram_bytes_count", {"path": "/manifest"}, 1),
        (f"{HTTP}request_size_histogram_bytes_bucket", {"path": "/manifest", "le": "100.0"}, 0),
        (f"{HTTP}response_size_histogram_bytes_bucket", {"path": "/status", "le": "1000.0"}, 1),
        (f"{HTTP}in_flight_requests", {"path": "/status"}, 0),
        ("grpc_server_started_total", CALL, 4),
        ("grpc_server_handled_total", CALL | {"grpc_code": "OK"}, 2),
        ("grpc_server_handled_total", CALL | {"grpc_code": "PermissionDenied"}, 2),
        ("grpc_server_msg_received_total", CALL, 4),
        ("grpc_server_msg_sent_total", CALL, 2),
        ("coordinator_update_pending", {}, 0),
        ("coordinator_marbles", {"type": "limited"}, 1),
        ("coordinator_journal_wait_seconds_bucket", {"le": "+Inf"}, 2),
    ],
)
def test_8_1_every_metric_of_the_contract_is_there(
    deployed: Deployed, name: str, labels: dict[str, str], value: float
) -> None:
    assert value == deployed.value(name, **labels)


def test_8_1_scrapes_are_counted(deployed: Deployed) -> None:
    before = deployed.value("promhttp_metric_handler_requests_total", code="200")
    assert before + 1 == deployed.value("promhttp_metric_handler_requests_total", code="200")
    assert 1 == deployed.value("promhttp_metric_handler_requests_in_flight")


@pytest.mark.parametrize(
    ("name", "buckets"),
    [
        (f"{HTTP}request_duration_histogram_seconds", ["0.005", "0.025", "0.1", "0.5", "1.0", "2.5", "5.0", "+Inf"]),
        (f"{HTTP}request_size_histogram_bytes", ["100.0", "1000.0", "2000.0", "5000.0", "10000.0", "+Inf"]),
        (f"{HTTP}response_size_histogram_bytes", ["100.0", "1000.0", "2000.0", "5000.0", "10000.0", "+Inf"]),
    ],
)
def test_8_1_buckets_are_the_contracts(deployed: Deployed, name: str, buckets: list[str]) -> None:
    labels = [dict(labels) for found, labels in deployed.samples() if found == f"{name}_bucket"]
    assert buckets == [each["le"] for each in labels if each["path"] == "/status"]


def test_8_1_a_strangers_words_are_no_label_values(deployed: Deployed) -> None:
    curl(deployed.running.client_address, "/strange-path")
    curl(deployed.running.client_address, "/status", "-X", "STRANGE")
    text = deployed.plain("/metrics")
    assert not re.search("strang", text, re.IGNORECASE)
    assert UUID.lower() not in text.lower()


def test_8_2_the_event_log_has_each_activation_with_its_quote(deployed: Deployed) -> None:
    entries: list[dict[str, Any]] = json.loads(deployed.plain("/events"))
    assert [["time", "activation"], ["marbleType", "uuid", "quote"]] == [
        list(entries[0]),
        list(entries[0]["activation"]),
    ]
    assert ["limited", "limited"] == [entry["activation"]["marbleType"] for entry in entries]
    assert [UUID.lower()] * 2 == [entry["activation"]["uuid"] for entry in entries]
    assert [join.quote for join in deployed.joins] == [base64.b64decode(e["activation"]["quote"]) for e in entries]
    for entry in entries:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z", entry["time"])
        assert datetime.fromisoformat(entry["time"]).tzinfo is not None


def test_8_2_the_event_log_survives_a_kill(deployed: Deployed) -> None:
    before = deployed.plain("/events")
    deployed.running.kill()
    deployed.running = start(deployed.running.folder)
    assert before == deployed.plain("/events")


@pytest.mark.parametrize("setting", ["evidence_days = 0", "evidence_megabytes = 0"])
def test_evidence_that_is_not_to_be_kept_is_on_no_disk(tmp_path: Path, setting: str) -> None:
    program = tmp_path / "program.py"
    program.write_text("print('the agreed program')\n")
    (tmp_path / "coordinator.toml").write_text(setting)
    running = start(tmp_path / "dev", "--config", str(tmp_path / "coordinator.toml"))
    deployed = Deployed(running, [])
    try:
        assert 200 == curl(running.client_address, "/manifest", body=document(program)).status
        join = marble_client.prepare(marble_client.simulated(running.folder, Kind.TDX, program), "limited")
        assert outcome(running.mesh_address, join)[0] is grpc.StatusCode.OK
        assert 1 == len(json.loads(deployed.plain("/events"))), "the newest few are in memory"
        assert not (running.folder / "state" / "evidence").exists()
    finally:
        running.kill()
