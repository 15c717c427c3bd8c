"""What users set survives what happens to the process; what was acknowledged is never lost, nor half there."""

import base64
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.clients import ask, wait_until
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.people import Person, person

Begin = Callable[..., CoordinatorProcess]
NAMES = [f"s{number}" for number in range(8)]


def manifest(alice: Person) -> bytes:
    every = {"ResourceType": "Secrets", "ResourceNames": NAMES, "Actions": ["ReadSecret", "WriteSecret"]}
    document = {
        "Packages": {"p": {"UniqueID": "ab" * 32}},
        "Marbles": {"m": {"Package": "p"}},
        "Secrets": {name: {"Type": "plain", "UserDefined": True} for name in NAMES},
        "Users": {"alice": alice.entry("every")},
        "Roles": {"every": every},
    }
    return json.dumps(document).encode()


def curl(alice: Person, address: str, path: str, *options: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and document of an answer; status 0 if the connection ended without one."""
    data = ("--data-binary", "@-") if body is not None else ()
    command = ["curl", "-sk", *alice.curl, *data, *options, "-w", "\n%{http_code}", f"https://{address}{path}"]
    done = subprocess.run(command, input=body, capture_output=True, timeout=30, check=False)
    text, _, status = done.stdout.rpartition(b"\n")
    return int(status), json.loads(text) if text.strip() else None


def write(alice: Person, address: str, values: dict[str, str]) -> int:
    given = {name: {"Key": base64.b64encode(value.encode()).decode()} for name, value in values.items()}
    return curl(alice, address, "/secrets", body=json.dumps(given).encode())[0]


def read(alice: Person, address: str) -> dict[str, str]:
    query = "&".join(f"s={name}" for name in NAMES)
    status, document = curl(alice, address, f"/secrets?{query}")
    assert 200 == status, document
    return {
        name: base64.b64decode(value["Private"] or "").decode()
        for name, value in document["data"].items()
        if value["Private"]
    }


def test_values_and_the_update_log_survive_a_restart_and_a_snapshot(tmp_path: Path, begin: Begin) -> None:
    alice = person(tmp_path, "alice")
    config = tmp_path / "coordinator.toml"
    config.write_text("snapshot_every = 6\n")
    running = begin(tmp_path / "dev", "--config", str(config))
    assert 200 == ask(running.client_address, "/manifest", manifest(alice))[0]
    wanted = {}
    for number in range(9):
        wanted |= {NAMES[number % 4]: f"value {number}", NAMES[5]: f"again {number}"}
        assert 200 == write(
            alice, running.client_address, {NAMES[number % 4]: f"value {number}", NAMES[5]: f"again {number}"}
        )
    assert 200 == write(alice, running.client_address, {NAMES[0]: ""})
    del wanted[NAMES[0]]
    log = ask(running.client_address, "/update")
    assert wanted == read(alice, running.client_address)
    running.kill()
    running = begin(tmp_path / "dev", "--config", str(config))
    assert wanted == read(alice, running.client_address)
    assert log == ask(running.client_address, "/update")
    assert 20 == json.loads(log[1])["data"].count('"update"'), "one for the manifest, one for each secret that was set"


@dataclass
class Writer:
    """Writes one number after the other to all secrets, until it fails."""

    alice: Person
    address: str
    sent: int
    acknowledged: int

    def run(self) -> None:
        while True:
            self.sent += 1
            if write(self.alice, self.address, dict.fromkeys(NAMES, str(self.sent))) != 200:
                return
            self.acknowledged = self.sent

    def reaches(self, number: int) -> bool:
        return wait_until(lambda: self.acknowledged >= number)


def test_a_kill_among_writes_loses_none_that_was_acknowledged_and_leaves_none_half(
    tmp_path: Path, begin: Begin
) -> None:
    alice = person(tmp_path, "alice")
    running = begin(tmp_path / "dev")
    assert 200 == ask(running.client_address, "/manifest", manifest(alice))[0]
    last = -1
    for _ in range(2):
        writer = Writer(alice, running.client_address, last, last)
        thread = threading.Thread(target=writer.run)
        thread.start()
        assert writer.reaches(last + 5)
        running.kill()
        thread.join()
        running = begin(tmp_path / "dev")
        found = read(alice, running.client_address)
        assert set(NAMES) == set(found)
        assert 1 == len(set(found.values())), "all secrets of a request, or none of them"
        last = int(found[NAMES[0]])
        assert writer.acknowledged <= last <= writer.sent
