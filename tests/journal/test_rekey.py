"""A journal goes on under another key: what was there stays, and the old key opens nothing any more."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.journal.archive import Kept
from coordinator.journal.errors import JournalError, WrongKey
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.segments import EvidenceFolder, Retention
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.storage import Storage

ID = JournalId(bytes(16))
OLD, NEW, NEWER = (DataKey(bytes([number]) * 32) for number in (1, 2, 3))


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """Opens the same storage each time."""
    memory = MemoryStorage()
    return lambda: memory if request.param == "memory" else SqliteStorage(tmp_path / "state")


def founded(storage: Storage, archives: EvidenceFolder) -> Journal:
    return Journal.create(
        storage,
        OLD,
        [b"one"],
        journal_id=ID,
        wrapped_keys={"cce": b"old", "recovery": b"old"},
        notes={"recovery": b"plan"},
        archives=archives,
    )


async def test_a_journal_goes_on_under_the_new_key_only(storage: Callable[[], Storage], tmp_path: Path) -> None:
    archives = EvidenceFolder(tmp_path / "evidence", Retention(10, 10**6), os.urandom)  # noqa: TID251 - a test's
    held = storage()
    journal = founded(held, archives)
    before = journal.append([b"two"], [Kept(1, b"first")])
    changed = journal.rekey([b"all"], NEW, {"cce": b"new"}, {})
    after = journal.append([b"more"], [Kept(2, b"second")])
    for written in (before, changed, after):
        await written
    await journal.rekey([b"everything"], NEWER, {"cce": b"newer"}, {})
    await journal.append([b"last"], [Kept(3, b"third")])
    await journal.close()

    again = storage()
    keyring = read_keyring(again)
    assert not isinstance(keyring, NoJournal)
    assert ({"cce": b"newer"}, {"archive"}) == (keyring.wrapped_keys, set(keyring.notes))
    for old in (OLD, NEW):
        with pytest.raises(WrongKey):
            Journal.open(again, old, archives=archives)
    opened, bodies = Journal.open(again, NEWER, archives=archives)
    assert [b"everything", b"last"] == bodies
    assert [b"first", b"second", b"third"] == [kept.body for kept in opened.newest_kept(9)]
    await opened.close()


class FailsToReplace(MemoryStorage):
    def replace(self, *arguments: object, **named: object) -> None:
        raise OSError("disk")


async def test_a_key_that_cannot_be_written_breaks_the_journal_and_the_old_one_still_opens_it(tmp_path: Path) -> None:
    archives = EvidenceFolder(tmp_path, Retention(10, 10**6), os.urandom)  # noqa: TID251 - a test's
    storage = FailsToReplace()
    journal = founded(storage, archives)
    with pytest.raises(JournalError):
        await journal.rekey([b"all"], NEW, {"cce": b"new"}, {})
    with pytest.raises(JournalError):
        journal.append([b"two"])
    assert [b"one"] == Journal.open(storage, OLD, archives=archives)[1]
