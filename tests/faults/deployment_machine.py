"""A Coordinator against the model: what everybody may ask of it, in any order, with crashes and lost machines between.

What was answered must hold for ever; what was under way at a crash may have happened or not, and nothing else.  How the
questions reach a Coordinator, and how it crashes, is a client's affair: there is one in process and one over sockets.
A rule asks in its body whether it makes sense now, never in a precondition: what is known of a state after a crash is
timing, and hypothesis wants the same choices to lead to the same rules.
To teach the machine another question: add a function to the model, a method to the clients, and a rule that sends it.
"""

import asyncio
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coordinator.recovery.gathering import Submission
from coordinator.recovery.statement import WaitingState, statement
from tests.faults.model import LIMIT, Law, Model
from tests.support.owners import OwnerOfShare, owner
from tests.support.people import Person, person

T = TypeVar("T")
USERS = st.sampled_from(["alice", "bob"])
OWNERS: Final[tuple[tuple[tuple[str, ...], int], ...]] = (
    ((), 0),
    (("ada",), 1),
    (("ada", "bo", "cy"), 2),
    (("bo", "cy"), 2),
)
"""Of each manifest: who owns shares, and how many of them are needed."""
DOCUMENTS = st.integers(0, len(OWNERS) - 1)
FIRST = st.integers(0, len(OWNERS))
"""The manifest to begin with; or none, which is the last number."""
OWNER = st.sampled_from(["ada", "bo", "cy"])
SHARE: Final = "a share"
FOR_THIS_STATE: Final = "a share, signed for the very state that waits"
FOR_ANOTHER_STATE: Final = "a share, signed for another state"
ANOTHER_SHARE: Final = "a share with a bit flipped"
EARLIER_SHARE: Final = "a share of a law of before"
ANOTHERS_SIGNATURE: Final = "a share that another owner signed"
QUESTION: Final = "questions"
CRASH: Final = "crashes"
CRASH_IN_RECOVERY: Final = "crashes while the state waited for its owners"
REFUSED_IN_RECOVERY: Final = "refusals while it waited"
RECOVERED: Final = "recoveries"
EVERYTHING: Final = {QUESTION, CRASH, CRASH_IN_RECOVERY, REFUSED_IN_RECOVERY, RECOVERED}
GIFTS = st.sampled_from([SHARE, FOR_THIS_STATE, FOR_ANOTHER_STATE, ANOTHER_SHARE, EARLIER_SHARE, ANOTHERS_SIGNATURE])


class Denied(Exception):
    """The Coordinator refused: nothing has changed."""


class Unknown(Exception):
    """It stopped before it answered, or could not do it: it may have happened."""


@dataclass(frozen=True)
class Cast:
    """Everybody who plays.  package: of the program that manifests admit."""

    package: Mapping[str, Any]
    users: Mapping[str, Person]
    owners: Mapping[str, OwnerOfShare]

    @staticmethod
    def in_folder(folder: Path, package: Mapping[str, Any]) -> "Cast":
        kinds = {"ada": "ec", "bo": "x25519", "cy": "ec"}
        users = {name: person(folder, name) for name in ("alice", "bob")}
        return Cast(package, users, {name: owner(folder, name, kind=kind) for name, kind in kinds.items()})

    def document(self, number: int) -> bytes:
        """One of the manifests; each has a marble `web`, of which LIMIT may join, and updates need both users."""
        names, needed = OWNERS[number]
        threshold = {"RecoveryThreshold": needed} if 1 < needed < len(names) else {}
        content = {
            "Packages": {"tdx": self.package, "sgx": {"SignerID": "ab" * 32, "ProductID": 1, "SecurityVersion": 1}},
            "Marbles": {"web": {"Package": "tdx", "MaxActivations": LIMIT}, f"spare{number}": {"Package": "sgx"}},
            "Secrets": {
                "token": {"Type": "plain", "UserDefined": True},
                "site": {"Type": "cert-ecdsa", "Size": 256, "Shared": True},
            },
            "Users": {
                "alice": self.users["alice"].entry("clerk", "updater", "raiser"),
                "bob": self.users["bob"].entry("updater"),
            },
            "Roles": {
                "clerk": {
                    "ResourceType": "Secrets",
                    "ResourceNames": ["token"],
                    "Actions": ["ReadSecret", "WriteSecret"],
                },
                "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
                "raiser": {
                    "ResourceType": "Packages",
                    "ResourceNames": ["sgx"],
                    "Actions": ["UpdateSecurityVersion"],
                },
            },
            "RecoveryKeys": {name: self.owners[name].pem for name in names},
            "Config": {"FeatureGates": ["MonotonicCounter"], "UpdateOverlap": "1h"} | threshold,
        }
        return json.dumps(content).encode()


