"""An update that changes who keeps the key of the state: by whom it opens afterwards, and what a crash leaves.

The token is SoftHSM, as in test_key_sources.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.decisions.errors import SealingFixed
from coordinator.desk import NotServing
from coordinator.journal.key import parse_wrapped
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from tests.compat.test_recovery_contract import opened, signed, submit
from tests.compat.test_rest_contract import Answer
from tests.faults.crashing_storage import CrashingStorage
from tests.faults.test_recovery import move_to_another_machine
from tests.support import key_devices
from tests.support.coordinator_process import start
from tests.support.in_process import World
from tests.support.owners import owner
from tests.support.people import Person, person
from tests.support.updatable import Updatable, changed, deploy


@pytest.fixture
def pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a new token's PIN; coordinators of this test find the token."""
    environ, pin = key_devices.token(tmp_path / "hsm", "enclasp")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return pin


@pytest.fixture
def deployed(tmp_path: Path, pin: Path) -> Iterator[Updatable]:
    """Its configuration says how to reach the token; its manifest does not name it yet."""
    settings = tmp_path / "coordinator.toml"
    settings.write_text(
        f'pkcs11_module = "{key_devices.SOFTHSM}"\npkcs11_token = "enclasp"\npkcs11_pin_file = "{pin}"\n'
    )
    it = deploy(tmp_path, "--config", str(settings), UpdateThreshold=1)
    yield it
    it.running.kill()


def kept_by(deployed: Updatable, *sources: str, **more: Any) -> dict[str, Any]:
    return changed(deployed.first, lambda d: (d["Config"].update(KeySources=list(sources)), d.update(more)))


def phase_after(deployed: Updatable, *, token: bool, moved: bool) -> int:
    """Its phase when it starts again: with or without the token's settings, on its machine or on another one."""
    deployed.running.kill()
    folder = deployed.running.folder
    before = move_to_another_machine(folder) if moved else None
    deployed.running = start(folder, *(deployed.options if token else ()))
    found = int(deployed.data("/status")["StatusCode"])
    if before is not None:
        deployed.running.kill()
        (folder / "simulation").rename(folder / f"{before.name}-visited")
        before.rename(folder / "simulation")
        deployed.running = start(folder, *deployed.options)
    return found


def test_the_key_is_kept_by_whom_the_manifest_in_force_names_and_by_nobody_of_before(deployed: Updatable) -> None:
    given = deployed.activate()["KEY"]
    both = {(token, moved): 3 for token in (True, False) for moved in (True, False)} | {(False, True): 1}
    token_alone = {(True, True): 3, (True, False): 3, (False, True): 1, (False, False): 1}
    platform_alone = {(True, True): 1, (True, False): 3, (False, True): 1, (False, False): 3}
    for sources, expected in (
        (("Platform", "PKCS11"), both),
        (("PKCS11",), token_alone),
        (("Platform",), platform_alone),
    ):
        assert 200 == deployed.update("alice", kept_by(deployed, *sources)).status
        found = {(token, moved): phase_after(deployed, token=token, moved=moved) for token, moved in expected}
        assert expected == found, sources
        deployed.restart()
        assert given == deployed.activate()["KEY"]
    assert key_devices.PIN not in deployed.running.log


def test_a_source_that_is_not_configured_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    deployed = deploy(tmp_path, UpdateThreshold=1)
    try:
        for source in ("PKCS11", "TPM"):
            refused = deployed.update("alice", kept_by(deployed, "Platform", source))
            assert 500 == refused.status
            said = refused.json()["message"]
            assert "R431" in said
            assert f"key source {source.lower()}: this coordinator's configuration has none" in said
            assert "its settings in the coordinator's configuration" in said
        assert 404 == deployed.ask(None, "/update-manifest").status
        assert 200 == deployed.update("alice", kept_by(deployed, "Platform")).status
    finally:
        deployed.running.kill()


def test_a_token_that_fails_at_the_last_approval_costs_nothing(deployed: Updatable, pin: Path) -> None:
    two = changed(deployed.first, lambda d: d["Config"].update(UpdateThreshold=2))
    assert 200 == deployed.update("alice", two).status
    new = changed(kept_by(deployed, "Platform", "PKCS11"), lambda d: d["Config"].update(UpdateThreshold=2))
    assert 200 == deployed.update("alice", new).status
    pin.rename(pin.with_suffix(".gone"))
    failed = deployed.approve("bob", new)
    assert (503, True) == (failed.status, "nothing has changed" in failed.json()["message"]), failed.body
    assert ["bob", "carol"] == deployed.data("/update-manifest")["missingUsers"]
    deployed.restart()
    assert 3 == deployed.data("/status")["StatusCode"]
    pin.with_suffix(".gone").rename(pin)
    assert 0 == deployed.approve("bob", new).json()["data"]["missingAcknowledgments"]
    assert 3 == phase_after(deployed, token=True, moved=True)


