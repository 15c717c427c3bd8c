"""A join with a nonce: what it gives, and what a relay, a replay or a diverted marble gets: a refusal."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from coordinator.decisions.challenge import LIFETIME
from coordinator.decisions.errors import (
    EvidenceReused,
    FreshEvidenceRequired,
    NoCertificate,
    NotAttested,
    NotFresh,
    Refused,
    RequestInvalid,
)
from coordinator.journal.memory import MemoryStorage
from coordinator.service import Coordinator
from marble.join_protocol import JoinRequest
from marble.protocol import Parameters, decode_response
from marble.sealing import SEALING_KEY_BYTES, SealingKey
from marble.trust import read_root, root_spki
from tests.support import marble_client
from tests.support.in_process import Clock, World

OTHER_UUID = "3f2c1b7e-1111-4222-8333-944455566600"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))  # noqa: TID251 - a test's clock


@pytest.fixture
async def coordinator(world: World, clock: Clock) -> AsyncIterator[Coordinator]:
    begun = await serving(world, clock)
    yield begun
    await begun.close()


async def serving(world: World, clock: Clock) -> Coordinator:
    begun = world.coordinator(MemoryStorage(), clock=clock)
    parameters = {"Env": {"KEY": "{{ hex .Secrets.key }}"}}
    marbles = {
        "web": {"Package": "tdx", "RequireFreshEvidence": True, "Parameters": parameters},
        "old": {"Package": "tdx", "MaxActivations": 1},
    }
    secrets = {"key": {"Type": "symmetric-key", "Size": 128, "Shared": True}}
    await begun.set_manifest(world.manifest(Marbles=marbles, Secrets=secrets))
    return begun


class Joining:
    """A marble half-way: challenged, its evidence made; tests change what it sends."""

    def __init__(self, world: World, coordinator: Coordinator, marble_type: str = "web") -> None:
        self.certificate = world.marble.certificate
        self.key = SealingKey.generate()
        challenge = coordinator.challenge(self.certificate)
        asked = JoinRequest(challenge.nonce, b"", world.marble.csr, self.key.public, marble_type, marble_client.UUID)
        self.bound = asked.bound(self.certificate, root_spki(read_root(challenge.root)))
        self.request = replace(asked, evidence=world.marble.quote(self.bound.report_data))

    async def ask(self, coordinator: Coordinator, **changed: Any) -> Parameters:
        sealed = await coordinator.join(replace(self.request, **changed), self.certificate)
        return decode_response(self.key.open(sealed.content, self.bound))


async def test_a_marble_gets_its_parameters_for_its_eyes_alone(world: World, coordinator: Coordinator) -> None:
    joining = Joining(world, coordinator)
    sealed = await coordinator.join(joining.request, joining.certificate)
    given = decode_response(joining.key.open(sealed.content, joining.bound))
    assert 32 == len(given.env["KEY"])
    assert given.env["KEY"] not in sealed.content


async def test_where_the_manifest_wants_a_nonce_marbleruns_join_is_refused(
    world: World, coordinator: Coordinator
) -> None:
    with pytest.raises(FreshEvidenceRequired, match="/Marbles/web/RequireFreshEvidence"):
        await world.activate(coordinator, "web")
    await world.activate(coordinator, "old")


async def test_both_joins_count_against_the_same_limit(world: World, coordinator: Coordinator) -> None:
    await Joining(world, coordinator, "old").ask(coordinator)
    with pytest.raises(Refused, match="maximum number of activations"):
        await world.activate(coordinator, "old")


@pytest.mark.parametrize(
    "changed",
    [
        {"marble_type": "old"},
        {"uuid": OTHER_UUID},
        {"sealing_key": SealingKey.generate().public},
    ],
    ids=["another type", "another UUID", "another sealing key"],
)
async def test_nothing_can_be_changed_after_the_evidence_was_made(
    world: World, coordinator: Coordinator, changed: dict[str, Any]
) -> None:
    joining = Joining(world, coordinator)
    with pytest.raises(NotAttested, match="report-data"):
        await joining.ask(coordinator, **changed)
    await joining.ask(coordinator)


async def test_evidence_for_an_older_nonce_is_refused(world: World, coordinator: Coordinator, clock: Clock) -> None:
    recorded = Joining(world, coordinator)
    clock.now += timedelta(seconds=1)
    fresh = coordinator.challenge(recorded.certificate).nonce
    assert fresh != recorded.request.nonce
    with pytest.raises(NotAttested, match="report-data"):
        await recorded.ask(coordinator, nonce=fresh)


async def test_a_join_that_comes_late_is_refused_and_a_new_nonce_helps(
    world: World, coordinator: Coordinator, clock: Clock
) -> None:
    late = Joining(world, coordinator)
    clock.now += LIFETIME + timedelta(seconds=1)
    with pytest.raises(NotFresh, match="ended 1000 ms ago"):
        await late.ask(coordinator)
    await Joining(world, coordinator).ask(coordinator)


async def test_the_same_join_counts_once(world: World, coordinator: Coordinator) -> None:
    joining = Joining(world, coordinator)
    await joining.ask(coordinator)
    with pytest.raises(EvidenceReused):
        await joining.ask(coordinator)


async def test_a_relay_cannot_use_its_own_connection(world: World, coordinator: Coordinator) -> None:
    """Who shows another certificate than the marble's gets nothing for the marble's evidence."""
    victim = Joining(world, coordinator)
    relay = marble_client.prepare(lambda _: b"", "web").certificate.public_bytes(Encoding.DER)
    with pytest.raises(NotFresh, match="for the connection's certificate"):
        await coordinator.join(victim.request, relay)
    own = coordinator.challenge(relay).nonce
    with pytest.raises(NotAttested, match="report-data"):
        await coordinator.join(replace(victim.request, nonce=own), relay)


async def test_evidence_made_for_another_coordinator_is_refused(
    world: World, coordinator: Coordinator, clock: Clock
) -> None:
    """A marble that was lured elsewhere cannot be passed on: its evidence names whose root it saw."""
    lure = await serving(world, clock)
    genuine = coordinator.challenge(world.marble.certificate).nonce
    lured = Joining(world, lure)
    bound = replace(lured.request, nonce=genuine).bound(
        lured.certificate, root_spki(read_root(lure.challenge(lured.certificate).root))
    )
    evidence = world.marble.quote(bound.report_data)
    with pytest.raises(NotAttested, match="report-data"):
        await lured.ask(coordinator, nonce=genuine, evidence=evidence)
    await lure.close()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"evidence": b""}, NotAttested),
        ({"nonce": b""}, NotFresh),
        ({"sealing_key": b"\xff" * SEALING_KEY_BYTES}, RequestInvalid),
        ({"csr": b""}, Refused),
        ({"marble_type": "nobody"}, Refused),
    ],
    ids=["no evidence", "no nonce", "no key", "no request", "no such type"],
)
async def test_what_is_missing_is_refused(
    world: World, coordinator: Coordinator, changed: dict[str, Any], error: type[Refused]
) -> None:
    with pytest.raises(error):
        await Joining(world, coordinator).ask(coordinator, **changed)


async def test_without_a_certificate_there_is_no_challenge(coordinator: Coordinator) -> None:
    with pytest.raises(NoCertificate):
        coordinator.challenge(None)


async def test_before_a_manifest_there_is_no_challenge(world: World, clock: Clock) -> None:
    begun = world.coordinator(MemoryStorage(), clock=clock)
    with pytest.raises(Refused, match="manifest"):
        begun.challenge(world.marble.certificate)
    await begun.close()
