"""The journal in Kubernetes objects, against a real API server."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from coordinator.cluster.account import Account
from coordinator.cluster.api import ClusterApi
from coordinator.journal.errors import Conflict, StorageFailed, StorageInUse
from coordinator.journal.head_object import CHUNK_BYTES, TAIL_BYTES
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.kubernetes import KubernetesStorage
from coordinator.journal.storage import EMPTY_HEAD
from tests.kubernetes.accounts import ControlPlane, NewAccount, draw

KEY = DataKey(b"k" * 32)
ID = JournalId(b"journal-of-tests")


def storage(account: Account, patience: float = 10.0) -> KubernetesStorage:
    return KubernetesStorage(ClusterApi(account), "state", draw, patience)


def names(control_plane: ControlPlane, account: Account) -> set[str]:
    return {item["metadata"]["name"] for item in control_plane.get(account.namespace, "secrets")}


def test_what_was_written_is_there_for_the_next_one(new_account: NewAccount) -> None:
    account = new_account()
    first = storage(account)
    assert isinstance(read_keyring(first), NoJournal)
    first.create({"journal-id": ID}, [b"a", b"b"])
    first.append([b"c"], expected_head=1)
    first.put_meta({"key/cce": b"\x00wrapped"})
    first.close()
    again = storage(account)
    assert again.read().records == [b"a", b"b", b"c"]
    assert again.read_meta() == {"journal-id": ID, "key/cce": b"\x00wrapped"}
    again.replace([b"snapshot"], expected_head=2)
    again.append([b"d"], expected_head=3)
    assert storage(account).read().records == [b"snapshot", b"d"]


def test_a_journal_is_created_once(new_account: NewAccount) -> None:
    account = new_account()
    first, second = storage(account), storage(account)
    first.create({"journal-id": ID}, [b"a"])
    with pytest.raises(Conflict):
        second.create({"journal-id": ID}, [b"b"])
    with pytest.raises(Conflict):
        first.create({"journal-id": ID}, [b"b"])
    assert storage(account).read().records == [b"a"]


def test_a_record_larger_than_any_object_and_thousands_of_small_ones_come_back(
    control_plane: ControlPlane, new_account: NewAccount
) -> None:
    account = new_account()
    writer = storage(account)
    large = draw(5 * CHUNK_BYTES + 17)
    writer.create({"journal-id": ID}, [large, b"behind it"])
    head, small = 1, [draw(400) for _ in range(3 * TAIL_BYTES // 400)]
    for at in range(0, len(small), 60):
        writer.append(small[at : at + 60], expected_head=head)
        head += len(small[at : at + 60])
    assert storage(account).read().records == [large, b"behind it", *small]
    assert len(names(control_plane, account)) > 6 + 2


def test_a_snapshot_leaves_nothing_of_what_it_replaced(control_plane: ControlPlane, new_account: NewAccount) -> None:
    account = new_account()
    writer = storage(account)
    writer.create({"journal-id": ID}, [draw(3 * CHUNK_BYTES)])
    assert len(names(control_plane, account)) == 1 + 4
    writer.replace([b"snapshot"], expected_head=0)
    assert names(control_plane, account) == {"state"}


def test_whoever_opens_the_storage_stops_its_earlier_owner(new_account: NewAccount) -> None:
    account = new_account()
    old = storage(account)
    old.create({"journal-id": ID}, [b"a"])
    old.append([b"b"], expected_head=0)
    new = storage(account)
    with pytest.raises(StorageInUse, match="another coordinator has claimed it"):
        old.append([b"forked"], expected_head=1)
    new.append([b"c"], expected_head=1)
    assert storage(account).read().records == [b"a", b"b", b"c"]


def test_chunks_of_an_owner_who_was_stopped_in_the_middle_are_removed_by_the_next(
    control_plane: ControlPlane, new_account: NewAccount
) -> None:
    account = new_account()
    old = storage(account)
    old.create({"journal-id": ID}, [b"a"])
    new = storage(account)
    with pytest.raises(StorageInUse):
        old.append([draw(TAIL_BYTES * 2)], expected_head=0)
    assert len(names(control_plane, account)) == 2
    new.close()
    assert storage(account).read().records == [b"a"]
    assert names(control_plane, account) == {"state"}


def test_a_journal_moved_aside_stays_whole_beside_its_successor(
    control_plane: ControlPlane, new_account: NewAccount
) -> None:
    account = new_account()
    writer = storage(account)
    for number in range(2):
        writer.create({"journal-id": ID}, [bytes([number]) * (TAIL_BYTES + 1)])
        writer.move_aside()
        assert isinstance(read_keyring(writer), NoJournal)
    writer.create({"journal-id": ID}, [b"new"])
    writer.replace([b"snapshot"], expected_head=0)
    assert {"state", "state-old", "state-old-2"} < names(control_plane, account)
    assert storage(account).read().records == [b"snapshot"]
    for number, name in enumerate(("state-old", "state-old-2")):
        aside = KubernetesStorage(ClusterApi(account), name, draw)
        assert aside.read().records == [bytes([number]) * (TAIL_BYTES + 1)]


def test_an_object_that_somebody_edited_or_removed_is_named(
    control_plane: ControlPlane, new_account: NewAccount
) -> None:
    account = new_account()
    writer = storage(account)
    writer.create({"journal-id": ID}, [draw(TAIL_BYTES * 2)])
    (chunk,) = names(control_plane, account) - {"state"}
    control_plane.kubectl("-n", account.namespace, "delete", "secret", chunk)
    with pytest.raises(StorageFailed, match=rf"Secret {chunk}: expected .* got none"):
        storage(account).read()


def test_without_permission_the_error_names_the_verb_and_the_object(
    control_plane: ControlPlane, new_account: NewAccount
) -> None:
    account = new_account()
    control_plane.kubectl("-n", account.namespace, "delete", "rolebinding", "coordinator")
    with pytest.raises(StorageFailed, match=r"GET /api/v1/namespaces/\S+/secrets/state: answered 403: .*forbidden"):
        storage(account, patience=3.0)


class Wire:
    """A relay to the API server that can forget to deliver answers, and can be gone."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.deliver: Callable[[], bool] = lambda: True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._copy, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._copy, args=(far, near, False), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, requests: bool) -> None:
        try:
            while piece := source.recv(65536):
                if not requests and not self.deliver():
                    break
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


