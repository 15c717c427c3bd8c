"""`enclasp journal …` on a state in Secrets, against a real API server: by kubectl, and by a pod's account."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.cli.main import run
from coordinator.cluster.account import Account
from coordinator.cluster.api import ClusterApi
from coordinator.journal.errors import StorageInUse
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.kubernetes import KubernetesStorage, read_unclaimed
from coordinator.journal.restoration import RESTORED, decode_restoration
from coordinator.journal.sqlite import SqliteStorage
from tests.kubernetes.accounts import ControlPlane, NewAccount, draw
from tests.kubernetes.conftest import Kubernetes

KEY, ID = DataKey(b"k" * 32), JournalId(b"journal-of-tests")
INVALID, REFUSED, USAGE = 3, 4, 2
Enclasp = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["kubectl", "pod"])
def account(
    request: pytest.FixtureRequest, kubernetes: Kubernetes, new_account: NewAccount, monkeypatch: pytest.MonkeyPatch
) -> Account:
    """A namespace; the command line is signed in to its cluster as an administrator, or as the coordinator's pod."""
    made = new_account()
    pod = {"KUBERNETES_SERVICE_HOST": made.host, "KUBERNETES_SERVICE_PORT": str(made.port)}
    person = {name: kubernetes.environ[name] for name in ("PATH", "KUBECONFIG")}
    for name, value in (person if request.param == "kubectl" else pod).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ENCLASP_SERVICE_ACCOUNT", str(made.folder))
    return made


@pytest.fixture
def enclasp(capsys: pytest.CaptureFixture[str]) -> Enclasp:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def storage(account: Account) -> KubernetesStorage:
    return KubernetesStorage(ClusterApi(account), "state", draw, 10.0)


async def running(account: Account) -> Journal:
    """A journal that somebody writes: chunks, a snapshot, and records behind it."""
    bodies = [b"first", draw(600_000)]
    journal = Journal.create(storage(account), KEY, bodies, journal_id=ID, wrapped_keys={"cce": b"w"}, notes={})
    await journal.replace([b"snapshot", draw(700_000)])
    await journal.append([b"behind it"])
    return journal


def bodies_in(records: Any, meta: Any) -> list[bytes]:
    from coordinator.journal.memory import MemoryStorage

    memory = MemoryStorage()
    memory.create(meta, records)
    return Journal.open(memory, KEY)[1]


async def test_a_journal_in_secrets_is_checked_and_saved_while_it_is_written_and_brought_back(
    account: Account, tmp_path: Path, enclasp: Enclasp
) -> None:
    journal, place, backup = await running(account), f"kubernetes:{account.namespace}/state", tmp_path / "backup.tar"
    saved = journal.head
    code, out, err = enclasp("journal", "check", place, "--structure", "-o", "json")
    assert 0 == code, err
    found = json.loads(out)
    assert (ID.hex(), 3, 2, 4, saved.link.hex()) == tuple(
        found[name] for name in ("journal", "records", "first", "sequence", "link")
    )
    code, out, err = enclasp("journal", "backup", place, backup, "-o", "json")
    assert (0, saved.link.hex()) == (code, json.loads(out)["link"]), err
    await journal.append([b"later"])  # nothing was claimed: its writer goes on
    assert json.loads(out)["link"] == json.loads(enclasp("journal", "check", backup, "-o", "json")[1])["link"]

    restore = ("journal", "restore", backup, place, "--reason", "etcd was lost")
    code, _, err = enclasp(*restore)
    assert (INVALID, True) == (code, "R452" in err and "the same journal" in err), err
    await journal.append([b"still going on"])
    code, _, err = enclasp(*restore, "--replace")
    assert 0 == code, err
    with pytest.raises(StorageInUse):
        await journal.append([b"lost"])
    stored = read_unclaimed(ClusterApi(account), "state")
    assert "etcd was lost" == decode_restoration(stored.meta[RESTORED]).reason
    assert [b"snapshot", b"behind it"] == bodies_in(stored.records, stored.meta)[::2]
    aside = read_unclaimed(ClusterApi(account), "state-old")
    assert [b"later", b"still going on"] == bodies_in(aside.records, aside.meta)[-2:]

    opened, _ = Journal.open(storage(account), KEY)
    assert saved == opened.head
    await opened.append([b"and on"])
    await opened.replace([b"all"])
    assert 0 == enclasp("journal", "accept", place, "--reason", "I looked")[0]
    stored = read_unclaimed(ClusterApi(account), "state")
    assert ("I looked", 6) == (lambda note: (note.reason, note.sequence))(decode_restoration(stored.meta[RESTORED]))
    assert aside == read_unclaimed(ClusterApi(account), "state-old"), "a snapshot leaves what was kept aside whole"


async def test_a_state_moves_from_secrets_to_a_directory_and_back(
    account: Account, tmp_path: Path, enclasp: Enclasp
) -> None:
    journal, place, backup = await running(account), f"kubernetes:{account.namespace}/state", tmp_path / "backup.tar"
    assert 0 == enclasp("journal", "backup", place, backup)[0]
    folder = tmp_path / "state"
    folder.mkdir()
    assert 0 == enclasp("journal", "restore", backup, folder, "--reason", "to a machine of our own")[0]
    directory = SqliteStorage(folder)
    opened, _ = Journal.open(directory, KEY)
    assert journal.head == opened.head
    await opened.append([b"there"])
    await opened.close()
    assert 0 == enclasp("journal", "backup", folder, tmp_path / "there.tar")[0]
    elsewhere = f"kubernetes:{account.namespace}/another"
    assert 0 == enclasp("journal", "restore", tmp_path / "there.tar", elsewhere, "--reason", "and back")[0]
    again = KubernetesStorage(ClusterApi(account), "another", draw)
    assert b"there" == Journal.open(again, KEY)[1][-1]


def test_what_is_not_there_or_may_not_be_read_is_said(
    account: Account, control_plane: ControlPlane, tmp_path: Path, enclasp: Enclasp
) -> None:
    place = f"kubernetes:{account.namespace}/state"
    for command in (("check", place), ("backup", place, tmp_path / "b.tar"), ("accept", place, "--reason", "why")):
        code, _, err = enclasp("journal", *command)
        assert (INVALID, True) == (code, "no journal is there" in err), err
    code, _, err = enclasp("journal", "check", "kubernetes:namespace-only")
    assert (USAGE, True) == (code, "expected kubernetes:NAMESPACE/NAME" in err), err
    code, _, err = enclasp("journal", "check", "kubernetes:kube-system/state")
    pod = "answered 403" in err and "forbidden" in err
    assert (INVALID, True) == (code, pod or "no journal is there" in err), err
    held = storage(account)
    held.create({"journal-id": ID}, [draw(100_000)])
    (chunk,) = {s["metadata"]["name"] for s in control_plane.get(account.namespace, "secrets")} - {"state"}
    control_plane.kubectl("-n", account.namespace, "delete", "secret", chunk)
    code, _, err = enclasp("journal", "check", place)
    assert (INVALID, True) == (code, f"Secret {chunk}: expected" in err), err