class Client(Protocol):
    """The way to a Coordinator.  Every question raises Denied or Unknown."""

    async def set_manifest(self, raw: bytes) -> Mapping[str, bytes]:
        """Envelopes of recovery shares, by owner."""

    async def update(self, who: str, raw: bytes) -> Mapping[str, bytes]:
        """As `set_manifest`, where it is done."""

    async def acknowledge(self, who: str, raw: bytes) -> Mapping[str, bytes]:
        """As `update`."""

    async def cancel(self, who: str) -> None:
        """The pending update."""

    async def activate(self) -> None:
        """A fresh marble of type `web`."""

    @property
    def has_marble(self) -> bool:
        """Whether it can show a marble's certificate, for counters."""

    async def raise_counter(self, name: str, value: int) -> int:
        """The value before."""

    async def write_secret(self, who: str, value: bytes) -> None:
        """The secret `token`."""

    async def submit(self, given: Submission) -> int:
        """How many shares are missing then."""

    async def waiting_state(self) -> WaitingState:
        """The one that waits for its owners."""

    async def root(self) -> int:
        """What stands for the root key that is shown now."""

    async def observe(self) -> Mapping[str, Any]:
        """As much of the model as can be seen now, by the names of its fields.  Raises Unknown alone."""

    async def stop(self) -> None:
        """In order, or what is left of it after a crash; the state stays."""


@dataclass(frozen=True)
class Question:
    """send: asks the Coordinator.  follow: the model after it was granted, None where it must be refused.

    says: whether the reply is the one that the model has.  torn: what else a crash may leave.  learn: of the reply.
    """

    send: Callable[[Client], Awaitable[Any]]
    follow: Callable[[Model], Model | None]
    says: Callable[[Model, Any], bool] = lambda model, reply: True
    torn: Callable[[Model], tuple[Model, ...]] = lambda model: ()
    learn: Callable[[Any], None] = lambda reply: None


