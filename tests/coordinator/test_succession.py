"""A coordinator of another version: what the manifest accepts gets the state and goes on with it, nothing else does."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from attestation.certificate import evidence_of
from attestation.kinds import Kind
from attestation.simulation.device import SimulatedIssuer
from attestation.simulation.measure import measure_program
from attestation.tdx.claims import TdxReferenceValues
from coordinator.client.verify import Expectation, verify_root
from coordinator.decisions.errors import AnotherState, ProgramNotAccepted, SelfNotAccepted
from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve_on
from coordinator.journal.handover import Held, open_sealed
from coordinator.journal.journal import Journal
from coordinator.journal.keyring import keyring_of
from coordinator.journal.restoration import RESTORED, Restoration, encode_restoration
from coordinator.journal.since import SINCE_BYTES
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sources import Sources, name_of_machine
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Opened, Vault
from coordinator.limits import RestLimits
from coordinator.machine import Machine
from coordinator.observe import Observer
from coordinator.recovery.approval import approval_statement
from coordinator.rest import app
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from coordinator.successor import Successor, step_of
from tests.support.owners import owner
from tests.support.replica_house import House, draw, leader, request


def reference(house: House, program: str) -> TdxReferenceValues:
    return TdxReferenceValues(mrtd=measure_program([str(house.folder / f"{program}.py")]).mrtd)


def shows(house: House, coordinator: Coordinator, program: str) -> bool:
    """Whether the root certificate's evidence is that program's, to a verifier who knows only this one."""
    expectation = Expectation(house.verifier(), (reference(house, program),))
    return verify_root(coordinator.authority.root, expectation, now=house.now).manifest_digest != b""


async def handed(house: House, coordinator: Coordinator, issuer: SimulatedIssuer) -> Held:
    key = X25519PrivateKey.generate()
    asked = request(coordinator, issuer, coordinator.replicas.challenge(), key)
    answer = await coordinator.replicas.hand_over(asked)
    return open_sealed(key, answer.sealed, step_of(coordinator.authority.root))


async def test_an_accepted_version_gets_the_key_and_serves_the_same_root_key_with_evidence_of_its_own(
    house: House,
) -> None:
    new = house.issuer("new", machine=house.another_machine())
    async with leader(house, house.manifest("coordinator", "new")) as coordinator:
        held = await handed(house, coordinator, new)
        before = coordinator.authority.root
        assert shows(house, coordinator, "coordinator")
    successor = Coordinator(house.environment(new, held))
    assert Phase.ACCEPTING_MARBLES is successor.phase
    after = successor.authority.root
    assert (before.public_key(), before.subject) == (after.public_key(), after.subject)
    after.verify_directly_issued_by(before)
    assert shows(house, successor, "new")
    await successor.close()
    again = Coordinator(house.environment(new))
    assert again.authority.root == after, "its own machine has a copy, and nothing is issued anew for the same program"
    await again.close()


async def test_an_unknown_version_is_refused_with_the_package_that_would_accept_it(house: House) -> None:
    third = house.issuer("third", machine=house.another_machine())
    async with leader(house, house.manifest("coordinator", "new")) as coordinator:
        with pytest.raises(ProgramNotAccepted) as refused:
            await handed(house, coordinator, third)
    assert f"add a package with {house.package('third')}" in str(refused.value)
    assert "Config.Coordinators" in str(refused.value)


async def test_a_version_that_opens_the_state_by_its_machine_goes_on_only_if_the_manifest_accepts_it(
    house: House,
) -> None:
    async with leader(house, house.manifest("coordinator", "new")):
        pass
    with pytest.raises(SelfNotAccepted) as refused:
        Coordinator(house.environment(house.issuer("third")))
    assert house.package("third") in str(refused.value)
    for program in ("new", "coordinator", "new"):
        accepted = Coordinator(house.environment(house.issuer(program)))
        assert Phase.ACCEPTING_MARBLES is accepted.phase
        assert shows(house, accepted, program)
        await accepted.close()


async def test_where_the_manifest_names_none_the_sealing_key_alone_decides_as_ever(house: House) -> None:
    async with leader(house):
        pass
    third = Coordinator(house.environment(house.issuer("third")))
    assert Phase.ACCEPTING_MARBLES is third.phase
    assert shows(house, third, "third")
    await third.close()


async def test_a_restored_state_that_its_owner_approved_is_still_served_by_an_accepted_program_only(
    house: House,
) -> None:
    ada = owner(house.folder, "ada", kind="ec")
    async with leader(
        house, house.manifest("coordinator", "new", more=f"RecoveryKeys: {{ada: {json.dumps(ada.pem)}}}\n")
    ):
        pass
    storage = SqliteStorage(house.folder / "state")
    storage.put_meta({RESTORED: encode_restoration(Restoration("the disk broke", 1, 1))})
    storage.close()
    for program, accepted in (("third", False), ("new", True)):
        coordinator = Coordinator(house.environment(house.issuer(program)))
        standing = coordinator.recovery.standing()
        assert Phase.RECOVERY is coordinator.phase
        assert standing.waiting is not None
        word = ada.opener.prove(approval_statement(standing.waiting, standing.doubt, standing.nonce), b"")
        if accepted:
            assert 0 == await coordinator.recovery.approve("ada", standing.waiting, word)
            assert Phase.ACCEPTING_MARBLES is coordinator.phase
            assert shows(house, coordinator, program)
        else:
            with pytest.raises(SelfNotAccepted):
                await coordinator.recovery.approve("ada", standing.waiting, word)
            assert Phase.RECOVERY is coordinator.phase
        await coordinator.close()


# A giver who lies: it has the key, and could write any state with it


async def bodies_of_another_deployment(house: House, folder: Path) -> Sequence[bytes]:
    """The journal of a deployment whose root key the attacker knows, under a manifest that does not name the giver."""
    elsewhere = House(folder, house.now)
    (folder / "simulation").symlink_to(house.folder / "simulation")
    async with leader(elsewhere, house.manifest("new"), "giver"):
        pass
    giver = house.issuer("giver")
    source, machine = KeyOfEnvironment(giver, draw), name_of_machine(giver)
    found = Vault(SqliteStorage(folder / "state"), (source,), draw, machine=machine).open()
    assert isinstance(found, Opened)
    await found.journal.close()
    return found.bodies


async def test_a_key_that_was_handed_over_opens_no_state_but_one_that_goes_on_from_there(
    house: House, tmp_path: Path
) -> None:
    new = house.issuer("new", machine=house.another_machine())
    async with leader(house, house.manifest("giver", "new"), "giver") as coordinator:
        held = await handed(house, coordinator, new)
    (tmp_path / "elsewhere").mkdir()
    forged = await bodies_of_another_deployment(house, tmp_path / "elsewhere")
    ours = Sources((KeyOfEnvironment(new, draw),), name_of_machine(new))
    copies = ours.wrap(held, "ProductKey", ["cce"])
    (tmp_path / "state").rename(tmp_path / "honest")

    storage = SqliteStorage(tmp_path / "state")
    journal = Journal.create(
        storage, held.data_key, forged, journal_id=held.journal_id, wrapped_keys={}, notes={}, entropy=draw
    )
    await journal.close()
    with pytest.raises(AnotherState, match="got a history of 1 that does not"):
        Coordinator(house.environment(new, held))
    twin = Coordinator(house.environment(new, replace(held, since=None)))
    assert Phase.ACCEPTING_MARBLES is twin.phase, "the condition alone refuses it"
    await twin.close()

    storage = SqliteStorage(tmp_path / "state")
    storage.put_meta({f"key/{slot}": wrapped for slot, wrapped in copies.items()})
    storage.close()
    with pytest.raises(AnotherState):
        Coordinator(house.environment(new))

    (tmp_path / "state").rename(tmp_path / "forged")
    (tmp_path / "honest").rename(tmp_path / "state")
    honest = Coordinator(house.environment(new, held))
    assert Phase.ACCEPTING_MARBLES is honest.phase
    await honest.close()


async def test_the_condition_of_a_kept_key_cannot_be_dropped_or_changed(house: House) -> None:
    async with leader(house) as coordinator:
        held = await handed(house, coordinator, house.issuer())
    source = KeyOfEnvironment(house.issuer(), draw)
    sources = Sources((source,), "")
    ((slot, wrapped),) = sources.wrap(held, "ProductKey", ["cce"]).items()
    assert held == sources.unwrap({slot: wrapped}, held.journal_id).held
    for changed in (wrapped[1 + SINCE_BYTES :], wrapped[:4] + b"\x07" + wrapped[5:], wrapped[:1], b""):
        with pytest.raises(Exception, match="journal key"):
            sources.unwrap({slot: changed}, held.journal_id)


# The follower's side, over its leader's front door


@asynccontextmanager
async def front_door(coordinator: Coordinator) -> AsyncIterator[tuple[str, int]]:
    front = await app.open_front_door(coordinator, Observer("test"), RestLimits())
    authority = coordinator.authority
    context = make_context(
        (authority.root,), authority.root_key, client_certificate=ClientCertificate.REQUEST, alpn=("http/1.1",)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = await serve_on(listening, front.connection, lambda: context, limits=TlsLimits())
        yield ("127.0.0.1", listening.getsockname()[1])
        server.close()
    await front.runner.cleanup()


def said(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(record.__dict__) for record in caplog.records)


def follower(house: House, issuer: SimulatedIssuer) -> Successor:
    sources = (KeyOfEnvironment(issuer, draw),)
    machine = Machine(
        issuer,
        house.verifier()._endorsements,
        house.verifier(),
        sources,
        name_of_machine(issuer),
        Observer("test"),
        lambda: house.now,
        draw,
    )
    return Successor(machine)


@pytest.mark.parametrize(
    ("coordinators", "program", "accepted"),
    [
        ((), "coordinator", True),
        (("coordinator", "new"), "new", True),
        ((), "new", False),
        (("new",), "new", False),
        (("coordinator",), "new", False),
    ],
    ids=["the same program", "both are named", "none is named", "the leader is not named", "the follower is not named"],
)
async def test_leader_and_follower_must_accept_each_other(
    house: House,
    coordinators: tuple[str, ...],
    program: str,
    accepted: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    successor = follower(house, house.issuer(program, machine=house.another_machine()))
    async with (
        leader(house, house.manifest(*coordinators)) as coordinator,
        front_door(coordinator) as (host, port),
    ):
        assert accepted is await asyncio.to_thread(successor.learn, host, port)
    assert accepted is (successor.held is not None)
    if not accepted:
        assert house.package(program) in said(caplog), "whoever reads the log knows what to add"
        assert ("R520" if "coordinator" in coordinators else "R521") in caplog.text
    storage = SqliteStorage(house.folder / "state")
    assert accepted is successor.opens(storage.read_meta())
    kept = keyring_of(storage.read_meta()).wrapped_keys
    storage.close()
    assert accepted is any(name.endswith(successor.machine.name) for name in kept)


async def test_a_follower_of_another_kind_of_platform_is_accepted_by_its_own_reference_values(house: House) -> None:
    sgx = house.issuer("new", Kind.SGX, house.another_machine())
    mrenclave = measure_program([str(house.folder / "new.py")]).mrenclave.hex()
    package = f'  next: {{SGX: {{MRENCLAVE: "{mrenclave}"}}}}\n'
    text = house.manifest("coordinator").replace(b"Marbles:", package.encode() + b"Marbles:")
    async with leader(house, text.replace(b"[coordinator]", b"[coordinator, next]")) as coordinator:
        held = await handed(house, coordinator, sgx)
    successor = Coordinator(house.environment(sgx, held))
    evidence = evidence_of(successor.authority.root)
    assert evidence is not None
    assert Kind.SGX is evidence.kind
    await successor.close()
