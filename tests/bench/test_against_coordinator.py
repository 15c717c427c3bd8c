"""The load generator against a real coordinator process: all is granted, or the bench fails and says why."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.simulation.measure import measure_program
from bench.coordinator import Coordinator, CoordinatorFailed
from bench.documents import manifest
from bench.generator import Generator, LoadFailed
from bench.load import Plan


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    with Coordinator(tmp_path_factory.mktemp("coordinator")) as running:
        yield running


@pytest.fixture(scope="module")
def plan(coordinator: Coordinator) -> Plan:
    program = coordinator.folder / "program"
    program.write_text("a program\n")
    unique_id = measure_program([str(program)]).mrenclave.hex()
    coordinator.set_manifest(manifest(3, 4, unique_id=unique_id, limits=True))
    return Plan(coordinator.mesh_port, coordinator.client_port, str(coordinator.simulation), str(program), 3, 2)


def test_marbles_of_the_manifest_are_activated_and_cost_the_coordinator_time(
    coordinator: Coordinator, plan: Plan
) -> None:
    before, stored = coordinator.usage(), coordinator.state_bytes()
    with Generator(plan) as load:
        load.prepare(12)
        result = load.activate()

    assert len(result.latencies_ms) == 12
    assert coordinator.usage().cpu_ms > before.cpu_ms
    assert coordinator.state_bytes() > stored


def test_a_program_that_is_not_in_the_manifest_makes_the_bench_fail(plan: Plan, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("another program\n")

    with Generator(replace(plan, program=str(other))) as load:
        load.prepare(4)
        with pytest.raises(LoadFailed, match=r"4 of 4 activations failed, the first: CallFailed: grpc-status 7"):
            load.activate()


def test_status_is_asked_on_new_connections(plan: Plan) -> None:
    with Generator(plan) as load:
        assert len(load.status(5).latencies_ms) == 5


def test_a_port_where_nobody_listens_makes_the_bench_fail(plan: Plan) -> None:
    with Generator(replace(plan, client_port=1)) as load, pytest.raises(LoadFailed, match="1 of 1 status requests"):
        load.status(1)


def test_a_coordinator_that_cannot_start_is_shown_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    with pytest.raises(CoordinatorFailed, match=r"did not start: exit code \d+"):
        Coordinator(tmp_path)
