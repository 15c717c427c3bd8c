"""Joins with a nonce over real sockets: our marble's way in, MarbleRun's where the manifest lets it, and the log."""

import json
from collections.abc import Callable
from pathlib import Path, PurePath
from uuid import UUID

import grpc
import pytest

from attestation.issue import find_issuer
from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from marble import rpc
from marble.activate import activate, load_expectation
from marble.errors import ActivationRefused
from marble.identity import make_identity
from marble.join_protocol import CHALLENGE, JOIN, JoinRequest, decode_challenge, encode_join
from marble.sealing import SealingKey
from marble.settings import Address, CoordinatorTrust, Settings
from marble.trust import read_root, root_spki
from marble.waiting import World
from tests.faults.clients import ask
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess

Begin = Callable[..., CoordinatorProcess]


def serving(begin: Begin, folder: Path, program: Path) -> CoordinatorProcess:
    running = begin(folder)
    marbles = {
        "fresh": {"Package": "p", "RequireFreshEvidence": True, "Parameters": {"Env": {"HELLO": "world"}}},
        "any": {"Package": "p"},
    }
    package = {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}}
    assert 200 == ask(running.client_address, "/manifest", _manifest(package, marbles))[0]
    return running


def _manifest(package: object, marbles: object) -> bytes:
    return json.dumps({"Packages": {"p": package}, "Marbles": marbles}).encode()


def settings(running: CoordinatorProcess, marble_type: str) -> Settings:
    host, port = running.mesh_address.rsplit(":", 1)
    return Settings(Address(host, int(port)), marble_type, ("localhost",), (), PurePath("uuid"), None, 20.0, False)


async def test_our_marble_joins_with_a_nonce_and_marbleruns_where_it_may(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    running = serving(begin, tmp_path / "dev", program)
    issuer = find_issuer({"ENCLASP_SIMULATION": str(running.folder / "simulation")}, [str(program)])
    expected = load_expectation(CoordinatorTrust(running.reference, running.trust, running.collateral))
    uuid = UUID(marble_client.UUID)
    for marble_type in ("fresh", "any"):
        given = await activate(settings(running, marble_type), uuid, issuer, expected, World())
        assert (b"world" if marble_type == "fresh" else None) == given.parameters.env.get("HELLO")

    quote = marble_client.simulated(running.folder, Kind.TDX, program)
    marble_client.send(running.mesh_address, marble_client.prepare(quote, "any"))
    with pytest.raises(grpc.RpcError) as refused:
        marble_client.send(running.mesh_address, marble_client.prepare(quote, "fresh"))
    assert grpc.StatusCode.PERMISSION_DENIED is refused.value.code()
    assert "A225 fresh evidence is required" in str(refused.value.details())

    said = [json.loads(line) for line in running.log.splitlines() if '"marble activated"' in line]
    assert [("fresh", "native, nonce"), ("any", "native, nonce"), ("any", "compatible, no nonce")] == [
        (line["marble"], line["join"]) for line in said
    ]


async def test_another_program_is_refused_with_the_class_of_the_reason(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    running = serving(begin, tmp_path / "dev", program)
    other = tmp_path / "other.py"
    other.write_text("print('another program')\n")
    issuer = find_issuer({"ENCLASP_SIMULATION": str(running.folder / "simulation")}, [str(other)])
    with pytest.raises(ActivationRefused, match="A204 evidence does not match the manifest"):
        await activate(settings(running, "fresh"), UUID(marble_client.UUID), issuer, None, World())


async def test_a_relay_with_a_connection_of_its_own_is_refused(tmp_path: Path, program: Path, begin: Begin) -> None:
    """It shows the marble's request, made over a connection that it let through, on its own connection."""
    running = serving(begin, tmp_path / "dev", program)
    quote = marble_client.simulated(running.folder, Kind.TDX, program)
    world, address = World(), settings(running, "fresh").coordinator
    victim, relay = (make_identity(("localhost",), (), now=world.now()) for _ in range(2))
    async with rpc.connect(address, victim.certificate_pem, victim.key_pem) as channel:
        challenge = decode_challenge(await channel.call(CHALLENGE, b""))
    key = SealingKey.generate().public
    asked = JoinRequest(challenge.nonce, b"", victim.csr_der, key, "fresh", marble_client.UUID)
    bound = asked.bound(victim.certificate_der, root_spki(read_root(challenge.root)))
    raw = encode_join(JoinRequest(challenge.nonce, quote(bound.report_data), victim.csr_der, key, "fresh", asked.uuid))
    async with rpc.connect(address, relay.certificate_pem, relay.key_pem) as channel:
        with pytest.raises(rpc.RpcFailed, match="A224"):
            await channel.call(JOIN, raw)
    async with rpc.connect(address, victim.certificate_pem, victim.key_pem) as channel:
        assert await channel.call(JOIN, raw)
