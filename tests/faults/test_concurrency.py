"""Many marbles at once: `MaxActivations` is exact, and one piece of evidence counts once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.faults.clients import ask, document, marbles_of, outcome
from tests.support.coordinator_process import CoordinatorProcess, start


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Iterator[CoordinatorProcess]:
    running = start(tmp_path_factory.mktemp("deployed") / "dev")
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    yield running
    running.kill()


def test_of_30_marbles_at_once_exactly_as_many_join_as_the_manifest_says(
    deployed: CoordinatorProcess, program: Path
) -> None:
    make = marbles_of(deployed, program)
    joins = [make("limited") for _ in range(30)]
    with ThreadPoolExecutor(30) as crowd:
        outcomes = list(crowd.map(lambda join: outcome(deployed.mesh_address, join), joins))
    assert {grpc.StatusCode.OK: 10, grpc.StatusCode.PERMISSION_DENIED: 20} == Counter(code for code, _ in outcomes)
    assert all("A202" in details for code, details in outcomes if code is not grpc.StatusCode.OK)


def test_of_one_piece_of_evidence_shown_five_times_at_once_one_counts(
    deployed: CoordinatorProcess, program: Path
) -> None:
    one = marbles_of(deployed, program)("full")
    with ThreadPoolExecutor(5) as thieves:
        outcomes = list(thieves.map(lambda _: outcome(deployed.mesh_address, one), range(5)))
    assert {grpc.StatusCode.OK: 1, grpc.StatusCode.PERMISSION_DENIED: 4} == Counter(code for code, _ in outcomes)
    assert all("A203" in details for code, details in outcomes if code is not grpc.StatusCode.OK)
