"""The state's key goes to another instance of the same program, and to nobody else."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.likeness import Alike
from attestation.simulation.device import SimulatedIssuer
from coordinator.decisions.errors import ReplicaRefused, WrongPhase
from coordinator.desk import TryAgain
from coordinator.journal.errors import KeyUnusable
from coordinator.journal.handover import Held, open_sealed, prove, seal_for
from coordinator.journal.key import DATA_KEY_BYTES, DataKey, JournalId
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sources import Sources, name_of_machine
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Locked, Opened, Vault
from coordinator.own_claims import own_claims
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from coordinator.successor import step_of
from coordinator.wire.replicas import KeyRequest, WrappedCopy
from pki.manifest_history import HistoryStep
from tests.support.replica_house import MANIFEST, House, draw, leader, request

STEP = HistoryStep(1, b"l" * 32)


async def test_another_instance_gets_the_key_and_leads_on_a_machine_that_never_sealed_it(house: House) -> None:
    key, second = X25519PrivateKey.generate(), house.issuer(machine=house.another_machine())
    async with leader(house) as coordinator:
        asked = request(coordinator, second, coordinator.replicas.challenge(), key)
        handover = await coordinator.replicas.hand_over(asked)
        root = coordinator.authority.root
    held = open_sealed(key, handover.sealed, step_of(root))
    assert ("ProductKey", ("cce",)) == (handover.mode, handover.sources)

    without = Coordinator(house.environment(second))
    assert without.phase is Phase.RECOVERY
    await without.close()
    successor = Coordinator(house.environment(second, held))
    assert successor.phase is Phase.ACCEPTING_MARBLES
    assert successor.authority.root == root
    await successor.close()
    again = Coordinator(house.environment(second))
    assert again.phase is Phase.ACCEPTING_MARBLES, "its own sealing key keeps a copy from then on"
    await again.close()


Change = Callable[[House, KeyRequest], KeyRequest]


@pytest.mark.parametrize(
    ("program", "kind", "change", "words"),
    [
        ("intruder", Kind.TDX, None, "it is another program"),
        ("coordinator", Kind.SGX, None, "it is another program"),
        ("coordinator", Kind.TDX, lambda asked: replace(asked, recipient=b"\x09" * 32), "not that of another instance"),
        ("coordinator", Kind.TDX, lambda asked: replace(asked, challenge=b"\x09" * 32), "expected a challenge"),
        ("coordinator", Kind.TDX, lambda asked: replace(asked, evidence=b"no evidence"), "expected evidence"),
        (
            "coordinator",
            Kind.TDX,
            lambda asked: replace(asked, evidence=asked.evidence[:-1]),
            "not that of another instance",
        ),
    ],
    ids=["another program", "another platform", "another recipient", "an invented challenge", "no evidence", "cut off"],
)
async def test_who_is_not_another_instance_gets_nothing(
    house: House, program: str, kind: Kind, change: Callable[[KeyRequest], KeyRequest] | None, words: str
) -> None:
    async with leader(house) as coordinator:
        asked = request(
            coordinator, house.issuer(program, kind), coordinator.replicas.challenge(), X25519PrivateKey.generate()
        )
        with pytest.raises(ReplicaRefused, match=words):
            await coordinator.replicas.hand_over(change(asked) if change else asked)


async def test_a_challenge_holds_for_a_minute(house: House) -> None:
    async with leader(house) as coordinator:
        asked = request(coordinator, house.issuer(), coordinator.replicas.challenge(), X25519PrivateKey.generate())
        house.now += timedelta(seconds=60)
        await coordinator.replicas.hand_over(asked)
        house.now += timedelta(seconds=1)
        with pytest.raises(ReplicaRefused, match="within the last minute"):
            await coordinator.replicas.hand_over(asked)


async def test_strangers_who_ask_for_challenges_do_not_keep_a_replica_from_its_key(house: House) -> None:
    async with leader(house) as coordinator:
        asked = request(coordinator, house.issuer(), coordinator.replicas.challenge(), X25519PrivateKey.generate())
        for _ in range(1_000):
            assert 32 == len(coordinator.replicas.challenge())
        await coordinator.replicas.hand_over(asked)


async def test_a_wrapped_copy_is_kept_for_who_holds_the_key_and_for_nobody_else(house: House) -> None:
    key, second = X25519PrivateKey.generate(), house.issuer(machine=house.another_machine())
    async with leader(house) as coordinator:
        asked = request(coordinator, second, coordinator.replicas.challenge(), key)
        handover = await coordinator.replicas.hand_over(asked)
        held = open_sealed(key, handover.sealed, step_of(coordinator.authority.root))
        ours = Sources((KeyOfEnvironment(second, draw),), name_of_machine(second))
        ((slot, wrapped),) = ours.wrap(held, "ProductKey", ["cce"]).items()
        stranger = Held(held.journal_id, DataKey(bytes(DATA_KEY_BYTES)))
        for wrong in (
            WrappedCopy(slot, wrapped, prove(stranger, slot, wrapped)),
            WrappedCopy(slot, b"\x00" + wrapped, prove(held, slot, wrapped)),
            WrappedCopy("cce-other", wrapped, prove(held, slot, wrapped)),
        ):
            with pytest.raises(ReplicaRefused, match="expected a proof"):
                await coordinator.replicas.keep(wrong)
        await coordinator.replicas.keep(WrappedCopy(slot, wrapped, prove(held, slot, wrapped)))
    successor = Coordinator(house.environment(second))
    assert successor.phase is Phase.ACCEPTING_MARBLES, "with nobody to ask"
    await successor.close()


async def test_a_coordinator_that_shares_its_state_with_nobody_or_has_none_hands_over_nothing(house: House) -> None:
    alone = Coordinator(replace(house.environment(house.issuer()), replicas=False))
    await alone.set_manifest(MANIFEST)
    with pytest.raises(ReplicaRefused, match="with nobody"):
        alone.replicas.challenge()
    await alone.close()
    shutil.rmtree(house.folder / "state")
    empty = Coordinator(house.environment(house.issuer()))
    with pytest.raises(WrongPhase):
        empty.replicas.challenge()
    await empty.close()


def test_a_program_is_alike_to_itself_and_every_measurement_and_detail_counts(house: House) -> None:
    for kind in (Kind.TDX, Kind.SGX):
        mine = own_claims(house.issuer(kind=kind), house.verifier(), now=house.now)
        assert all(check.status == "passed" for check in Alike(mine).appraise(mine))
        for name in mine.measurements:
            other = replace(mine, measurements={**mine.measurements, name: b"\x00" * 32})
            failed = [check.name for check in Alike(mine).appraise(other) if check.status != "passed"]
            assert failed == [f"likeness.{name}"]
        other = replace(mine, debuggable=True)
        assert [c.name for c in Alike(mine).appraise(other) if c.status != "passed"] == ["likeness.debug"]


def test_on_a_platform_without_a_rule_nobody_is_alike(house: House) -> None:
    mine = replace(own_claims(house.issuer(), house.verifier(), now=house.now), kind=Kind.NITRO)
    assert "likeness.rule" in [check.name for check in Alike(mine).appraise(mine) if check.status != "passed"]


def test_a_sealed_key_opens_for_its_recipient_only() -> None:
    held = Held(JournalId(b"j" * 16), DataKey(b"k" * 32))
    key = X25519PrivateKey.generate()
    recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert open_sealed(key, seal_for(recipient, held), STEP) == replace(held, since=STEP)
    with pytest.raises(KeyUnusable):
        open_sealed(X25519PrivateKey.generate(), seal_for(recipient, held), STEP)
    with pytest.raises(KeyUnusable):
        seal_for(b"short", held)
    assert "k" * 32 not in repr(held)


@dataclass
class OutOfOrder:
    """A device that fails as often as is said here, then works again.  Asked: how often somebody wanted evidence."""

    device: SimulatedIssuer
    failure: Exception
    failures: int
    asked: int = 0

    @property
    def kind(self) -> Kind:
        return self.device.kind

    @property
    def simulated(self) -> bool:
        return self.device.simulated

    def issue(self, report_data: bytes) -> Evidence:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise self.failure
        return self.device.issue(report_data)

    def sealing_key(self, mode: str) -> bytes:
        return self.device.sealing_key(mode)


@pytest.mark.parametrize("failure", [NoDevice("the device is gone"), OSError(16, "Device or resource busy")], ids=str)
async def test_a_device_that_failed_once_is_asked_again_and_one_that_answered_is_not(
    house: House, failure: Exception
) -> None:
    ours = house.issuer()
    device = OutOfOrder(ours, failure, failures=0)
    coordinator = Coordinator(replace(house.environment(ours), issuer=device))
    await coordinator.set_manifest(MANIFEST)
    key = X25519PrivateKey.generate()

    async def ask() -> None:
        asked = request(coordinator, house.issuer(), coordinator.replicas.challenge(), key)
        assert open_sealed(key, (await coordinator.replicas.hand_over(asked)).sealed, STEP).journal_id

    device.failures, device.asked = 2, 0
    for _ in range(2):
        with pytest.raises(TryAgain, match=f"cannot get evidence of itself now: .*{failure.args[-1]}"):
            await ask()
    await ask()
    await ask()
    assert 3 == device.asked, "twice in vain, then once for all"
    await coordinator.close()


def test_requests_wait_for_the_same_answer_of_the_device(house: House) -> None:
    """Two replicas at once: the leader asks what it is once, and both are served."""

    async def story() -> None:
        async with leader(house) as coordinator:
            keys = [X25519PrivateKey.generate() for _ in range(2)]
            asked = [request(coordinator, house.issuer(), coordinator.replicas.challenge(), key) for key in keys]
            answers = await asyncio.gather(*(coordinator.replicas.hand_over(a) for a in asked))
            opened = [open_sealed(key, answer.sealed, STEP) for key, answer in zip(keys, answers, strict=True)]
            assert opened[0] == opened[1]

    asyncio.run(story())


async def test_after_the_state_got_another_key_that_one_is_handed_over_and_an_older_one_opens_nothing(
    house: House,
) -> None:
    first, second = house.issuer(), house.issuer(machine=house.another_machine())

    def vault(issuer: SimulatedIssuer, handed: Held | None = None) -> Vault:
        storage, sources = SqliteStorage(house.folder / "state"), (KeyOfEnvironment(issuer, draw),)
        return Vault(storage, sources, draw, handed=handed, machine=name_of_machine(issuer))

    leading = vault(first)
    journal = leading.found([b"founded"], "ProductKey", ["cce"])
    old = journal.held
    keys = leading.new_keys(journal.journal_id, "ProductKey", ["cce"], None)
    await journal.rekey([b"all"], keys.data_key, keys.wrapped, keys.notes)
    new = journal.held
    assert new == Held(old.journal_id, keys.data_key)
    assert new != old
    await journal.close()

    late = vault(second, old)
    assert isinstance(late.open(), Locked), "it waits for recovery, or for a replica that can open the state"
    late.close()
    opened = vault(second, new).open()
    assert isinstance(opened, Opened)
    assert opened.handed
    await opened.journal.close()
