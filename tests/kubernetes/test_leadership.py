"""Three coordinators that share a state in the cluster, as real processes, against a real API server."""

import os
import re
from http.client import HTTPConnection
from pathlib import Path

import grpc

from coordinator.cluster.account import Account
from tests.faults.clients import Crowd, ask, data, document, marbles_of, phase, root, wait_until
from tests.kubernetes.accounts import ControlPlane
from tests.kubernetes.replicas import TAKEOVER_SECONDS, Begin, answers, leads
from tests.support.coordinator_process import CoordinatorProcess


def monitored(running: CoordinatorProcess, path: str) -> tuple[int, str]:
    """What the monitoring door answers: a follower has one, too."""
    connection = HTTPConnection(running.metrics_address, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    status, body = answer.status, answer.read().decode()
    connection.close()
    return status, body


def test_any_replica_answers_anything_and_limits_are_exact_over_a_kill_of_the_leader(
    begin: Begin, program: Path
) -> None:
    limit, threads = 40, 4
    marbles = {"m": {"Package": "tdx", "MaxActivations": limit}}
    leader = begin()
    assert wait_until(lambda: leads(leader), seconds=TAKEOVER_SECONDS)
    second, third = begin(), begin()
    assert wait_until(lambda: answers(second, 2) and answers(third, 2), seconds=TAKEOVER_SECONDS)
    assert not leads(second)
    assert not leads(third)
    shown = [monitored(replica, "/metrics")[1] for replica in (leader, second)]
    assert ["2.0", "0.0"] == [re.findall(r"^coordinator_state (.*)$", text, re.MULTILINE)[0] for text in shown]
    assert [(200, '{"serving": true}'), (503, '{"serving": false}')] == [
        monitored(r, "/healthz") for r in (leader, second)
    ]
    assert (200, "null\n") == monitored(second, "/events")
    assert 200 == ask(second.client_address, "/manifest", document(program, Marbles=marbles))[0]
    assert phase(third.client_address) == 3
    seen = root(leader.client_address)
    assert root(second.client_address) == seen
    assert root(third.client_address) == seen

    make = marbles_of(leader, program)
    crowds = [Crowd(replica.mesh_address, lambda: make("m")) for replica in (second, third)]
    for crowd in crowds:
        crowd.start(threads)
    assert all(crowd.reaches(3) for crowd in crowds)
    leader.kill()
    for crowd in crowds:
        crowd.wait()
    granted = sum(crowd.granted for crowd in crowds)
    for replica in (second, third):
        assert wait_until(lambda r=replica: answers(r, 3), seconds=TAKEOVER_SECONDS)
        assert root(replica.client_address) == seen
    assert leads(second) != leads(third), "one and one only took over"
    last = [Crowd(replica.mesh_address, lambda: make("m")) for replica in (second, third)]
    for crowd in last:
        crowd.start(threads)
    for crowd in last:
        crowd.wait()
        assert grpc.StatusCode.PERMISSION_DENIED in crowd.outcomes, crowd.details
    granted += sum(crowd.granted for crowd in last)
    assert limit - 2 * threads <= granted <= limit, "lost: at most those on their way at the kill; more: never"


def test_a_leader_that_is_asked_to_stop_hands_over_at_once_and_a_client_in_between_only_waits(
    begin: Begin, program: Path, control_plane: ControlPlane, account: Account
) -> None:
    def holder() -> str:
        (lease,) = control_plane.get(account.namespace, "leases")
        return str(lease["spec"]["holderIdentity"])

    leader = begin()
    assert wait_until(lambda: leads(leader), seconds=TAKEOVER_SECONDS)
    second = begin()
    assert 200 == ask(second.client_address, "/manifest", document(program))[0]
    before = holder()
    fingerprint = data(second.client_address, "/api/v2/manifest")["manifestFingerprint"]
    assert leader.stop() == 0
    assert before != holder(), "nobody has to wait until the lease expires"
    assert wait_until(lambda: leads(second) and answers(second, 3), seconds=TAKEOVER_SECONDS)
    assert data(second.client_address, "/api/v2/manifest")["manifestFingerprint"] == fingerprint
    again = begin()
    assert data(again.client_address, "/api/v2/manifest")["manifestFingerprint"] == fingerprint
    assert not leads(again)


def test_a_leader_that_was_asleep_while_another_took_over_ends_and_changes_nothing(begin: Begin, program: Path) -> None:
    sleeper = begin()
    assert wait_until(lambda: leads(sleeper), seconds=TAKEOVER_SECONDS)
    assert 200 == ask(sleeper.client_address, "/manifest", document(program))[0]
    second = begin()
    os.kill(sleeper.process.pid, 19)  # SIGSTOP: as a paused machine
    assert wait_until(lambda: leads(second), seconds=TAKEOVER_SECONDS)
    assert wait_until(lambda: answers(second, 3), seconds=TAKEOVER_SECONDS)
    make = marbles_of(second, program)
    crowd = Crowd(second.mesh_address, lambda: make("limited"))
    crowd.start(1)
    assert crowd.reaches(3)
    os.kill(sleeper.process.pid, 18)  # SIGCONT
    assert sleeper.process.wait(TAKEOVER_SECONDS) == 6
    assert "may not serve any longer" in sleeper.log
    crowd.wait()
    assert crowd.granted == 10


def test_a_replica_on_another_machine_succeeds_a_leader_that_is_gone_for_good(begin: Begin, program: Path) -> None:
    leader = begin()
    assert wait_until(lambda: leads(leader), seconds=TAKEOVER_SECONDS)
    second = begin(elsewhere=True)
    assert 200 == ask(second.client_address, "/manifest", document(program))[0]
    seen = root(leader.client_address)
    handed = "this replica can succeed it"
    assert wait_until(lambda: handed in second.log, seconds=TAKEOVER_SECONDS), second.log
    leader.kill()
    assert wait_until(lambda: leads(second) and answers(second, 3), seconds=TAKEOVER_SECONDS)
    assert root(second.client_address) == seen
    assert second.stop() == 0
    third = begin(elsewhere=True)
    assert wait_until(lambda: answers(third, 3), seconds=TAKEOVER_SECONDS), "its machine opens the state by itself now"
    assert root(third.client_address) == seen
