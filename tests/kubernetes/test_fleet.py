"""Coordinators of several versions, and many of them under load, as real processes on a real API server."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from attestation.anchors import TrustAnchors
from attestation.endorsements import parse_bundle
from attestation.tdx.claims import TdxReferenceValues
from attestation.verify import Verifier
from coordinator.client.client import CoordinatorClient
from coordinator.client.endpoint import parse_endpoint
from coordinator.client.transport import Transport, UserFiles
from coordinator.client.verify import Expectation, VerificationRefused, verify_coordinator
from tests.faults.clients import connect, document, marbles_of, outcome, root, wait_until
from tests.kubernetes.accounts import draw
from tests.kubernetes.replicas import TAKEOVER_SECONDS, Begin, answers, leads
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.marble_client import Join
from tests.support.people import Person, person
from tests.support.versions import another_version, mrtd

_BEHIND = "\n\n\nclass ActivationsCounted"
_VALUES = "        package=marble.package,\n"
MOOD = (
    ("state/events.py", _BEHIND, f'\n    mood: str = ""{_BEHIND}'),
    ("decisions/activate_marble.py", _VALUES, _VALUES + '        mood="glad",\n'),
)
"""What a version does that records one thing more of each marble."""


def serves(running: CoordinatorProcess, vendor: CoordinatorProcess, version: str) -> x509.Certificate:
    """The root certificate, to a verifier who accepts this version alone.  Raises VerificationRefused."""
    anchors = TrustAnchors.genuine().with_simulated(vendor.trust.read_bytes())
    verifier = Verifier(anchors, parse_bundle(vendor.collateral.read_bytes()))
    expectation = Expectation(verifier, (TdxReferenceValues(mrtd=bytes.fromhex(version)),))
    exchange = Transport(parse_endpoint(running.client_address)).exchange
    now = datetime.now(UTC)  # noqa: TID251 - a verifier's clock
    return verify_coordinator(exchange, expectation, nonce=draw(32), now=now)[0].root


def hangs(running: CoordinatorProcess) -> bool:
    """Whether its client door answers nobody: a probe for readiness fails."""
    try:
        connect(running.client_address, timeout=1).close()
    except TimeoutError:
        return True
    return False


def client(running: CoordinatorProcess, user: Person | None = None) -> CoordinatorClient:
    files = None if user is None else UserFiles(user.certificate, user.key)
    return CoordinatorClient(Transport(parse_endpoint(running.client_address), user=files).exchange)


def test_a_new_version_takes_over_from_the_old_one_and_a_version_that_nobody_named_does_not(
    begin: Begin, program: Path, tmp_path: Path
) -> None:
    new = another_version(tmp_path / "new", "the next version, whose records say more", MOOD)
    unknown = another_version(tmp_path / "unknown", "of a stranger")
    old = begin()
    assert wait_until(lambda: leads(old), seconds=TAKEOVER_SECONDS)
    named = {name: {"TDX": {"MRTD": value}} for name, value in (("old", mrtd()), ("new", mrtd(new)))}
    packages = json.loads(document(program))["Packages"] | named
    client(old).manifest_set(document(program, Packages=packages, Config={"Coordinators": ["old", "new"]}))
    before = serves(old, old, mrtd())

    stranger, second = begin(code=unknown, elsewhere=True), begin(code=new, elsewhere=True)
    assert wait_until(lambda: "R520" in stranger.log, seconds=TAKEOVER_SECONDS), stranger.log
    assert f'add a package with {{TDX: {{MRTD: \\"{mrtd(unknown)}\\"}}}}' in stranger.log
    assert hangs(stranger)
    assert wait_until(lambda: "this replica can succeed it" in second.log, seconds=TAKEOVER_SECONDS), second.log
    assert wait_until(lambda: answers(second, 3), seconds=TAKEOVER_SECONDS)

    waiting = begin()
    assert wait_until(lambda: answers(waiting, 3), seconds=TAKEOVER_SECONDS)
    old.kill()
    waiting.process.send_signal(19)  # so that it is the new version's turn
    assert wait_until(lambda: leads(second) and answers(second, 3), seconds=TAKEOVER_SECONDS), second.log
    assert not leads(stranger)
    after = serves(second, old, mrtd(new))
    assert before.public_key() == after.public_key()
    after.verify_directly_issued_by(before)
    with pytest.raises(VerificationRefused):
        serves(second, old, mrtd())

    join = marbles_of(old, program)
    assert grpc.StatusCode.OK is outcome(second.mesh_address, join("full"))[0]
    waiting.process.send_signal(18)
    second.kill()
    assert 3 == waiting.process.wait(2 * TAKEOVER_SECONDS), "it took the lease, and cannot read what the new one wrote"
    assert "unknown field `mood`" in waiting.log
    assert "start that one, or a newer one still" in waiting.log
    third = begin(code=new)
    assert wait_until(lambda: leads(third) and answers(third, 3), seconds=TAKEOVER_SECONDS), "the lease was given back"
    assert serves(third, old, mrtd(new)) == after


@dataclass
class Clients:
    """Marbles that join through the doors of a Service: one that is cut off tries the next door, with new evidence.

    retries: of each marble that was cut off.
    """

    doors: list[str]
    make: Callable[[], Join]
    granted: int = 0
    refused: int = 0
    retries: list[int] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, marbles: int, threads: int) -> None:
        self._left = marbles
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, door: int) -> None:
        while True:
            with self._lock:
                if not self._left:
                    return
                self._left -= 1
            tries = 0
            while True:
                code, reason = outcome(self.doors[door % len(self.doors)], self.make(), timeout=60)
                if code is not grpc.StatusCode.UNAVAILABLE:
                    break
                tries, door = tries + 1, door + 1
            with self._lock:
                self.granted += code is grpc.StatusCode.OK
                self.refused += code is grpc.StatusCode.PERMISSION_DENIED
                self.retries += [tries] if tries else []
                self.reasons |= {reason} if code is not grpc.StatusCode.OK else set()


def test_with_four_replicas_limits_and_approvals_are_exact_and_a_client_tries_again_at_most_once(
    begin: Begin, program: Path, tmp_path: Path
) -> None:
    limit, marbles, threads = 1000, 2000, 8
    replicas = [begin()]
    assert wait_until(lambda: leads(replicas[0]), seconds=TAKEOVER_SECONDS)
    people = {name: person(tmp_path, name) for name in ("alice", "bob")}
    law: dict[str, Any] = {
        "Marbles": {"m": {"Package": "tdx", "MaxActivations": limit}},
        "Users": {name: one.entry("updater") for name, one in people.items()},
        "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
        "Config": {"UpdateThreshold": 2},
    }
    client(replicas[0]).manifest_set(document(program, **law))
    replicas += [begin() for _ in range(3)]
    assert all(wait_until(lambda r=replica: answers(r, 3), seconds=TAKEOVER_SECONDS) for replica in replicas)
    seen, join = root(replicas[0].client_address), marbles_of(replicas[0], program)

    clients = Clients([replica.mesh_address for replica in replicas], lambda: join("m"))
    clients.start(marbles, threads)
    assert wait_until(lambda: clients.granted > 100, seconds=60)
    updated = document(program, **law, Secrets={"fresh": {"Type": "symmetric-key", "Size": 128}})
    assert 1 == client(replicas[1], people["alice"]).update_apply(updated, ()).missing
    assert 0 == client(replicas[2], people["bob"]).update_acknowledge(updated, ()).missing
    assert wait_until(lambda: clients.granted > 400, seconds=60)
    clients.doors = clients.doors[1:]
    replicas[0].kill()
    clients.wait()

    cut = sum(clients.retries)
    assert limit - cut <= clients.granted <= limit, "lost: at most the answers that were cut off; more: never"
    assert marbles == clients.granted + clients.refused, clients.reasons
    assert all(tries == 1 for tries in clients.retries), "a marble that is cut off tries again, once"
    assert cut <= 2 * threads, "those on their way at the kill, and those that saw the certificate of before the update"
    for replica in replicas[1:]:
        assert root(replica.client_address).public_key() == seen.public_key()
        assert client(replica).manifest_get().raw == updated
    assert 1 == sum(leads(replica) for replica in replicas[1:])
