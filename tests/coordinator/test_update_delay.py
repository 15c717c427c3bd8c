"""An approved update comes in force when its time has come, and people can stop it until then."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.decisions.errors import NoPendingUpdate
from coordinator.journal.memory import MemoryStorage
from coordinator.service import Coordinator
from tests.support.in_process import World
from tests.support.people import person

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DELAY = timedelta(days=2)


class Story:
    """alice and bob are both needed, and two days must pass.  now: what the Coordinator's clock says."""

    def __init__(self, folder: Path) -> None:
        self.world, self.now, self.storage = World(folder), NOON, MemoryStorage()
        self.alice, self.bob = person(folder, "alice"), person(folder, "bob")

    def document(self, **marbles: Any) -> bytes:
        return self.world.manifest(
            Marbles={"web": {"Package": "tdx"}} | marbles,
            Users={"alice": self.alice.entry("updater"), "bob": self.bob.entry("updater")},
            Roles={"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
            Config={"UpdateDelay": "2d", "UpdateExpiry": "1d"},
        )

    def open(self) -> Coordinator:
        return self.world.coordinator(self.storage, clock=lambda: self.now)


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[tuple[Story, Coordinator]]:
    it = Story(tmp_path)
    coordinator = it.open()
    await coordinator.set_manifest(it.document())
    yield it, coordinator
    await coordinator.close()


async def approve(story: Story, coordinator: Coordinator, raw: bytes) -> None:
    proposed = await coordinator.updates.update(story.alice.der, raw, ())
    assert (1, None) == (proposed.standing.missing, proposed.standing.due)
    approved = await coordinator.updates.acknowledge(story.bob.der, raw, ())
    assert (0, NOON + DELAY) == (approved.standing.missing, approved.standing.due)


async def test_it_waits_and_then_comes_in_force_by_itself_also_after_a_restart(
    story: tuple[Story, Coordinator],
) -> None:
    it, coordinator = story
    raw = it.document(new={"Package": "tdx"})
    await approve(it, coordinator, raw)
    it.now = NOON + DELAY - timedelta(seconds=1)
    await coordinator.updates.apply_due()
    assert raw != coordinator.manifest().manifest.raw
    assert NOON + DELAY == coordinator.updates.pending().standing.due
    again = it.open()
    it.now = NOON + DELAY
    await again.updates.apply_due()
    assert raw == again.manifest().manifest.raw
    with pytest.raises(NoPendingUpdate):
        again.updates.pending()
    assert "manifest updated" == again.update_log()[-1].update
    await again.close()


async def test_it_can_be_cancelled_until_then(story: tuple[Story, Coordinator]) -> None:
    it, coordinator = story
    raw = it.document(new={"Package": "tdx"})
    await approve(it, coordinator, raw)
    await coordinator.updates.cancel(it.bob.der)
    it.now = NOON + 2 * DELAY
    await coordinator.updates.apply_due()
    assert raw != coordinator.manifest().manifest.raw


async def test_approvals_that_come_later_than_the_delay_put_it_in_force_at_once(
    story: tuple[Story, Coordinator],
) -> None:
    it, coordinator = story
    raw = it.document(new={"Package": "tdx"})
    await coordinator.updates.update(it.alice.der, raw, ())
    it.now = NOON + DELAY
    await coordinator.updates.apply_due()
    assert raw != coordinator.manifest().manifest.raw, "time alone is not enough"
    done = await coordinator.updates.acknowledge(it.bob.der, raw, ())
    assert (0, None) == (done.standing.missing, done.standing.due)
    assert raw == coordinator.manifest().manifest.raw


async def test_it_expires_after_delay_and_expiry(story: tuple[Story, Coordinator]) -> None:
    it, coordinator = story
    await coordinator.updates.update(it.alice.der, it.document(new={"Package": "tdx"}), ())
    it.now = NOON + DELAY + timedelta(days=1) - timedelta(seconds=1)
    coordinator.updates.pending()
    it.now += timedelta(seconds=1)
    with pytest.raises(NoPendingUpdate):
        coordinator.updates.pending()
