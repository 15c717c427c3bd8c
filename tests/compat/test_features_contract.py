"""The rows of the contract about sign-quote and monotonic counters (1.5, 1.13), asked with curl."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from tests.compat.test_rest_contract import Answer, curl
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import person

SIGN_QUOTE = "/api/v2/sign-quote"
COUNTER = "/api/v2/monotonic-counter"


@dataclass
class Deployed:
    folder: Path
    program: Path
    running: CoordinatorProcess

    def ask(self, path: str, document: Any, *options: str) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return curl(self.running.client_address, path, *options, body=body)

    def marble(self, name: str, uuid: str = marble_client.UUID, *, kind: str = "counting") -> tuple[str, ...]:
        """Options of curl that show the certificate of a marble that was just activated."""
        join = marble_client.prepare(marble_client.simulated(self.running.folder, Kind.TDX, self.program), kind)
        join.uuid = uuid
        env = marble_client.send(self.running.mesh_address, join).Parameters.Env
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        chain.write_bytes(env["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"])
        key.write_bytes(env["MARBLE_PREDEFINED_PRIVATE_KEY"])
        return ("--cert", str(chain), "--key", str(key))

    def raised(self, who: tuple[str, ...], name: str, value: int) -> int:
        answer = self.ask(COUNTER, {"name": name, "value": value}, *who)
        assert 200 == answer.status, answer.body
        return int(answer.json()["data"]["value"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("features")
    program = folder / "program.py"
    program.write_text("print('the agreed program')\n")
    manifest = {
        "Packages": {"tdx": {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}}},
        "Marbles": {"counting": {"Package": "tdx"}, "other": {"Package": "tdx"}},
        "Config": {"FeatureGates": ["SignQuoteEndpoint", "monotoniccounter"]},
    }
    config = folder / "coordinator.toml"
    config.write_text("snapshot_every = 5\n")
    running = start(folder / "dev", "--config", str(config))
    answer = curl(running.client_address, "/manifest", body=json.dumps(manifest).encode())
    assert 200 == answer.status, answer.body
    deployed = Deployed(folder, program, running)
    yield deployed
    deployed.running.kill()


@pytest.fixture(scope="module")
def sgx_quote(deployed: Deployed) -> bytes:
    """With an Open Enclave header."""
    return marble_client.simulated(deployed.running.folder, Kind.SGX, deployed.program)(bytes(range(64)))


@pytest.mark.parametrize("path", [SIGN_QUOTE, COUNTER])
def test_1_5_a_closed_gate_is_403_before_a_manifest_and_with_one_that_does_not_open_it(
    fresh_coordinator: CoordinatorProcess, path: str
) -> None:
    for _ in range(2):
        answer = curl(fresh_coordinator.client_address, path, body=b"nonsense")
        assert (403, "error") == (answer.status, answer.json()["status"])
        assert "is not enabled" in answer.json()["message"]
        document = {"Packages": {"p": {"UniqueID": "ab" * 32}}, "Marbles": {"m": {"Package": "p"}}}
        curl(fresh_coordinator.client_address, "/manifest", body=json.dumps(document).encode())


@pytest.mark.parametrize("bare", [False, True])
def test_1_13_a_quote_is_verified_and_signed_by_the_root_key(deployed: Deployed, sgx_quote: bytes, bare: bool) -> None:
    quote = sgx_quote[16:] if bare else sgx_quote
    sent = base64.b64encode(quote).decode()
    answer = deployed.ask(SIGN_QUOTE, {"sgxQuote": sent})
    assert 200 == answer.status, answer.body
    data = answer.json()["data"]
    assert ["tcbStatus", "verificationSignature"] == list(data)
    assert "UpToDate" == data["tcbStatus"]
    root = x509.load_pem_x509_certificates(
        curl(deployed.running.client_address, "/quote").json()["data"]["Cert"].encode()
    )
    key = root[1].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature, algorithm = base64.b64decode(data["verificationSignature"]), ec.ECDSA(hashes.SHA256())
    key.verify(signature, (sent + data["tcbStatus"]).encode(), algorithm)
    with pytest.raises(InvalidSignature):
        key.verify(signature, (sent + "Revoked").encode(), algorithm)


def test_1_13_what_cannot_be_verified_is_400_with_the_reason_beside_the_field(
    deployed: Deployed, sgx_quote: bytes
) -> None:
    flipped = sgx_quote[:400] + bytes([sgx_quote[400] ^ 1]) + sgx_quote[401:]
    tdx = marble_client.simulated(deployed.running.folder, Kind.TDX, deployed.program)(bytes(64))
    for body in (
        {"sgxQuote": base64.b64encode(flipped).decode()},
        {"sgxQuote": base64.b64encode(tdx).decode()},
        {"sgxQuote": base64.b64encode(b"short").decode()},
        {"sgxQuote": "%%"},
        {},
        b"nonsense",
    ):
        answer = deployed.ask(SIGN_QUOTE, body)
        assert (400, "fail") == (answer.status, answer.json()["status"]), body
        assert answer.json()["data"]["sgxQuote"]


def test_1_13_a_counter_answers_with_the_value_before_and_never_falls(deployed: Deployed) -> None:
    me = deployed.marble("one")
    assert 0 == deployed.raised(me, "c", 5)
    assert 5 == deployed.raised(me, "c", 3)
    assert 5 == deployed.raised(me, "c", 2**64 - 1)
    assert 2**64 - 1 == deployed.raised(me, "c", 0)
    assert 0 == deployed.raised(me, "", 0), "missing fields and an empty name are a counter, too"
    answer = deployed.ask(COUNTER, {}, *me)
    assert (200, {"value": 0}) == (answer.status, answer.json()["data"])


def test_1_13_a_counter_belongs_to_a_type_a_uuid_and_a_name(deployed: Deployed) -> None:
    uuid = "3f2c1b7e-1111-4222-8333-944455566601"
    me, again = deployed.marble("me", uuid), deployed.marble("again", uuid)
    other_uuid = deployed.marble("uuid", "3f2c1b7e-1111-4222-8333-944455566602")
    other_type = deployed.marble("type", uuid, kind="other")
    assert 0 == deployed.raised(me, "c", 7)
    assert 7 == deployed.raised(again, "c", 7), "the same marble with a new certificate"
    assert [0, 0, 0] == [
        deployed.raised(other_uuid, "c", 1), deployed.raised(other_type, "c", 1), deployed.raised(me, "d", 1)
    ]  # fmt: skip


def test_1_13_counters_survive_a_kill_and_snapshots(deployed: Deployed) -> None:
    me = deployed.marble("long-lived", "3f2c1b7e-1111-4222-8333-944455566603")
    for value in range(1, 10):
        assert value - 1 == deployed.raised(me, "c", value)
    deployed.running.kill()
    deployed.running = start(deployed.running.folder, "--config", str(deployed.folder / "coordinator.toml"))
    assert 9 == deployed.raised(me, "c", 1)


def test_1_13_only_a_marbles_leaf_certificate_counts(deployed: Deployed) -> None:
    me = deployed.marble("leaf")
    stranger = person(deployed.folder, "stranger")
    chained = deployed.folder / "chained.pem"
    chained.write_bytes(stranger.certificate.read_bytes() + Path(me[1]).read_bytes())
    for shown in ((), stranger.curl, ("--cert", str(chained), "--key", str(stranger.key))):
        answer = deployed.ask(COUNTER, {"name": "c", "value": 1}, *shown)
        assert (401, "fail") == (answer.status, answer.json()["status"]), shown
    assert 200 == deployed.ask(COUNTER, {"name": "c", "value": 1}, *me).status


@pytest.mark.parametrize(
    "body", [b"nonsense", b"[]", b'{"value":-1}', b'{"value":18446744073709551616}', b'{"value":1.5}', b'{"name":7}']
)
def test_1_13_a_body_of_another_shape_is_400(deployed: Deployed, body: bytes) -> None:
    answer = deployed.ask(COUNTER, body, *deployed.marble("shape"))
    assert (400, "fail") == (answer.status, answer.json()["status"])


def test_a_name_that_is_too_long_is_refused(deployed: Deployed) -> None:
    me = deployed.marble("name")
    assert 0 == deployed.raised(me, "n" * 1024, 1)
    answer = deployed.ask(COUNTER, {"name": "n" * 1025, "value": 1}, *me)
    assert (500, True) == (answer.status, "A222" in answer.json()["message"])
