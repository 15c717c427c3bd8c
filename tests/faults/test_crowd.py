"""2,000 marbles at once against a limit of 1,000, over the real journal: exactly 1,000 join, and a restart knows it."""

import asyncio
from pathlib import Path

import pytest

from coordinator.decisions.errors import TooManyActivations
from coordinator.journal.sqlite import SqliteStorage
from tests.support.in_process import World

CROWD, LIMIT = 2_000, 1_000


async def test_of_2000_at_once_exactly_1000_join_and_a_restart_counts_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    coordinator = world.coordinator(SqliteStorage(tmp_path / "state"), snapshot_every=300)
    marbles = {"web": {"Package": "tdx", "MaxActivations": LIMIT}}
    await coordinator.set_manifest(world.manifest(Marbles=marbles))
    outcomes = await asyncio.gather(*(world.activate(coordinator, "web") for _ in range(CROWD)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert CROWD - LIMIT == len(refused)
    assert {TooManyActivations} == {type(refusal) for refusal in refused}
    await coordinator.close()

    again = world.coordinator(SqliteStorage(tmp_path / "state"))
    assert LIMIT == again.manifest().activations["web"]
    with pytest.raises(TooManyActivations):
        await world.activate(again, "web")
    await again.close()
