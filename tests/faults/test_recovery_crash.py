"""A recovery that loses power at any of its writes: nothing is lost, and the owners' shares are welcome again."""

import pytest

from coordinator.desk import TryAgain
from coordinator.recovery.gathering import Submission
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from tests.faults.crashing_storage import CrashingStorage
from tests.support.in_process import World
from tests.support.owners import OwnerOfShare, owner

RECORD, KEY = 0, 1
"""Which write of a recovery fails: the record that it happened, or the data key wrapped for the new machine."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    """The machine that is lost, and another one."""
    folders = [tmp_path_factory.mktemp(name) for name in ("lost", "other")]
    lost, other = (World(folder) for folder in folders)
    return lost, other


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> OwnerOfShare:
    return owner(tmp_path_factory.mktemp("owners"), "ada", kind="ec")


@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "restart"])
@pytest.mark.parametrize("after", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("write", [RECORD, KEY], ids=["record", "key"])
async def test_power_fails_while_the_state_is_recovered(
    worlds: tuple[World, World], ada: OwnerOfShare, write: int, after: bool, restarts: bool
) -> None:
    lost, other = worlds
    storage = CrashingStorage()
    first = lost.coordinator(storage)
    manifest = lost.manifest(Marbles={"web": {"Package": "tdx"}}, RecoveryKeys={"ada": ada.pem})
    share = ada.opener.open((await first.set_manifest(manifest))["ada"])
    root_key = first.authority.root_key.private_numbers()
    await first.close()

    async def recover(coordinator: Coordinator) -> None:
        assert 0 == await coordinator.recovery.submit(Submission(share, ada.opener.prove(share, share), None))

    coordinator = other.coordinator(storage)
    assert Phase.RECOVERY is coordinator.phase
    storage.arm(write, after=after)
    with pytest.raises(TryAgain):
        await recover(coordinator)
    assert Phase.RECOVERY is coordinator.phase, "nothing is served that is not durable"
    storage.power_on()
    if restarts:
        await coordinator.close()
        coordinator = other.coordinator(storage)
    if coordinator.phase is Phase.RECOVERY:
        await recover(coordinator)
    else:
        assert (write, after) == (KEY, True), "only a key that was kept opens the state by itself"
    assert (Phase.ACCEPTING_MARBLES, root_key) == (coordinator.phase, coordinator.authority.root_key.private_numbers())
    assert manifest == coordinator.manifest().manifest.raw
    assert "state recovered" in [entry.update for entry in coordinator.update_log()]
    await coordinator.close()
