"""A coordinator with other init-data is another program: for its replicas, and for the state that it finds."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from attestation.init_data import make_init_data
from attestation.kinds import Kind
from attestation.simulation.device import SimulatedIssuer
from coordinator.decisions.errors import ConfigurationNotAccepted, ProgramNotAccepted, SelfNotAccepted
from coordinator.journal.handover import open_sealed
from coordinator.recovery.gathering import Submission
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from coordinator.successor import step_of
from tests.support.owners import owner
from tests.support.replica_house import MANIFEST, House, request

A, B = (make_init_data({"enclasp-coordinator.toml": text}).digest(48) for text in ("", "compatible = true\n"))
NOTHING = bytes(48)


def machine(house: House, told: bytes, simulation: str = "simulation") -> SimulatedIssuer:
    house.issuer()
    program = [str(house.folder / "coordinator.py")]
    return SimulatedIssuer(house.folder / simulation, Kind.TDX, program, told)


def manifest(house: House, *accepted: bytes) -> bytes:
    """Accepts the program with these, and with nothing else."""
    program = house.package("coordinator").removesuffix("}}")
    packages = "".join(f'  c{n}: {program}, MRConfigID: "{told.hex()}"}}}}\n' for n, told in enumerate(accepted))
    names = ", ".join(f"c{n}" for n in range(len(accepted)))
    more = f"Config: {{Coordinators: [{names}]}}\n" if accepted else ""
    return MANIFEST.replace(b"Marbles:", packages.encode() + b"Marbles:") + more.encode()


async def served(house: House, told: bytes, document: bytes) -> None:
    coordinator = Coordinator(house.environment(machine(house, told)))
    await coordinator.set_manifest(document)
    await coordinator.close()


async def goes_on(house: House, told: bytes, simulation: str = "simulation") -> None:
    coordinator = Coordinator(house.environment(machine(house, told, simulation)))
    assert Phase.ACCEPTING_MARBLES is coordinator.phase
    await coordinator.close()


@pytest.mark.parametrize("other", [B, NOTHING], ids=["another", "none"])
async def test_a_state_that_was_served_under_one_configuration_is_not_served_under_another(
    house: House, other: bytes
) -> None:
    await served(house, A, manifest(house))
    with pytest.raises(ConfigurationNotAccepted) as refused:
        Coordinator(house.environment(machine(house, other)))
    said = str(refused.value)
    assert f"was told {A.hex()} at launch" in said
    assert ("MRConfigID" in said, B.hex() in said) == (any(other), any(other))
    await goes_on(house, A)


async def test_what_was_not_measured_before_may_be_from_now_on_and_stays_so(house: House) -> None:
    await served(house, NOTHING, manifest(house))
    await goes_on(house, A)
    with pytest.raises(ConfigurationNotAccepted):
        Coordinator(house.environment(machine(house, NOTHING)))


async def test_a_manifest_may_accept_another_configuration(house: House) -> None:
    await served(house, A, manifest(house, A, B))
    for told in (B, A):
        await goes_on(house, told)
    with pytest.raises(SelfNotAccepted):
        Coordinator(house.environment(machine(house, NOTHING)))


async def test_owners_may_recover_a_state_under_another_configuration_that_counts_from_then_on(house: House) -> None:
    """On a machine whose own key does not open it; they have verified what it was told."""
    ada = owner(house.folder, "ada", kind="ec")
    document = manifest(house) + f"RecoveryKeys: {{ada: {json.dumps(ada.pem)}}}\n".encode()
    coordinator = Coordinator(house.environment(machine(house, A)))
    envelope = (await coordinator.set_manifest(document))["ada"]
    await coordinator.close()
    elsewhere = house.another_machine()
    recovered = Coordinator(house.environment(machine(house, B, elsewhere)))
    assert Phase.RECOVERY is recovered.phase
    share = ada.opener.open(envelope)
    assert 0 == await recovered.recovery.submit(Submission(share, ada.opener.prove(share, share), None))
    assert Phase.ACCEPTING_MARBLES is recovered.phase
    await recovered.close()
    await goes_on(house, B, elsewhere)
    with pytest.raises(ConfigurationNotAccepted):
        Coordinator(house.environment(machine(house, A, elsewhere)))


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_replica_gets_the_key_with_the_same_init_data_or_where_the_manifest_accepts_its_own(
    house: House, accepted: bool
) -> None:
    elsewhere = house.another_machine()
    coordinator = Coordinator(house.environment(machine(house, A)))
    await coordinator.set_manifest(manifest(house, *((A, B) if accepted else ())))
    for told, given in ((A, True), (B, accepted), (NOTHING, False)):
        key = X25519PrivateKey.generate()
        asked = request(coordinator, machine(house, told, elsewhere), coordinator.replicas.challenge(), key)
        if given:
            answer = await coordinator.replicas.hand_over(asked)
            assert open_sealed(key, answer.sealed, step_of(coordinator.authority.root)).data_key
        else:
            with pytest.raises(ProgramNotAccepted) as refused:
                await coordinator.replicas.hand_over(asked)
            assert told == NOTHING or f'MRConfigID: "{told.hex()}"' in str(refused.value)
    await coordinator.close()
