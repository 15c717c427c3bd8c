"""Replicas whose API server puts an older state back: who has seen a newer one does not serve it, whoever leads then.

Real processes over real sockets; the API server is one that does what its owner wants (tests/fakes/evil_api_server.py).
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.cli.conftest import Enclasp
from tests.cli.test_older_state import activate, deploy, flags, log_of, waiting
from tests.fakes.evil_api_server import ApiServer, api_server
from tests.faults.clients import ask, data, document, marbles_of, outcome, phase, root, wait_until
from tests.kubernetes.replicas import TAKEOVER_SECONDS, Begin, answers, replicas_of
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.owners import owner

STOPPED = 6


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Begin, ApiServer]]:
    """Replicas of one state, and their API server."""
    with api_server(tmp_path / "account") as (account, server), replicas_of(account, tmp_path) as begin:
        yield begin, server


def serves(running: CoordinatorProcess) -> bool:
    return wait_until(lambda: answers(running, 3), seconds=TAKEOVER_SECONDS)


def says(running: CoordinatorProcess, words: str) -> bool:
    return wait_until(lambda: words in running.log, seconds=TAKEOVER_SECONDS)


REMEMBERS = "this replica remembers from now on where the state ends"


def test_a_state_that_the_api_server_put_back_is_named_by_its_leader_and_approved_before_the_next_one_serves(
    tmp_path: Path, cluster: tuple[Begin, ApiServer], program: Path, enclasp: Enclasp
) -> None:
    begin, server = cluster
    ada, file = owner(tmp_path, "ada"), tmp_path / "shares.json"
    first = begin()
    deploy(first, document(program, RecoveryKeys={"ada": ada.pem}), file)
    shown = root(first.client_address)
    activate(first, program)
    older = server.secrets()
    activate(first, program)
    newest = data(first.client_address, "/api/v2/journal")["sequence"]
    second = begin(elsewhere=True)
    assert says(second, REMEMBERS), second.log
    join = marbles_of(first, program)

    server.put_back(older)
    code, _ = outcome(first.mesh_address, join("limited"))
    assert grpc.StatusCode.OK is not code
    assert STOPPED == first.process.wait(TAKEOVER_SECONDS)
    assert f"wrote last, record {newest} of claim 0, got record {newest - 1} of claim 0" in first.log
    begin()
    assert says(second, "R490 the state is not served"), second.log
    why = f"this replica remembers record {newest}, and it ends with record {newest - 1}"
    status = enclasp("status", second.client_address)
    assert (8, True) == (status.code, why in status.text), status.text
    assert 503 == ask(second.client_address, "/readyz")[0]
    code, details = outcome(second.mesh_address, join("limited"))
    assert grpc.StatusCode.FAILED_PRECONDITION is code, details
    assert why == waiting(second)[1]

    key = ("--key", str(ada.key))
    done = enclasp("recovery", "approve", file, second.client_address, *key, *flags(first), "-o", "json")
    assert (0, True) == (done.code, done.document["served"]), done.err
    assert (3, shown.public_key()) == (phase(second.client_address), root(second.client_address).public_key())
    assert ("older state accepted", "ada") == tuple(log_of(second)[-1][name] for name in ("update", "owners"))
    assert newest == data(second.client_address, "/api/v2/status")["knownAtStart"]
    activate(second, program)
    third = begin()
    assert says(third, REMEMBERS), third.log
    assert 0 == second.stop()
    assert serves(third), "approved once and for all"
    assert "R497" not in third.log


@pytest.mark.parametrize("gone", [False, True], ids=["damaged", "removed"])
def test_a_replica_that_remembers_outlives_a_state_that_nobody_can_open_and_what_is_put_back_then_is_no_news_to_it(
    cluster: tuple[Begin, ApiServer], program: Path, gone: bool
) -> None:
    """Else whoever can write the Secrets would make all that remember end, and put an older state before a new one."""
    begin, server = cluster
    first = begin()
    assert 200 == ask(first.client_address, "/manifest", document(program))[0]
    older = server.secrets()
    activate(first, program)
    newest = server.secrets()
    second = begin()
    assert says(second, REMEMBERS), second.log
    server.put_back({} if gone else {path: one | {"data": {}} for path, one in newest.items()})
    assert grpc.StatusCode.OK is not outcome(first.mesh_address, marbles_of(first, program)("limited"))[0]
    assert STOPPED == first.process.wait(TAKEOVER_SECONDS)
    assert says(second, "the state cannot be served, and this replica goes on following"), second.log
    assert gone is ("got none" in second.log)
    begin()
    server.put_back(older)
    assert says(second, "R490 the state is not served"), second.log
    assert 0 == second.stop()


def test_what_was_written_after_the_last_look_locks_nobody_out_and_who_was_not_there_can_tell_nothing(
    cluster: tuple[Begin, ApiServer], program: Path, enclasp: Enclasp
) -> None:
    begin, server = cluster
    first = begin()
    assert 200 == ask(first.client_address, "/manifest", document(program))[0]
    older = server.secrets()
    second = begin()
    assert says(second, REMEMBERS), second.log
    activate(first, program)
    server.touch(next(path for path in older if path.endswith("/enclasp-state")))
    activate(first, program)
    first.kill()
    server.free_lease()  # nobody has to wait until it expires
    assert serves(second), "a record more than was seen, and a label more, are no other state"
    known = data(second.client_address, "/api/v2/status")["knownAtStart"]
    status = enclasp("status", second.client_address)
    assert f"rollback: its leader knew the state up to record {known} when it began to lead" in status.text
    assert known == enclasp("status", second.client_address, "-o", "json").document["knownAtStart"]

    assert 0 == second.stop()
    server.put_back(older)
    third = begin()
    assert serves(third), "nobody is left who knows better"
    assert "this replica has seen nothing of the state: others may lead first" in third.log
    assert None is data(third.client_address, "/api/v2/status")["knownAtStart"]
    assert "an older one would not have been noticed" in enclasp("status", third.client_address).text
    assert "this replica knew nothing of the state" in third.log
