"""A state whose machine is gone: its owners recover it, whatever else is sent meanwhile, and whenever it is killed."""

import base64
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.compat.test_rest_contract import curl
from tests.faults.clients import ask, data, document, marbles_of, phase, root
from tests.faults.test_recovery import move_to_another_machine
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.owners import OwnerOfShare, owner
from tests.support.people import person
from tests.support.updatable import v2

Begin = Callable[..., CoordinatorProcess]


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnerOfShare]:
    folder = tmp_path_factory.mktemp("owners")
    return {name: owner(folder, name, kind=kind) for name, kind in (("ada", "rsa"), ("bo", "ec"), ("cy", "x25519"))}


def deploy(
    running: CoordinatorProcess, program: Path, owners: dict[str, OwnerOfShare], **config: Any
) -> dict[str, str]:
    """Set a manifest with these owners; their encrypted shares."""
    keys = {name: one.pem for name, one in owners.items()}
    manifest = document(program, RecoveryKeys=keys, Config=config)
    status, body = ask(running.client_address, "/manifest", manifest)
    assert 200 == status, body
    secrets: dict[str, str] = json.loads(body)["data"]["RecoverySecrets"]
    assert owners.keys() == secrets.keys()
    return secrets


def recover(running: CoordinatorProcess, body: bytes) -> tuple[int, Any]:
    status, answer = ask(running.client_address, "/api/v2/recover", body)
    document = json.loads(answer)
    return status, document["data"]["remaining"] if status == 200 else document["message"]


def secrets_of(running: CoordinatorProcess, program: Path) -> dict[str, bytes]:
    join = marbles_of(running, program)("full")
    env = dict(marble_client.send(running.mesh_address, join).Parameters.Env)
    return {name: env[name] for name in ("SHARED", "OWN", "WEB", "WEB_CERT")}


def test_two_of_three_owners_recover_the_state_and_whatever_else_is_sent_changes_nothing(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare]
) -> None:
    running = begin(tmp_path / "dev")
    shares = deploy(running, program, owners, RecoveryThreshold=2)
    before, shown = secrets_of(running, program), root(running.client_address)
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    assert 1 == phase(running.client_address)

    good = json.loads(owners["ada"].submission(shares["ada"]))
    wrong = dict(good, recoverySecret="AA" + good["recoverySecret"][2:])
    crossed = dict(good, recoverySecretSignature=json.loads(owners["bo"].submission(shares["bo"]))["recoverySecret"])
    for body, code in ((wrong, "R423"), (crossed, "R425")):
        status, message = recover(running, json.dumps(body).encode())
        assert (500, code) == (status, message[:4]), message
    assert (200, 1) == recover(running, owners["ada"].submission(shares["ada"]))
    status, message = recover(running, owners["ada"].submission(shares["ada"]))
    assert (500, "R424") == (status, message[:4])
    assert {"ada": True, "bo": False, "cy": False} == {
        one["name"]: one["given"] for one in data(running.client_address, "/api/v2/recovery")["owners"]
    }
    assert 1 == phase(running.client_address)
    assert (200, 0) == recover(running, owners["cy"].submission(shares["cy"]))

    assert 3 == phase(running.client_address)
    again = root(running.client_address)
    assert shown.public_key() == again.public_key(), "the root key stays"
    assert shown != again, "its certificate has evidence of this machine"
    assert before == secrets_of(running, program)
    assert "state recovered" in data(running.client_address, "/update")
    assert not [share for share in (good["recoverySecret"],) if share in running.log]
    running.kill()
    running = begin(tmp_path / "dev")
    assert (3, again) == (phase(running.client_address), root(running.client_address)), "sealed with this machine's key"


@pytest.mark.parametrize("names", [["bo"], ["ada", "bo"]], ids=["one owner", "all owners"])
def test_one_owner_and_all_owners_recover_too(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare], names: list[str]
) -> None:
    chosen = {name: owners[name] for name in names}
    running = begin(tmp_path / "dev")
    shares = deploy(running, program, chosen)
    shown = root(running.client_address).public_key()
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    for count, name in enumerate(names, 1):
        assert (200, len(names) - count) == recover(running, chosen[name].submission(shares[name]))
    assert (3, shown) == (phase(running.client_address), root(running.client_address).public_key())


