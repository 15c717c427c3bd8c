"""Updates survive restarts, snapshots and kills: pending, approved or done, never something between."""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.faults.clients import ask
from tests.support.coordinator_process import start
from tests.support.updatable import Updatable, changed, deploy, encoded, v2


@pytest.fixture(params=["every record", "a snapshot"])
def deployed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Updatable]:
    """With all records in the journal, or with a snapshot after almost every one."""
    config = tmp_path / "coordinator.toml"
    config.write_text("snapshot_every = 2\n" if request.param == "a snapshot" else "")
    it = deploy(tmp_path, "--config", str(config), UpdateOverlap="1h")
    yield it
    it.running.kill()


def seen(deployed: Updatable) -> dict[str, Any]:
    """Everything of updates that anybody can see."""
    paths = ("/api/v2/manifest", "/api/v2/update", "/api/v2/history", "/api/v2/quote")
    answers = {path: deployed.data(path) for path in paths}
    answers["/api/v2/quote"] = answers["/api/v2/quote"]["cert"]
    pending = deployed.ask(None, "/update-manifest")
    return answers | {"pending": (pending.status, pending.body)}


def test_every_step_of_updates_survives_a_restart(deployed: Updatable) -> None:
    new = changed(deployed.first, lambda d: d["Marbles"].update(new={"Package": "tdx"}))
    rotating = changed(new, lambda d: d["Config"].update(RotateRootSecret=True))
    raised = encoded({"Packages": {"sgx": {"SecurityVersion": 4}}})

    def step(action: Any) -> None:
        assert 200 == action.status, action.body
        given = stable(deployed.activate())
        before = seen(deployed)
        deployed.restart()
        assert before == seen(deployed)
        assert given == stable(deployed.activate())

    step(deployed.update("alice", new))
    step(deployed.ask("bob", "/api/v2/update-cancel", b""))
    step(deployed.update("alice", new))
    step(deployed.approve("bob", new))
    step(deployed.ask("dave", "/api/v2/update", v2(raised)))
    assert "PERMISSION_DENIED" == deployed.enclave(3)
    deployed.pass_update(rotating)
    step(deployed.update("carol", new))
    entries = [json.loads(item["entry"]) for item in deployed.data("/api/v2/history")["history"]]
    assert ["manifest set", "manifest updated", "security versions raised", "manifest updated"] == [
        entry["kind"] for entry in entries
    ]
    assert [1, 2, 3, 4] == [entry["number"] for entry in entries]


def stable(env: dict[str, bytes]) -> dict[str, bytes]:
    """What is the same for every marble with this UUID."""
    return {name: value for name, value in env.items() if not name.endswith(("CHAIN", "PRIVATE_KEY"))}


def test_a_kill_while_an_update_is_applied_leaves_the_old_manifest_or_the_new_one(tmp_path: Path) -> None:
    deployed = deploy(tmp_path, UpdateThreshold=1)
    try:
        for number in range(3):
            new = changed(deployed.first, lambda d, n=number: d["Marbles"].update({f"m{n}": {"Package": "tdx"}}))
            before = base64.b64decode(deployed.data("/api/v2/manifest")["manifest"])
            status: list[int] = []
            thread = threading.Thread(target=lambda new=new, status=status: status.append(send(deployed, new)))
            thread.start()
            thread.join(0.03 * (number + 1))
            deployed.running.kill()
            thread.join()
            deployed.running = start(deployed.running.folder)
            found = base64.b64decode(deployed.data("/api/v2/manifest")["manifest"])
            assert found in (before, encoded(new))
            assert status != [200] or found == encoded(new), "an update was acknowledged and is lost"
            assert 404 == ask(deployed.running.client_address, "/update-manifest")[0]
            intermediate, root = x509.load_pem_x509_certificates(deployed.data("/quote")["Cert"].encode())
            intermediate.verify_directly_issued_by(root)
            assert deployed.activate()["PASSWORD"] == b"hunter2"
    finally:
        deployed.running.kill()


def send(deployed: Updatable, document: dict[str, Any]) -> int:
    """The status of an update; 0 if the connection ended without an answer."""
    try:
        return deployed.update("alice", document).status
    except (AssertionError, IndexError, ValueError):  # curl's exit code, or no header
        return 0