class DeploymentMachine(RuleBasedStateMachine):
    """possible: every model that the Coordinator may be in; one, except after a crash before it was looked at.

    shares: what owners were given, by the custody of their law.
    """

    cast: ClassVar[Cast]
    happened: ClassVar[Counter[str]]
    """How often, of all that a run is worth little without."""
    client: Client

    def open(self, machine: int) -> Client:
        """A Coordinator on this machine, with the state that was left, or none."""
        raise NotImplementedError

    def begin(self, number: int) -> None:
        """On machine 0, without a state; and with the manifest of this number, if there is one."""
        self.loop = asyncio.new_event_loop()
        self.possible = [Model()]
        self.shares: dict[int, Mapping[str, bytes]] = {}
        self.custodies = itertools.count(1)
        self.machine = 0
        self.client = self.open(0)
        self.look()
        if number < len(OWNERS):
            self.set_manifest(number)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.client.stop())
            self.loop.close()

    def run(self, work: Awaitable[T]) -> T:
        async def whole() -> T:
            return await work

        return self.loop.run_until_complete(whole())

    def look(self) -> None:
        """After a start."""
        self.crashed = False
        self.possible = list(dict.fromkeys(model.opened_on(self.machine) for model in self.possible))
        self.narrow(self.run(self.client.observe()))

    def narrow(self, seen: Mapping[str, Any]) -> None:
        """What is seen must be possible, and what is not seen is not."""
        left = [model for model in self.possible if agrees(model, seen)]
        assert left, f"on machine {self.machine}: {seen}, which is none of {self.possible}"
        self.possible = left

    def ask(self, *questions: Question) -> None:
        """Send all at once, and follow in the model what came of each."""

        async def send() -> Sequence[Any]:
            return await asyncio.gather(*(question.send(self.client) for question in questions), return_exceptions=True)

        if self.crashed and any(model.waiting for model in self.possible):
            return  # whether it waits still cannot be told before it is looked at
        self.happened[QUESTION] += len(questions)
        came = list(zip(questions, self.run(send()), strict=True))
        waiting = self.waiting
        for question, outcome in came:
            if isinstance(outcome, Unknown):
                self.crashed = True
                self.happened[CRASH_IN_RECOVERY if waiting else CRASH] += 1
            elif not isinstance(outcome, Denied):
                assert not isinstance(outcome, BaseException), repr(outcome)
                question.learn(outcome)
        before, after = self.possible, dict[Model, None]()
        for order in itertools.permutations(came):
            after |= dict.fromkeys(follow(before, order))
        assert after, f"{[outcome for _, outcome in came]} is in no order what any model says of {before}"
        self.possible = list(after)
        if waiting and all(model.serves and model.recoveries for model in self.possible):
            self.happened[RECOVERED] += 1
        elif waiting and before == self.possible:
            self.happened[REFUSED_IN_RECOVERY] += 1

    def law(self, number: int) -> tuple[bytes, Law]:
        raw, (names, needed) = self.cast.document(number), OWNERS[number]
        custody = next(self.custodies) if names else 0
        return raw, Law(hashlib.sha256(raw).hexdigest(), names, needed, custody)

    def hand_out(self, law: Law) -> Callable[[Mapping[str, bytes]], None]:
        """To be called with the envelopes of this law's shares, if it brought new ones."""

        def hand_out(envelopes: Mapping[str, bytes]) -> None:
            if envelopes:
                assert set(law.owners) == set(envelopes)
                owners = self.cast.owners
                self.shares[law.custody] = {
                    name: owners[name].opener.open(sealed) for name, sealed in envelopes.items()
                }

        return hand_out

    @rule(number=DOCUMENTS)
    def set_manifest(self, number: int) -> None:
        raw, law = self.law(number)
        if self.crashed:
            return  # which root key it would show cannot be asked
        root = self.run(self.client.root())
        self.ask(
            Question(
                lambda c: c.set_manifest(raw),
                lambda model: model.set_manifest(law, root, self.machine),
                torn=lambda model: (Model(),) if model.waiting else (),
                learn=self.hand_out(law),
            )
        )

    @rule(number=DOCUMENTS, who=USERS)
    def propose(self, number: int, who: str) -> None:
        raw, law = self.law(number)
        self.ask(Question(lambda c: c.update(who, raw), lambda model: model.propose(who, law.fingerprint)))

    @rule(number=DOCUMENTS, who=USERS)
    def acknowledge(self, number: int, who: str) -> None:
        self.ask(self.approval(who, *self.law(number)))

    @rule(number=DOCUMENTS, secret=st.sampled_from([b"one", b"two"]))
    def update_while_others_ask(self, number: int, secret: bytes) -> None:
        """Proposed and approved, with a secret written meanwhile."""
        raw, law = self.law(number)
        self.ask(Question(lambda c: c.update("bob", raw), lambda model: model.propose("bob", law.fingerprint)))
        if not self.crashed:
            self.ask(self.approval("alice", raw, law), self.secret_question(secret))

    @rule(who=USERS)
    def cancel(self, who: str) -> None:
        self.ask(Question(lambda c: c.cancel(who), Model.cancel))

    @rule(version=st.integers(0, 3))
    def raise_version(self, version: int) -> None:
        raw = json.dumps({"Packages": {"sgx": {"SecurityVersion": version}}}).encode()
        self.ask(Question(lambda c: c.update("alice", raw), lambda model: model.raise_version(version)))

    @rule(count=st.integers(1, 3))
    def activate(self, count: int) -> None:
        self.ask(*[Question(lambda c: c.activate(), Model.activate)] * count)

    @rule(name=st.sampled_from(["a", "b"]), value=st.integers(0, 5))
    def raise_counter(self, name: str, value: int) -> None:
        if self.client.has_marble:
            self.ask(self.counter_question(name, value))

    @rule(value=st.sampled_from([b"", b"one", b"two"]))
    def write_secret(self, value: bytes) -> None:
        self.ask(self.secret_question(value))

    @rule(value=st.integers(0, 5), secret=st.sampled_from([b"one", b"two"]))
    def several_at_once(self, value: int, secret: bytes) -> None:
        joins = Question(lambda c: c.activate(), Model.activate)
        counted = [self.counter_question("a", value)] if self.client.has_marble else []
        self.ask(*counted, joins, self.secret_question(secret))

    @rule(gifts=st.lists(st.tuples(OWNER, GIFTS), min_size=1, max_size=6))
    def owners_give(self, gifts: Sequence[tuple[str, str]]) -> None:
        """Whatever is no share of this state counts for nothing, and the right one is as welcome as before."""
        for who, what in gifts:
            if not self.crashed and self.recoverable:
                self.ask(self.gift(who, what))

    @rule(owners=st.permutations(["ada", "bo", "cy"]))
    def all_owners_give_at_once(self, owners: Sequence[str]) -> None:
        if self.recoverable:
            self.ask(*(self.gift(who, SHARE) for who in owners))

    @rule()
    def lose_the_machine(self) -> None:
        """The other one has another sealing key."""
        self.begin_again(1 - self.machine)

    @rule()
    def restart(self) -> None:
        self.begin_again(self.machine)

    def begin_again(self, machine: int) -> None:
        self.run(self.client.stop())
        self.machine = machine
        self.client = self.open(machine)
        self.look()

    @rule()
    def restart_after_a_crash(self) -> None:
        if self.crashed:
            self.begin_again(self.machine)

    @invariant()
    def what_is_answered_is_what_the_model_says(self) -> None:
        if hasattr(self, "client") and not self.crashed:
            try:
                seen = self.run(self.client.observe())
            except Unknown:  # a snapshot crashed after its answer
                self.crashed = True
                return
            self.narrow(seen)

    @property
    def waiting(self) -> bool:
        """Whether it waits for its owners, for all that is known."""
        return all(model.waiting for model in self.possible)

    @property
    def recoverable(self) -> bool:
        """It waits, and its owners can be asked."""
        return not self.crashed and self.waiting and all(model.law.owners for model in self.possible)

    def approval(self, who: str, raw: bytes, law: Law) -> Question:
        return Question(
            lambda c: c.acknowledge(who, raw), lambda model: model.acknowledge(who, law), learn=self.hand_out(law)
        )

    def counter_question(self, name: str, value: int) -> Question:
        return Question(
            lambda c: c.raise_counter(name, value),
            lambda model: model.raise_counter(name, value),
            says=lambda model, before: bool(before == model.counter(name)),
        )

    def secret_question(self, value: bytes) -> Question:
        return Question(lambda c: c.write_secret("alice", value), lambda model: model.write_secret(value))

    def gift(self, who: str, what: str) -> Question:
        """What an owner gives: his share of the law that is waiting, if he was told it, or something else."""
        mine, custody = self.cast.owners[who].opener, self.possible[0].law.custody
        known = who in self.shares.get(custody, {})
        share = self.shares[custody][who] if known else bytes(32)
        state = self.run(self.client.waiting_state()) if what in (FOR_THIS_STATE, FOR_ANOTHER_STATE) else None
        if what == ANOTHER_SHARE:
            share = bytes((share[0] ^ 1, *share[1:]))
        elif what == EARLIER_SHARE:
            earlier = [number for number in self.shares if all(model.law.custody != number for model in self.possible)]
            share = self.shares[earlier[-1]].get(who, bytes(32)) if earlier else bytes(32)
        elif what == FOR_ANOTHER_STATE:
            assert state is not None
            state = replace(state, link=bytes(32))
        elif what == ANOTHERS_SIGNATURE:
            mine = self.cast.owners["ada" if who == "bo" else "bo"].opener
        proof = mine.prove(share if state is None else statement(state, share), share)
        right = known and what in (SHARE, FOR_THIS_STATE)
        return Question(
            lambda c: c.submit(Submission(share, proof, state)),
            lambda model: model.give(who, custody, self.machine) if right else None,
            says=lambda model, missing: bool(missing == model.missing - 1),
            torn=lambda model: (model.recorded(),) if model.missing == 1 else (),
        )


def follow(models: Sequence[Model], came: Sequence[tuple[Question, Any]]) -> Sequence[Model]:
    """Every model that may hold after these questions were answered so, in this order; none if they cannot."""
    for question, outcome in came:
        granted = [(model, question.follow(model)) for model in models]
        if isinstance(outcome, Unknown):
            torn = [torn for model, after in granted if after is not None for torn in question.torn(model)]
            models = [*models, *(after for _, after in granted if after is not None), *torn]
        elif isinstance(outcome, Denied):
            models = [model for model, after in granted if after is None]
        else:
            models = [after for model, after in granted if after is not None and question.says(model, outcome)]
    return models


def agrees(model: Model, seen: Mapping[str, Any]) -> bool:
    """Whether everything that is seen is what the model says."""
    return all(getattr(model, name) == value for name, value in seen.items())


def bounded(examples: int, steps: int, *, by_chance: bool, shrink: bool = True) -> settings:
    """by_chance: other examples in every run; else the same.  shrink: look for a shorter way to what was found."""
    return settings(
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not by_chance,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
