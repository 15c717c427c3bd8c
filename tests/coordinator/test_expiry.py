"""What has expired stays so: whoever has kept a signature, or puts the clock back, brings nothing to life again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from coordinator.decisions.errors import ApprovalRefused, NoPendingUpdate, NoReadRequest
from coordinator.journal.memory import MemoryStorage
from coordinator.manifest.signature import DetachedSignature, Subject, sign
from coordinator.service import Coordinator
from coordinator.wire.read_requests import ReadAsk
from coordinator.wire.secrets import UserSecret
from tests.support.in_process import World
from tests.support.people import Person, person

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


class Story:
    """alice and bob are both needed for an update; alice reads the secret `master` when bob approves."""

    def __init__(self, folder: Path) -> None:
        self.world, self.now, self.storage = World(folder), NOON, MemoryStorage()
        self.alice, self.bob = person(folder, "alice"), person(folder, "bob")

    def document(self, replaces: bytes | None = None, **marbles: Any) -> bytes:
        on_master = {"ResourceType": "Secrets", "ResourceNames": ["master"]}
        guarded = {"Threshold": 1, "Expiry": "1d"}
        more = {} if replaces is None else {"Update": {"Replaces": replaces.hex()}}
        return self.world.manifest(
            Marbles={"web": {"Package": "tdx"}} | marbles,
            Secrets={"master": {"Type": "plain", "UserDefined": True, "ReadApproval": guarded}},
            Users={"alice": self.alice.entry("updater", "reader"), "bob": self.bob.entry("updater", "approver")},
            Roles={
                "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
                "reader": {**on_master, "Actions": ["ReadSecret", "WriteSecret"]},
                "approver": {**on_master, "Actions": ["ApproveRead"]},
            },
            Config={"UpdateExpiry": "1d"},
            **more,
        )

    def open(self) -> Coordinator:
        return self.world.coordinator(self.storage, clock=lambda: self.now)


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[tuple[Story, Coordinator]]:
    it = Story(tmp_path)
    coordinator = it.open()
    await coordinator.set_manifest(it.document())
    await coordinator.people.write_secrets(it.alice.der, {"master": UserSecret(key=b"value")})
    yield it, coordinator
    await coordinator.close()


def signed(who: Person, raw: bytes) -> DetachedSignature:
    key: Any = load_pem_private_key(who.key.read_bytes(), None)
    return sign(raw, key, Subject.MANIFEST)


async def test_a_signature_for_an_update_that_expired_cannot_be_shown_again(story: tuple[Story, Coordinator]) -> None:
    it, coordinator = story
    raw = it.document(coordinator.manifest().manifest.digest, new={"Package": "tdx"})
    kept = (signed(it.alice, raw),)
    assert 1 == (await coordinator.updates.update(b"", raw, kept)).standing.missing
    it.now += DAY
    with pytest.raises(ApprovalRefused, match="are used up"):
        await coordinator.updates.update(b"", raw, kept)
    again = it.document(coordinator.manifest().manifest.digest, other={"Package": "tdx"})
    assert 1 == (await coordinator.updates.update(b"", again, (signed(it.alice, again),))).standing.missing


@pytest.mark.parametrize("noticed", [False, True])
async def test_a_clock_that_is_put_back_brings_no_update_to_life_that_was_over(
    story: tuple[Story, Coordinator], noticed: bool
) -> None:
    it, coordinator = story
    raw = it.document(new={"Package": "tdx"})
    await coordinator.updates.update(it.alice.der, raw, ())
    it.now += DAY if noticed else DAY - SECOND
    await coordinator.clockwork.look()
    await coordinator.close()
    it.now = NOON
    restarted = it.open()
    if noticed:
        with pytest.raises(NoPendingUpdate):
            await restarted.updates.acknowledge(it.bob.der, raw, ())
    else:
        assert 0 == (await restarted.updates.acknowledge(it.bob.der, raw, ())).standing.missing
    assert noticed is (raw != restarted.manifest().manifest.raw)
    await restarted.close()


@pytest.mark.parametrize("noticed", [False, True])
async def test_a_clock_that_is_put_back_brings_no_approved_reading_to_life_that_was_over(
    story: tuple[Story, Coordinator], noticed: bool
) -> None:
    it, coordinator = story
    name = (await coordinator.readings.ask(it.alice.der, ReadAsk(("master",), "ticket 17", None))).request.document.id
    await coordinator.readings.approve(it.bob.der, name, ())
    it.now += DAY if noticed else DAY - SECOND
    await coordinator.clockwork.look()
    await coordinator.close()
    it.now = NOON
    restarted = it.open()
    if noticed:
        with pytest.raises(NoReadRequest):
            await restarted.readings.read(it.alice.der, ["master"])
    else:
        assert b"value" == (await restarted.readings.read(it.alice.der, ["master"]))["master"].private
    await restarted.close()