def test_shares_given_before_a_kill_are_given_again(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare]
) -> None:
    running = begin(tmp_path / "dev")
    shares = deploy(running, program, owners, RecoveryThreshold=2)
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    assert (200, 1) == recover(running, owners["ada"].submission(shares["ada"]))
    running.kill()
    running = begin(tmp_path / "dev")
    assert (200, 1) == recover(running, owners["bo"].submission(shares["bo"]))
    assert (200, 0) == recover(running, owners["ada"].submission(shares["ada"]))


def test_a_plan_that_somebody_changed_recovers_nothing_and_the_right_one_still_does(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare]
) -> None:
    running = begin(tmp_path / "dev")
    shares = deploy(running, program, {"ada": owners["ada"]})
    running.kill()
    move_to_another_machine(running.folder)
    database = running.folder / "state" / "journal.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        (plan,) = connection.execute("SELECT value FROM meta WHERE name = 'note/recovery'").fetchone()
        changed = plan.replace(b"\xa3ada", b"\xa3eve")
        assert changed != plan
        connection.execute("UPDATE meta SET value = ? WHERE name = 'note/recovery'", (changed,))
    running = begin(tmp_path / "dev")
    status, message = recover(running, owners["ada"].submission(shares["ada"]))
    assert (500, "R428", 1) == (status, message[:4], phase(running.client_address)), message
    running.kill()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'note/recovery'", (plan,))
    running = begin(tmp_path / "dev")
    assert (200, 0) == recover(running, owners["ada"].submission(shares["ada"]))


def test_more_shares_than_are_needed_at_one_moment_recover_once(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare]
) -> None:
    running = begin(tmp_path / "dev")
    shares = deploy(running, program, owners, RecoveryThreshold=2)
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    bodies = [one.submission(shares[name]) for name, one in owners.items()]
    with ThreadPoolExecutor(6) as crowd:
        answers = list(crowd.map(lambda body: recover(running, body), bodies * 2))
    assert (3, 1) == (phase(running.client_address), answers.count((200, 0))), answers
    assert {200, 500, 503} >= {status for status, _ in answers}
    assert 1 == data(running.client_address, "/update").count("state recovered")


def test_after_an_update_the_owners_of_before_recover_the_manifest_of_after(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare]
) -> None:
    running, updater = begin(tmp_path / "dev"), person(tmp_path, "updater")
    keys = {"RecoveryKeys": {"ada": owners["ada"].pem}}
    people = {
        "Users": {"updater": updater.entry("updater")},
        "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
    }
    body = ask(running.client_address, "/manifest", document(program, **keys, **people))[1]
    share = json.loads(body)["data"]["RecoverySecrets"]["ada"]
    second = document(program, **keys, **people, Marbles={"other": {"Package": "tdx"}})
    assert 200 == curl(running.client_address, "/update", *updater.curl, body=second).status
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    assert (200, 0) == recover(running, owners["ada"].submission(share))
    assert second == base64.b64decode(data(running.client_address, "/manifest")["Manifest"])
    assert 2 == len(data(running.client_address, "/api/v2/history")["history"])


def test_an_owner_is_replaced_by_an_update_and_only_the_owners_of_now_recover(
    tmp_path: Path, program: Path, begin: Begin, owners: dict[str, OwnerOfShare]
) -> None:
    """Also after a recovery, whose state was sealed anew."""
    running, updater = begin(tmp_path / "dev"), person(tmp_path, "updater")
    people = {
        "Users": {"updater": updater.entry("updater")},
        "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
    }
    first = document(program, **people, RecoveryKeys={"ada": owners["ada"].pem})
    before = json.loads(ask(running.client_address, "/manifest", first)[1])["data"]["RecoverySecrets"]["ada"]
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    assert (200, 0) == recover(running, owners["ada"].submission(before))

    second = document(program, **people, RecoveryKeys={"bo": owners["bo"].pem})
    answer = curl(running.client_address, "/api/v2/update", *updater.curl, body=v2(second))
    assert 200 == answer.status, answer.body
    after = answer.json()["data"]["recoverySecrets"]["bo"]
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev")
    status, message = recover(running, owners["ada"].submission(before))
    assert (500, "R423") == (status, message[:4]), message
    assert (200, 0) == recover(running, owners["bo"].submission(after))
    assert second == base64.b64decode(data(running.client_address, "/manifest")["Manifest"])
