"""The real Coordinator against the model, in this process: a crash at any store operation, and a restart after it."""

from collections import Counter
from collections.abc import Awaitable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from coordinator.decisions.errors import Refused
from coordinator.decisions.marble_name import MarbleName
from coordinator.desk import NotServing, TryAgain
from coordinator.recovery.gathering import Submission
from coordinator.recovery.statement import WaitingState
from coordinator.service import Coordinator
from coordinator.state.counters import counter_key
from coordinator.state.phase import Phase
from coordinator.wire.secrets import UserSecret
from tests.faults.crashing_storage import CrashingStorage
from tests.faults.deployment_machine import EVERYTHING, FIRST, Cast, Denied, DeploymentMachine, Unknown, bounded
from tests.support.in_process import World

T = TypeVar("T")
ME = MarbleName("web", "3f2c1b7e-1111-4222-8333-944455566677")
RECOVERED = "state recovered"


async def judged(work: Awaitable[T]) -> T:
    try:
        return await work
    except Refused as refusal:
        raise Denied(f"{refusal.code} {refusal}") from refusal
    except (NotServing, TryAgain) as failure:
        raise Unknown(str(failure)) from failure


class InProcess:
    """A client that needs no doors."""

    def __init__(self, world: World, coordinator: Coordinator, cast: Cast) -> None:
        self._world, self._coordinator, self._cast = world, coordinator, cast

    async def set_manifest(self, raw: bytes) -> Mapping[str, bytes]:
        return await judged(self._coordinator.set_manifest(raw))

    async def update(self, who: str, raw: bytes) -> Mapping[str, bytes]:
        return (await judged(self._coordinator.updates.update(self._leaf(who), raw, ()))).recovery_secrets

    async def acknowledge(self, who: str, raw: bytes) -> Mapping[str, bytes]:
        return (await judged(self._coordinator.updates.acknowledge(self._leaf(who), raw, ()))).recovery_secrets

    async def cancel(self, who: str) -> None:
        await judged(self._coordinator.updates.cancel(self._leaf(who)))

    async def activate(self) -> None:
        await judged(self._world.activate(self._coordinator, ME.type))

    @property
    def has_marble(self) -> bool:
        return True

    async def raise_counter(self, name: str, value: int) -> int:
        return await judged(self._coordinator.features.raise_counter(ME, name, value))

    async def write_secret(self, who: str, value: bytes) -> None:
        await judged(self._coordinator.people.write_secrets(self._leaf(who), {"token": UserSecret(key=value)}))

    async def submit(self, given: Submission) -> int:
        return await judged(self._coordinator.recovery.submit(given))

    async def waiting_state(self) -> WaitingState:
        state = self._coordinator.recovery.standing().waiting
        assert state is not None
        return state

    async def root(self) -> int:
        return self._coordinator.authority.root_key.public_key().public_numbers().x

    async def observe(self) -> Mapping[str, Any]:
        try:
            return self._waiting() if self._coordinator.phase is Phase.RECOVERY else await self._seen()
        except NotServing as failure:
            raise Unknown(str(failure)) from failure

    def _waiting(self) -> Mapping[str, Any]:
        try:
            standing = self._coordinator.recovery.standing()
        except Refused:
            return {"waiting": True, "given": ()}
        return {"waiting": True, "given": tuple(sorted(standing.given))}

    async def _seen(self) -> Mapping[str, Any]:
        if self._coordinator.phase is Phase.ACCEPTING_MANIFEST:
            return {"steps": 0}
        deployment = self._coordinator.manifest()
        keys = {counter_key(ME.type, ME.uuid, name): name for name in ("a", "b")}
        pending = deployment.pending
        return {
            "waiting": False,
            "root": await self.root(),
            "activations": deployment.activations.get(ME.type, 0),
            "counters": tuple(sorted((keys[key], value) for key, value in deployment.counters.items())),
            "secret": self._coordinator.people.read_secrets(self._leaf("alice"), ["token"])["token"].public,
            "pending": pending.manifest.fingerprint if pending is not None else "",
            "approved": tuple(approval.user for approval in pending.approvals) if pending is not None else (),
            "raised": deployment.raised.get("sgx", 0),
            "steps": len(deployment.history.versions),
            "recoveries": [entry.update for entry in deployment.log].count(RECOVERED),
            "fingerprint": deployment.manifest.fingerprint,
        }

    async def stop(self) -> None:
        await self._coordinator.close()

    def _leaf(self, who: str) -> bytes:
        return self._cast.users[who].der


class MachineInProcess(DeploymentMachine):
    """worlds: machine 0, and machine 1, which has another sealing key."""

    worlds: ClassVar[tuple[World, World]]

    @initialize(snapshot_every=st.sampled_from([1, 3, 50]), number=FIRST)
    def start(self, snapshot_every: int, number: int) -> None:
        self.disk, self.snapshot_every = CrashingStorage(), snapshot_every
        self.begin(number)

    def open(self, machine: int) -> InProcess:
        async def open_in_loop() -> Coordinator:
            return self.worlds[machine].coordinator(self.disk, snapshot_every=self.snapshot_every)

        self.disk.power_on()
        return InProcess(self.worlds[machine], self.run(open_in_loop()), self.cast)

    @rule(writes=st.integers(0, 2), after=st.booleans())
    def let_the_power_fail_soon(self, writes: int, after: bool) -> None:
        self.disk.arm(writes, after=after)


def run(chosen: settings) -> Counter[str]:
    """Drive it; how often happened what."""
    MachineInProcess.happened = Counter()
    with TemporaryDirectory() as name:
        folder = Path(name)
        world = World(folder)
        MachineInProcess.worlds = world, world.elsewhere(folder / "elsewhere")
        MachineInProcess.cast = Cast.in_folder(folder, world.package)
        run_state_machine_as_test(MachineInProcess, settings=chosen)
    return MachineInProcess.happened


def test_no_crash_no_lost_machine_and_no_order_of_questions_leads_to_another_state_than_the_models() -> None:
    assert EVERYTHING == set(run(bounded(30, 50, by_chance=False))), "or these examples prove little"
