"""A journal's key and name, and storages of every kind to put it in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.storage import Storage


@pytest.fixture
def data_key() -> DataKey:
    return DataKey(b"k" * 32)


@pytest.fixture
def journal_id() -> JournalId:
    return JournalId(b"journal-of-tests")


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    opened: Storage = MemoryStorage() if request.param == "memory" else SqliteStorage(tmp_path / "state")
    yield opened
    opened.close()
