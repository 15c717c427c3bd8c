"""An update changes who keeps the key of the state that replicas share: who follows learns the new key, or waits."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.desk import Environment
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sources import name_of_machine
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Vault
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from coordinator.successor import Successor
from tests.coordinator.test_succession import follower, front_door
from tests.support.another_machine import another_machine
from tests.support.people import person
from tests.support.replica_house import House, draw

Manifest = Callable[[str], bytes]


@pytest.fixture
def manifest(house: House, tmp_path: Path) -> Manifest:
    """With this configuration; alice may update it alone, and shows `alice.der`."""
    alice = person(tmp_path, "alice")
    (tmp_path / "alice.der").write_bytes(alice.der)
    people = (
        f"Users: {{alice: {json.dumps(alice.entry('updater'))}}}\n"
        "Roles: {updater: {ResourceType: Manifest, Actions: [UpdateManifest]}}\n"
    )
    return lambda config: house.manifest(more=f"{people}Config: {config}\n")


async def update(coordinator: Coordinator, house: House, raw: bytes) -> None:
    done = await coordinator.updates.update((house.folder / "alice.der").read_bytes(), raw, ())
    assert (0, None) == (done.standing.missing, done.standing.due)


async def learn(successor: Successor, coordinator: Coordinator, house: House) -> None:
    """It asks again after a minute."""
    house.now += timedelta(seconds=60)
    async with front_door(coordinator) as (host, port):
        assert await asyncio.to_thread(successor.learn, host, port)


def could_lead(successor: Successor, house: House) -> bool:
    """Whether it would take the lead of the state that is there, with nobody leading."""
    storage = SqliteStorage(house.folder / "state")
    try:
        return successor.opens(storage.read_meta())
    finally:
        storage.close()


async def phase_of(environment: Environment) -> Phase:
    coordinator = Coordinator(environment)
    await coordinator.close()
    return coordinator.phase


async def test_who_follows_waits_after_an_update_of_the_seal_mode_until_it_has_learnt_the_new_key(
    house: House, manifest: Manifest
) -> None:
    first, second = house.issuer(), house.issuer(machine=house.another_machine())
    successor = follower(house, second)
    leading = Coordinator(house.environment(first))
    await leading.set_manifest(manifest("{SealMode: ProductKey}"))
    await learn(successor, leading, house)
    old = successor.held
    await update(leading, house, manifest("{SealMode: UniqueKey}"))
    await leading.close()
    assert not could_lead(successor, house), "its copy and its key are of before the update"
    assert Phase.RECOVERY is await phase_of(house.environment(second, old)), "started all the same, it serves nothing"

    leading = Coordinator(house.environment(first))
    assert Phase.ACCEPTING_MARBLES is leading.phase
    await learn(successor, leading, house)
    await leading.close()
    assert successor.held not in (None, old)
    assert could_lead(successor, house)
    assert could_lead(follower(house, second), house), "its machine has sealed a copy"
    assert Phase.ACCEPTING_MARBLES is await phase_of(house.environment(second))


class Token(KeyOfEnvironment):
    """Stands for a token that one machine reaches: a key of hardware elsewhere, under a token's name."""

    name = "pkcs11"  # type: ignore[misc]


async def test_a_follower_without_the_source_that_an_update_names_leads_by_the_key_that_was_handed_to_it(
    house: House, manifest: Manifest
) -> None:
    first, second = house.issuer(), house.issuer(machine=house.another_machine())
    another_machine(house.folder / "simulation", house.folder / "token")
    token = Token(house.issuer(machine="token"), draw)
    environment = house.environment(first)
    environment.vault.close()
    sources = (KeyOfEnvironment(first, draw), token)
    vault = Vault(SqliteStorage(house.folder / "state"), sources, draw, machine=name_of_machine(first))
    leading = Coordinator(replace(environment, vault=vault))
    await leading.set_manifest(manifest("{KeySources: [Platform]}"))
    without, within = follower(house, second), follower(house, second)
    within = Successor(replace(within.machine, sources=(KeyOfEnvironment(second, draw), token)))
    await learn(without, leading, house)
    await update(leading, house, manifest("{KeySources: [PKCS11]}"))
    await learn(without, leading, house)
    await leading.close()
    assert could_lead(without, house), "it holds the key"
    assert not could_lead(follower(house, second), house), "and nothing of its machine does"
    assert could_lead(Successor(replace(within.machine, name=name_of_machine(first))), house)
    assert Phase.RECOVERY is await phase_of(house.environment(second))
    assert Phase.ACCEPTING_MARBLES is await phase_of(house.environment(second, without.held))