@contextmanager
def through_a_wire(account: Account) -> Iterator[tuple[Wire, Account]]:
    wire = Wire((account.host, account.port))
    try:
        yield wire, replace(account, host="127.0.0.1", port=wire.port)
    finally:
        wire.close()


def test_a_write_whose_answer_is_lost_counts_once(new_account: NewAccount) -> None:
    account = new_account()
    with through_a_wire(account) as (wire, indirect):
        writer = storage(indirect)
        writer.create({"journal-id": ID}, [b"a"])
        losses = iter([False])
        wire.deliver = lambda: next(losses, True)
        writer.append([b"b"], expected_head=0)
        assert next(losses, None) is None, "an answer was lost on the way"
        writer.append([b"c"], expected_head=1)
    assert storage(account).read().records == [b"a", b"b", b"c"]


def test_an_api_server_that_stays_away_fails_the_write_and_nothing_is_acknowledged(new_account: NewAccount) -> None:
    account = new_account()
    with through_a_wire(account) as (wire, indirect):
        writer = storage(indirect, patience=1.0)
        writer.create({"journal-id": ID}, [b"a"])
        wire.deliver = lambda: False
        with pytest.raises(StorageFailed, match="no answer"):
            writer.append([b"b"], expected_head=0)
        assert writer.read_meta() == {"journal-id": ID}
        wire.deliver = lambda: True
    assert storage(account).read().records in ([b"a"], [b"a", b"b"])


def test_a_whole_journal_lives_there_with_group_commit_and_snapshots(new_account: NewAccount) -> None:
    account = new_account()

    async def write() -> None:
        journal = Journal.create(
            storage(account), KEY, [b"founded"], journal_id=ID, wrapped_keys={}, notes={}, entropy=draw
        )
        for _ in range(3):
            await asyncio.gather(*(journal.append([b"%d" % number]) for number in range(50)))
        await journal.replace([b"snapshot"])
        await asyncio.gather(*(journal.append([b"%d" % number]) for number in range(50)))
        assert journal.head.sequence == 1 + 150 + 1 + 50 - 1
        await journal.close()

    asyncio.run(write())
    journal, bodies = Journal.open(storage(account), KEY, entropy=draw)
    assert bodies == [b"snapshot", *(b"%d" % number for number in range(50))]
    assert journal.head.sequence == 201


def test_a_journal_whose_storage_was_claimed_by_another_stops_and_acknowledges_nothing(new_account: NewAccount) -> None:
    account = new_account()

    async def write() -> None:
        journal = Journal.create(
            storage(account), KEY, [b"founded"], journal_id=ID, wrapped_keys={}, notes={}, entropy=draw
        )
        other = storage(account)
        with pytest.raises(StorageInUse):
            await journal.append([b"forked"])
        assert isinstance(await journal.failure(), StorageInUse)
        assert len(other.read().records) == 1
        await journal.close()

    asyncio.run(write())


def test_an_empty_place_has_no_head(new_account: NewAccount) -> None:
    with pytest.raises(Conflict, match=f"got {EMPTY_HEAD}"):
        storage(new_account()).append([b"a"], expected_head=3)
