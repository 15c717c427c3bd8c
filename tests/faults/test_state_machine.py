"""The real Coordinator against a small model, with a crash at any store operation and a restart after it.

The model is a plain value, and each question of a caller a function from model to model; a rule of the machine sends
one, or several at once.  What was answered must hold for ever; what was under way at a crash may have happened or not,
and nothing else.  To teach the machine another question: add a function to the model, and a rule that sends it.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coordinator.decisions.errors import Refused
from coordinator.decisions.raise_counter import MarbleName
from coordinator.desk import NotServing, TryAgain
from coordinator.journal.errors import StorageFailed
from coordinator.journal.memory import MemoryStorage
from coordinator.service import Coordinator
from coordinator.state.counters import counter_key
from coordinator.state.phase import Phase
from coordinator.wire.secrets import UserSecret
from tests.support.in_process import World
from tests.support.owners import OwnerOfShare, owner
from tests.support.people import Person, person

LIMIT = 4
ME = MarbleName("web", "3f2c1b7e-1111-4222-8333-944455566677")


class CrashingStorage(MemoryStorage):
    """What is on a disk, and a power switch: it may fail before or after a write, and then until power is back."""

    def __init__(self) -> None:
        super().__init__()
        self._writes_left: int | None = None
        self._after = False

    def arm(self, writes: int, *, after: bool) -> None:
        """Let so many writes pass; the next one crashes, with its content kept (`after`) or lost."""
        self._writes_left, self._after = writes, after

    def power_on(self) -> None:
        self._writes_left = None

    def create(self, meta: Any, records: Any) -> None:
        self._write(lambda: MemoryStorage.append(self, records, expected_head=-1), lambda: self._keep(meta))

    def append(self, records: Any, *, expected_head: int) -> None:
        self._write(lambda: MemoryStorage.append(self, records, expected_head=expected_head))

    def replace(self, records: Any, *, expected_head: int, meta: Any = None) -> None:
        self._write(lambda: MemoryStorage.replace(self, records, expected_head=expected_head, meta=meta))

    def put_meta(self, meta: Any) -> None:
        self._write(lambda: self._keep(meta))

    def move_aside(self) -> None:
        self._write(lambda: MemoryStorage.move_aside(self))

    def _keep(self, meta: Any) -> None:
        MemoryStorage.put_meta(self, meta)

    def _write(self, *steps: Callable[[], None]) -> None:
        crashes = self._writes_left == 0
        if self._writes_left:
            self._writes_left -= 1
        if not crashes or self._after:
            for step in steps:
                step()
        if crashes:
            self._after = False
            raise StorageFailed("the disk of this test", "write", "power is off")


@dataclass(frozen=True)
class Model:
    """What a Coordinator must believe."""

    manifest: str = ""
    activations: int = 0
    counters: tuple[tuple[str, int], ...] = ()
    secret: bytes = b""
    pending: str = ""
    approved: tuple[str, ...] = ()
    version: int = 0
    steps: int = 0

    def set_manifest(self, fingerprint: str) -> "Model | None":
        return None if self.manifest else Model(manifest=fingerprint, steps=1)

    def activate(self) -> "Model | None":
        return replace(self, activations=self.activations + 1) if self.manifest and self.activations < LIMIT else None

    def raise_counter(self, name: str, value: int) -> "Model | None":
        if not self.manifest:
            return None
        known = dict(self.counters)
        raised = {**known, name: value} if value > known.get(name, 0) else known
        return replace(self, counters=tuple(sorted(raised.items())))

    def write_secret(self, value: bytes) -> "Model | None":
        return replace(self, secret=value) if self.manifest else None

    def propose(self, who: str, fingerprint: str) -> "Model | None":
        return None if self.pending or not self.manifest else replace(self, pending=fingerprint, approved=(who,))

    def acknowledge(self, who: str, fingerprint: str) -> "Model | None":
        if not self.pending or self.pending != fingerprint:
            return None
        if who in self.approved:
            return self
        return replace(self, manifest=fingerprint, pending="", approved=(), steps=self.steps + 1)

    def cancel(self) -> "Model | None":
        return replace(self, pending="", approved=()) if self.pending else None

    def raise_version(self, version: int) -> "Model | None":
        if self.pending or not self.manifest or version < max(1, self.version):
            return None
        return replace(self, version=version, steps=self.steps + 1)


@dataclass(frozen=True)
class Question:
    """send: asks the Coordinator.  follow: the model after it was granted, None where it must be refused."""

    send: Callable[[Coordinator], Awaitable[Any]]
    follow: Callable[[Model], Model | None]


class CoordinatorMachine(RuleBasedStateMachine):
    """possible: every model that the Coordinator may be in; one, except after a crash before it was looked at."""

    world: ClassVar[World]
    alice: ClassVar[Person]
    bob: ClassVar[Person]
    owner: ClassVar[OwnerOfShare]

    @initialize(snapshot_every=st.sampled_from([1, 3, 50]))
    def start(self, snapshot_every: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.disk = CrashingStorage()
        self.snapshot_every = snapshot_every
        self.possible: list[Model] = [Model()]
        self.root_key: Any = None
        self.open()

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.coordinator.close())
            self.loop.close()

    def run(self, work: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(work)

    def open(self) -> None:
        async def open_in_loop() -> Coordinator:
            return self.world.coordinator(self.disk, snapshot_every=self.snapshot_every)

        self.disk.power_on()
        self.coordinator = self.run(open_in_loop())
        self.crashed = False
        seen = self.observe()
        assert seen in self.possible, f"after a restart: {seen}, which is none of {self.possible}"
        self.possible = [seen]
        key = self.coordinator.authority.root_key.private_numbers()
        if seen.manifest and self.root_key is not None:
            assert self.root_key == key, "the root key stays"
        self.root_key = key

    def observe(self) -> Model:
        if self.coordinator.phase is Phase.ACCEPTING_MANIFEST:
            return Model()
        deployment = self.coordinator.manifest()
        keys = {counter_key(ME.type, ME.uuid, name): name for name in ("a", "b")}
        secret = self.coordinator.people.read_secrets(self.alice.der, ["token"])["token"]
        pending = deployment.pending
        return Model(
            pending=pending.manifest.fingerprint if pending is not None else "",
            approved=tuple(approval.user for approval in pending.approvals) if pending is not None else (),
            version=deployment.raised.get("sgx", 0),
            steps=len(deployment.history.versions),
            manifest=deployment.manifest.fingerprint,
            activations=deployment.activations.get("web", 0),
            counters=tuple(sorted((keys[key], value) for key, value in deployment.counters.items())),
            secret=secret.public,
        )

    def ask(self, *questions: Question) -> None:
        """Send all at once, and follow in the model what came of each."""

        async def send() -> Sequence[Any]:
            return await asyncio.gather(
                *(question.send(self.coordinator) for question in questions), return_exceptions=True
            )

        for question, outcome in zip(questions, self.run(send()), strict=True):
            granted = [question.follow(model) for model in self.possible]
            if isinstance(outcome, NotServing | TryAgain):
                self.crashed = True
                both = [*self.possible, *(model for model in granted if model is not None)]
                self.possible = list(dict.fromkeys(both))
            elif isinstance(outcome, Refused):
                self.possible = [m for m, after in zip(self.possible, granted, strict=True) if after is None]
            else:
                assert not isinstance(outcome, BaseException), outcome
                self.possible = [model for model in granted if model is not None]
            assert self.possible, f"{outcome!r} is not what any model says"

    def document(self, number: int) -> bytes:
        """A manifest; with number 2 the state has an owner, so that an update to it or from it seals it anew."""
        return self.world.manifest(
            Packages={"tdx": self.world.package,
                      "sgx": {"SignerID": "ab" * 32, "ProductID": 1, "SecurityVersion": 1}},
            Marbles={"web": {"Package": "tdx", "MaxActivations": LIMIT}, f"spare{number}": {"Package": "sgx"}},
            Secrets={"token": {"Type": "plain", "UserDefined": True},
                     "site": {"Type": "cert-ecdsa", "Size": 256, "Shared": True}},
            Users={"alice": self.alice.entry("clerk", "updater", "raiser"), "bob": self.bob.entry("updater")},
            Roles={"clerk": {"ResourceType": "Secrets", "ResourceNames": ["token"],
                             "Actions": ["ReadSecret", "WriteSecret"]},
                   "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
                   "raiser": {"ResourceType": "Packages", "ResourceNames": ["sgx"],
                              "Actions": ["UpdateSecurityVersion"]}},
            RecoveryKeys={"owner": self.owner.pem} if number == 2 else {},
            Config={"FeatureGates": ["MonotonicCounter"], "UpdateOverlap": "1h"},
        )  # fmt: skip

    @rule(number=st.integers(0, 2))
    def set_manifest(self, number: int) -> None:
        raw = self.document(number)
        fingerprint = hashlib.sha256(raw).hexdigest()
        self.ask(Question(lambda c: c.set_manifest(raw), lambda model: model.set_manifest(fingerprint)))

    @rule(number=st.integers(0, 2), who=st.sampled_from(["alice", "bob"]))
    def propose(self, number: int, who: str) -> None:
        raw, leaf = self.document(number), getattr(self, who).der
        fingerprint = hashlib.sha256(raw).hexdigest()
        self.ask(Question(lambda c: c.updates.update(leaf, raw, ()), lambda model: model.propose(who, fingerprint)))

    @rule(number=st.integers(0, 2), who=st.sampled_from(["alice", "bob"]))
    def acknowledge(self, number: int, who: str) -> None:
        raw, leaf = self.document(number), getattr(self, who).der
        fingerprint = hashlib.sha256(raw).hexdigest()
        self.ask(
            Question(lambda c: c.updates.acknowledge(leaf, raw, ()), lambda model: model.acknowledge(who, fingerprint))
        )

    @rule(number=st.integers(0, 2), secret=st.sampled_from([b"one", b"two"]))
    def update_while_others_ask(self, number: int, secret: bytes) -> None:
        """Proposed and approved, with a secret written meanwhile."""
        raw = self.document(number)
        fingerprint = hashlib.sha256(raw).hexdigest()
        self.ask(
            Question(lambda c: c.updates.update(self.bob.der, raw, ()), lambda model: model.propose("bob", fingerprint))
        )
        if not self.crashed:
            approval = Question(
                lambda c: c.updates.acknowledge(self.alice.der, raw, ()),
                lambda model: model.acknowledge("alice", fingerprint),
            )
            self.ask(approval, self.secret_question(secret))

    @rule(who=st.sampled_from(["alice", "bob"]))
    def cancel(self, who: str) -> None:
        leaf = getattr(self, who).der
        self.ask(Question(lambda c: c.updates.cancel(leaf), Model.cancel))

    @rule(version=st.integers(0, 3))
    def raise_version(self, version: int) -> None:
        raw = json.dumps({"Packages": {"sgx": {"SecurityVersion": version}}}).encode()
        self.ask(
            Question(lambda c: c.updates.update(self.alice.der, raw, ()), lambda model: model.raise_version(version))
        )

    @rule(count=st.integers(1, 3))
    def activate(self, count: int) -> None:
        self.ask(*[Question(lambda c: self.world.activate(c, "web"), Model.activate)] * count)

    @rule(name=st.sampled_from(["a", "b"]), value=st.integers(0, 5))
    def raise_counter(self, name: str, value: int) -> None:
        self.ask(self.counter_question(name, value))

    @rule(value=st.sampled_from([b"", b"one", b"two"]))
    def write_secret(self, value: bytes) -> None:
        self.ask(self.secret_question(value))

    @rule(value=st.integers(0, 5), secret=st.sampled_from([b"one", b"two"]))
    def several_at_once(self, value: int, secret: bytes) -> None:
        joins = Question(lambda c: self.world.activate(c, "web"), Model.activate)
        self.ask(self.counter_question("a", value), joins, self.secret_question(secret))

    @rule(writes=st.integers(0, 2), after=st.booleans())
    def let_the_power_fail_soon(self, writes: int, after: bool) -> None:
        self.disk.arm(writes, after=after)

    @precondition(lambda self: self.crashed)
    @rule()
    def restart_after_a_crash(self) -> None:
        self.run(self.coordinator.close())
        self.open()

    @rule()
    def restart(self) -> None:
        self.run(self.coordinator.close())
        self.open()

    @invariant()
    def what_is_answered_is_what_the_model_says(self) -> None:
        if hasattr(self, "coordinator") and not self.crashed and len(self.possible) == 1:
            try:
                seen = self.observe()
            except NotServing:  # a snapshot crashed after its answer
                self.crashed = True
                return
            assert [seen] == self.possible

    def counter_question(self, name: str, value: int) -> Question:
        return Question(
            lambda c: c.features.raise_counter(ME, name, value), lambda model: model.raise_counter(name, value)
        )

    def secret_question(self, value: bytes) -> Question:
        async def send(coordinator: Coordinator) -> None:
            await coordinator.people.write_secrets(self.alice.der, {"token": UserSecret(key=value)})

        return Question(send, lambda model: model.write_secret(value))


def test_no_crash_and_no_order_of_questions_leads_to_another_state_than_the_models() -> None:
    with TemporaryDirectory() as folder:
        CoordinatorMachine.world = World(Path(folder))
        CoordinatorMachine.alice = person(Path(folder), "alice")
        CoordinatorMachine.bob = person(Path(folder), "bob")
        CoordinatorMachine.owner = owner(Path(folder), "owner")
        run_state_machine_as_test(
            CoordinatorMachine,
            settings=settings(
                max_examples=30, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