def test_owners_of_new_shares_recover_where_machine_and_token_are_gone(deployed: Updatable, tmp_path: Path) -> None:
    ada, bo = owner(tmp_path, "ada"), owner(tmp_path, "bo")
    first = deployed.update("alice", kept_by(deployed, "Platform", RecoveryKeys={"ada": ada.pem}))
    old = opened(ada, first.json()["data"]["recoverySecrets"]["ada"])
    alone = deployed.update("alice", kept_by(deployed, "PKCS11", RecoveryKeys={"ada": ada.pem}))
    assert (500, True) == (alone.status, "U530" in alone.json()["message"]), "the share would open nothing any more"
    done = deployed.update("alice", kept_by(deployed, "PKCS11", RecoveryKeys={"bo": bo.pem}))
    share = opened(bo, done.json()["data"]["recoverySecrets"]["bo"])
    given = deployed.activate()["KEY"]
    deployed.running.kill()
    move_to_another_machine(deployed.running.folder)
    deployed.running = start(deployed.running.folder)

    def hand_in(share: bytes, who: Any) -> Answer:
        return submit(deployed.running.client_address, share, signed(who, share))

    assert 500 == hand_in(old, ada).status
    assert 200 == hand_in(share, bo).status
    assert given == deployed.activate()["KEY"]
    assert "R430 recovered, but nothing of this machine seals the state" in deployed.running.log
    deployed.running.kill()
    deployed.running = start(deployed.running.folder, *deployed.options)
    assert 3 == deployed.data("/status")["StatusCode"], "the token that the manifest names opens it where it is"


# Power fails at each write, in one process


class Story:
    """alice may update alone; the state is on a disk whose power can be cut."""

    def __init__(self, world: World, alice: Person) -> None:
        self.world, self.alice, self.storage = world, alice, CrashingStorage()

    def manifest(self, **config: Any) -> bytes:
        return self.world.manifest(
            Marbles={"web": {"Package": "tdx"}},
            Users={"alice": self.alice.entry("updater")},
            Roles={"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
            Config=config,
        )

    def open(self) -> Coordinator:
        return self.world.coordinator(self.storage)

    def sealed_for(self) -> str:
        """The seal mode for which the platform keeps the key that opens what is on the disk."""
        keyring = read_keyring(self.storage)
        assert not isinstance(keyring, NoJournal)
        return parse_wrapped(keyring.wrapped_keys["cce"]).mode

    async def update(self, coordinator: Coordinator, raw: bytes) -> None:
        assert 0 == (await coordinator.updates.update(self.alice.der, raw, ())).standing.missing


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def story(world: World, tmp_path: Path) -> Story:
    return Story(world, person(tmp_path, "alice"))


@pytest.mark.parametrize("after", [False, True], ids=["lost", "kept"])
async def test_power_fails_while_the_state_is_sealed_for_another_seal_mode(
    story: Story, world: World, after: bool, tmp_path: Path
) -> None:
    first, second = story.manifest(SealMode="ProductKey"), story.manifest(SealMode="UniqueKey")
    coordinator = story.open()
    await coordinator.set_manifest(first)
    await world.activate(coordinator, "web")
    key = coordinator.authority.root_key.private_numbers()
    story.storage.arm(0, after=after)
    with pytest.raises(NotServing):
        await story.update(coordinator, second)
    with pytest.raises(NotServing):
        coordinator.updates.pending()
    story.storage.power_on()
    again = story.open()
    assert (Phase.ACCEPTING_MARBLES, key) == (again.phase, again.authority.root_key.private_numbers())
    found = again.manifest().manifest.raw, story.sealed_for()
    assert ((second, "UniqueKey") if after else (first, "ProductKey")) == found, "all of the update, or nothing of it"
    if not after:
        await story.update(again, second)
    await world.activate(again, "web")
    await again.close()
    last = story.open()
    assert (Phase.ACCEPTING_MARBLES, second) == (last.phase, last.manifest().manifest.raw)
    assert "UniqueKey" == story.sealed_for()
    await last.close()


async def test_a_seal_mode_from_or_to_memory_alone_is_refused_in_words(story: Story) -> None:
    coordinator = story.open()
    await coordinator.set_manifest(story.manifest(SealMode="ProductKey"))
    with pytest.raises(SealingFixed, match="from or to Disabled"):
        await story.update(coordinator, story.manifest(SealMode="Disabled"))
    await story.update(coordinator, story.manifest(SealMode="UniqueKey"))
    await coordinator.close()
