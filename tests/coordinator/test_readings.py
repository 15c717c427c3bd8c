"""Requests to read secrets in a whole Coordinator: over restarts, snapshots and a disk that fails."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.decisions.errors import NoReadRequest, NotApproved
from coordinator.desk import NotServing
from coordinator.journal.errors import StorageFailed
from coordinator.journal.memory import MemoryStorage
from coordinator.service import Coordinator
from coordinator.wire.read_requests import ReadAsk
from coordinator.wire.secrets import UserSecret
from tests.support.in_process import World
from tests.support.people import person

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ASK = ReadAsk(("master",), "ticket 17", None)


class FullDisk(MemoryStorage):
    """A storage that takes no more records from some time on."""

    full = False

    def append(self, records: Any, *, expected_head: int) -> None:
        if self.full:
            raise StorageFailed("the disk of this test", "write", "it is full")
        super().append(records, expected_head=expected_head)


class Story:
    """alice reads, bob and carol approve, both of them.  now: what the Coordinator's clock says."""

    def __init__(self, folder: Path) -> None:
        self.world, self.now, self.storage = World(folder), NOON, FullDisk()
        self.people = {name: person(folder, name) for name in ("alice", "bob", "carol")}
        on_master = {"ResourceType": "Secrets", "ResourceNames": ["master"]}
        guarded = {"Threshold": 2, "Delay": "1h", "Expiry": "8h"}
        self.raw = self.world.manifest(
            Marbles={"web": {"Package": "tdx"}},
            Secrets={"master": {"Type": "plain", "UserDefined": True, "ReadApproval": guarded}},
            Users={
                "alice": self.people["alice"].entry("reader"),
                "bob": self.people["bob"].entry("approver"),
                "carol": self.people["carol"].entry("approver"),
            },
            Roles={
                "reader": {**on_master, "Actions": ["ReadSecret", "WriteSecret"]},
                "approver": {**on_master, "Actions": ["ApproveRead"]},
            },
        )

    def open(self, snapshot_every: int = 4_000) -> Coordinator:
        return self.world.coordinator(self.storage, clock=lambda: self.now, snapshot_every=snapshot_every)

    def leaf(self, who: str) -> bytes:
        return self.people[who].der


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[tuple[Story, Coordinator]]:
    it = Story(tmp_path)
    coordinator = it.open()
    await coordinator.set_manifest(it.raw)
    await coordinator.people.write_secrets(it.leaf("alice"), {"master": UserSecret(key=b"value")})
    yield it, coordinator
    await coordinator.close()


@pytest.mark.parametrize("snapshot_every", [1, 4_000])
async def test_a_request_and_its_approvals_survive_restarts(
    story: tuple[Story, Coordinator], snapshot_every: int
) -> None:
    it, coordinator = story
    name = (await coordinator.readings.ask(it.leaf("alice"), ASK)).request.document.id
    await coordinator.close()
    coordinator = it.open(snapshot_every)
    await coordinator.readings.approve(it.leaf("bob"), name, ())
    await coordinator.close()
    coordinator = it.open(snapshot_every)
    (asked,) = coordinator.readings.open()
    assert (name, ["bob"], 1) == (
        asked.request.document.id,
        [approval.user for approval in asked.request.approvals],
        asked.standing.missing,
    )
    await coordinator.readings.approve(it.leaf("carol"), name, ())
    await coordinator.close()
    coordinator = it.open(snapshot_every)
    with pytest.raises(NotApproved, match="its time"):
        await coordinator.readings.read(it.leaf("alice"), ["master"])
    it.now = NOON + timedelta(hours=1)
    assert b"value" == (await coordinator.readings.read(it.leaf("alice"), ["master"]))["master"].private
    await coordinator.close()
    coordinator = it.open(snapshot_every)
    assert 1 == coordinator.readings.open()[0].request.times_read
    assert ["secret read requested", "secret read approved", "secret read approved", "secrets read"] == [
        entry.update for entry in coordinator.update_log()
    ][-4:]
    it.now = NOON + timedelta(hours=9)
    assert () == coordinator.readings.open()
    with pytest.raises(NoReadRequest):
        await coordinator.readings.read(it.leaf("alice"), ["master"])
    await coordinator.close()


async def test_no_value_leaves_before_it_is_written_down_that_it_was_given(story: tuple[Story, Coordinator]) -> None:
    it, coordinator = story
    name = (await coordinator.readings.ask(it.leaf("alice"), ASK)).request.document.id
    await coordinator.readings.approve(it.leaf("bob"), name, ())
    await coordinator.readings.approve(it.leaf("carol"), name, ())
    it.now = NOON + timedelta(hours=1)
    it.storage.full = True
    with pytest.raises(NotServing):
        await coordinator.readings.read(it.leaf("alice"), ["master"])
    it.storage.full = False
    again = it.open()
    assert 0 == again.readings.open()[0].request.times_read
    assert "secrets read" not in [entry.update for entry in again.update_log()]
    await again.close()


async def test_who_approves_twice_writes_nothing(story: tuple[Story, Coordinator]) -> None:
    it, coordinator = story
    name = (await coordinator.readings.ask(it.leaf("alice"), ASK)).request.document.id
    await coordinator.readings.approve(it.leaf("bob"), name, ())
    before = len(coordinator.update_log())
    asked = await coordinator.readings.approve(it.leaf("bob"), name, ())
    assert (1, before) == (asked.standing.missing, len(coordinator.update_log()))
