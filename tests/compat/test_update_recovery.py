"""Updates that change who can open the sealed state (contract 1.10, the rows Recovery and SealMode)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from attestation.simulation.folder import create
from tests.compat.test_recovery_contract import opened, signed, submit
from tests.support.coordinator_process import start
from tests.support.owners import OwnerOfShare, owner
from tests.support.updatable import Updatable, changed, deploy


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnerOfShare]:
    folder = tmp_path_factory.mktemp("owners")
    return {name: owner(folder, name) for name in ("legal", "ops")}


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Updatable]:
    it = deploy(tmp_path)
    yield it
    it.running.kill()


def keys(document: dict[str, Any], owners: dict[str, OwnerOfShare], *names: str) -> dict[str, Any]:
    return changed(document, lambda d: d.update(RecoveryKeys={name: owners[name].pem for name in names}))


def pass_update(deployed: Updatable, document: dict[str, Any]) -> Any:
    """The data of the answer that put it in force."""
    proposed = deployed.update("alice", document).json()["data"]
    assert "recoverySecrets" not in proposed
    done = deployed.approve("carol", document)
    assert 200 == done.status, done.body
    return done.json()["data"]


def activations(deployed: Updatable) -> int:
    with urlopen(f"http://{deployed.running.metrics_address}/events", timeout=10) as answer:
        return len(json.loads(answer.read()) or [])


def to_another_machine(deployed: Updatable) -> None:
    deployed.running.kill()
    folder = deployed.running.folder
    (folder / "simulation").rename(folder / "gone")
    create(folder / "simulation")
    deployed.running = start(folder)
    assert 1 == deployed.data("/status")["StatusCode"]


def test_new_owners_get_shares_of_a_new_key_and_the_old_ones_open_nothing_any_more(
    deployed: Updatable, owners: dict[str, OwnerOfShare]
) -> None:
    before = deployed.activate()
    first = pass_update(deployed, keys(deployed.first, owners, "legal"))
    assert ["legal"] == list(first["recoverySecrets"])
    assert "recoverySecrets" not in pass_update(deployed, keys(deployed.first, owners, "legal")), "nothing has changed"
    second = pass_update(deployed, keys(deployed.first, owners, "ops"))
    assert ["ops"] == list(second["recoverySecrets"])
    old, new = (
        opened(owners["legal"], first["recoverySecrets"]["legal"]),
        opened(owners["ops"], second["recoverySecrets"]["ops"]),
    )

    count = activations(deployed)
    deployed.restart()
    assert 3 == deployed.data("/status")["StatusCode"], "this machine opens it as before"
    assert count == activations(deployed), "evidence of before is still read"
    assert before["KEY"] == deployed.activate()["KEY"]
    log = deployed.log()

    to_another_machine(deployed)
    address = deployed.running.client_address
    assert 500 == submit(address, old, signed(owners["legal"], old)).status
    recovered = submit(address, new, signed(owners["ops"], new))
    assert (200, 0) == (recovered.status, recovered.json()["data"]["remaining"]), recovered.body
    assert 3 == deployed.data("/status")["StatusCode"]
    assert log == deployed.log()[: len(log)]


def test_without_recovery_keys_nobody_recovers(deployed: Updatable, owners: dict[str, OwnerOfShare]) -> None:
    share = opened(
        owners["legal"], pass_update(deployed, keys(deployed.first, owners, "legal"))["recoverySecrets"]["legal"]
    )
    assert "recoverySecrets" not in pass_update(deployed, deployed.first)
    deployed.restart()
    assert 3 == deployed.data("/status")["StatusCode"]
    to_another_machine(deployed)
    assert 500 == submit(deployed.running.client_address, share, signed(owners["legal"], share)).status


def test_a_seal_mode_is_changed_where_no_share_depends_on_it(
    deployed: Updatable, owners: dict[str, OwnerOfShare]
) -> None:
    def sealed(document: dict[str, Any], mode: str) -> dict[str, Any]:
        return changed(document, lambda d: d["Config"].update(SealMode=mode))

    pass_update(deployed, sealed(deployed.first, "UniqueKey"))
    deployed.restart()
    assert 3 == deployed.data("/status")["StatusCode"]
    pass_update(deployed, keys(sealed(deployed.first, "UniqueKey"), owners, "legal"))
    for refused in (
        sealed(deployed.first, "Disabled"),
        keys(sealed(deployed.first, "ProductKey"), owners, "legal"),
    ):
        answer = deployed.update("alice", refused)
        assert (500, True) == (answer.status, "U530" in answer.json()["message"])
    both = pass_update(deployed, keys(sealed(deployed.first, "ProductKey"), owners, "legal", "ops"))
    assert ["legal", "ops"] == list(both["recoverySecrets"])
    deployed.restart()
    assert 3 == deployed.data("/status")["StatusCode"]
