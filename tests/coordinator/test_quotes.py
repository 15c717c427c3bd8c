"""Strangers who ask for fresh evidence wait for the device by themselves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from attestation.evidence import Evidence
from attestation.issue import Issuer
from attestation.kinds import Kind
from coordinator.desk import TryAgain
from coordinator.journal.memory import MemoryStorage
from coordinator.service import Coordinator
from tests.support.in_process import World


class BusyDevice:
    """A device that answers when `free` is set."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer, self.free = issuer, Event()
        self.free.set()

    @property
    def kind(self) -> Kind:
        return self._issuer.kind

    @property
    def simulated(self) -> bool:
        return self._issuer.simulated

    def issue(self, report_data: bytes) -> Evidence:
        self.free.wait()
        return self._issuer.issue(report_data)

    def sealing_key(self, mode: str) -> bytes:
        return self._issuer.sealing_key(mode)


class BusyWorld(World):
    """Its coordinator's device can be busy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.device = BusyDevice(self._issuer)
        self._issuer = self.device


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[tuple[BusyWorld, Coordinator]]:
    world = BusyWorld(tmp_path)
    coordinator = world.coordinator(MemoryStorage())
    parameters = {"Env": {"KEY": "{{ pem .Secrets.rsa.Private }}"}}
    await coordinator.set_manifest(
        world.manifest(
            Marbles={"web": {"Package": "tdx", "Parameters": parameters}},
            Secrets={"rsa": {"Type": "cert-rsa", "Size": 2048}},
        )
    )
    yield world, coordinator
    world.device.free.set()
    await coordinator.close()


async def test_a_flood_of_questions_is_bounded_and_keeps_no_marble_from_joining(
    busy: tuple[BusyWorld, Coordinator],
) -> None:
    world, coordinator = busy
    world.device.free.clear()
    asked = [asyncio.ensure_future(coordinator.quote(number.to_bytes(32, "big"))) for number in range(1, 65)]
    await asyncio.sleep(0)
    with pytest.raises(TryAgain, match="64 wait for fresh evidence"):
        await coordinator.quote(b"one more")
    assert (await coordinator.quote(b""))[1], "what was made before needs no device"
    given = await world.activate(coordinator, "web")
    assert b"PRIVATE KEY" in given.env["KEY"], "an RSA key is made in a thread, too"

    world.device.free.set()
    answers = {evidence for _, evidence in await asyncio.gather(*asked)}
    assert 64 == len(answers)
    assert (await coordinator.quote(b"one more"))[1] not in answers


async def test_who_hangs_up_gives_his_place_back(busy: tuple[BusyWorld, Coordinator]) -> None:
    world, coordinator = busy
    world.device.free.clear()
    asked = [asyncio.ensure_future(coordinator.quote(number.to_bytes(32, "big"))) for number in range(1, 65)]
    await asyncio.sleep(0)
    for each in asked[1:]:
        each.cancel()
    await asyncio.sleep(0)
    later = asyncio.ensure_future(coordinator.quote(b"later"))
    await asyncio.sleep(0)
    world.device.free.set()
    assert (await later)[1] != (await asked[0])[1]
