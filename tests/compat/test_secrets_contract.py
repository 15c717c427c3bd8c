"""The rows of the contract about people and secrets (1.5, 1.10 update log, 1.11, 1.14, 8.4), asked with curl."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from tests.compat.test_rest_contract import Answer, curl
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person

KEY = bytes(range(16))


@dataclass
class Deployed:
    """alice writes and reads all that is user-defined, bob reads one, carol has no role, mallory is nobody."""

    running: CoordinatorProcess
    people: dict[str, Person]
    program: Path
    manifest: dict[str, Any]

    def ask(self, who: str | None, path: str, document: Any = None, *options: str) -> Answer:
        body = document if isinstance(document, bytes) else None if document is None else json.dumps(document).encode()
        shown = self.people[who].curl if who is not None else ()
        return curl(self.running.client_address, path, *shown, *options, body=body)

    def activate(self, marble: str) -> tuple[dict[str, bytes], str]:
        join = marble_client.prepare(marble_client.simulated(self.running.folder, Kind.TDX, self.program), marble)
        try:
            return dict(marble_client.send(self.running.mesh_address, join).Parameters.Env), ""
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                raise
            return {}, f"{error.code().name} {error.details()}"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("people")
    program = folder / "program.py"
    program.write_text("print('the agreed program')\n")
    kinds = {"alice": "ec", "bob": "rsa", "carol": "ed25519", "mallory": "ec"}
    people = {name: person(folder, name, kind=kind, expired=name == "bob") for name, kind in kinds.items()}
    user_defined = {"UserDefined": True}
    manifest = {
        "Packages": {"tdx": {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}}},
        "Marbles": {
            "reader": {
                "Package": "tdx",
                "Parameters": {
                    "Env": {
                        "KEY": "{{ hex .Secrets.key }}",
                        "PASSWORD": "{{ string .Secrets.password }}",
                        "SITE": "{{ pem .Secrets.site.Cert }}",
                    }
                },
            },
            "other": {"Package": "tdx"},
        },
        "Secrets": {
            "key": {"Type": "symmetric-key", "Size": 128, **user_defined},
            "password": {"Type": "plain", **user_defined},
            "site": {"Type": "cert-ecdsa", "Size": 256, **user_defined},
            "unread": {"Type": "plain", **user_defined},
            "shared": {"Type": "symmetric-key", "Size": 256, "Shared": True},
            "web": {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "ValidFor": 7},
        },
        "Users": {
            "alice": people["alice"].entry("writer", "auditor"),
            "bob": people["bob"].entry("clerk"),
            "carol": people["carol"].entry(),
        },
        "Roles": {
            "writer": {
                "ResourceType": "Secrets",
                "ResourceNames": ["key", "password", "site", "unread"],
                "Actions": ["ReadSecret", "writesecret"],
            },
            "auditor": {"ResourceType": "Secrets", "ResourceNames": ["shared", "web"], "Actions": ["ReadSecret"]},
            "clerk": {"ResourceType": "Secrets", "ResourceNames": ["password"], "Actions": ["ReadSecret"]},
        },
    }
    running = start(folder / "dev")
    answer = curl(running.client_address, "/manifest", body=json.dumps(manifest).encode())
    assert 200 == answer.status, answer.body
    yield Deployed(running, people, program, manifest)
    running.kill()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_1_11_a_secret_that_nobody_has_set_has_the_contracts_keys_and_nulls(deployed: Deployed) -> None:
    v1, v2 = deployed.ask("alice", "/secrets?s=unread"), deployed.ask("alice", "/api/v2/secrets?s=unread")
    wanted = {
        "Type": "plain",
        "Size": 0,
        "Shared": False,
        "UserDefined": True,
        "Cert": None,
        "ValidFor": 0,
        "Private": None,
        "Public": None,
    }
    assert (200, {"unread": wanted}) == (v1.status, v1.json()["data"])
    assert (200, {"secrets": {"unread": wanted}}) == (v2.status, v2.json()["data"])
    assert list(wanted) == list(v1.json()["data"]["unread"])


def test_1_11_a_marble_starts_once_its_user_defined_secrets_are_set(deployed: Deployed) -> None:
    _, refusal = deployed.activate("reader")
    assert refusal.startswith("INTERNAL A209"), refusal
    assert "not set yet: key, password, site" in refusal
    password = "correct horse & <battery>"
    site = deployed.people["carol"]
    given = {
        "key": {"Key": b64(KEY)},
        "password": {"Key": b64(password.encode())},
        "site": {"Cert": b64(site.der), "Private": b64(b"kept as sent")},
    }
    answer = deployed.ask("alice", "/api/v2/secrets", {"secrets": given})
    assert (200, b'{"status":"success","data":null}\n') == (answer.status, answer.body)
    env, refusal = deployed.activate("reader")
    assert (KEY.hex(), password, site.pem) == (env["KEY"].decode(), env["PASSWORD"].decode(), env["SITE"].decode())

    read = deployed.ask("alice", "/secrets?s=key&s=password&s=site").json()["data"]
    assert b64(KEY) == read["key"]["Private"] == read["key"]["Public"]
    assert b64(password.encode()) == read["password"]["Private"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(read["site"]["Cert"]))
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (b64(public), b64(b"kept as sent")) == (read["site"]["Public"], read["site"]["Private"])

    entries = [json.loads(line) for line in deployed.ask(None, "/update").json()["data"].splitlines()]
    assert "initial manifest set" == entries[0]["update"]
    written = [(e["user"], e["secret"], e["type"]) for e in entries if e["update"] == "secret set"]
    assert [("alice", "key", "symmetric-key"), ("alice", "password", "plain"), ("alice", "site", "cert-ecdsa")] == (
        written[:3]
    )
    assert deployed.ask(None, "/update").json()["data"].endswith("}\n")
    v2 = deployed.ask(None, "/api/v2/update").json()["data"]["updateLog"]
    assert entries == [json.loads(entry) for entry in v2]
    assert ["time", "update", "user", "secret", "type"] == list(entries[1])
    assert not any(text in deployed.running.log for text in (password, b64(password.encode()), KEY.hex(), b64(KEY)))


def test_1_11_generated_shared_secrets_are_read_by_who_may(deployed: Deployed) -> None:
    read = deployed.ask("alice", "/api/v2/secrets?s=shared&s=web").json()["data"]["secrets"]
    assert 32 == len(base64.b64decode(read["shared"]["Private"]))
    assert read["shared"]["Private"] == read["shared"]["Public"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(read["web"]["Cert"]))
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (7, b64(public)) == (read["web"]["ValidFor"], read["web"]["Public"])


def test_1_14_rsa_ed25519_and_an_expired_certificate_are_users(deployed: Deployed) -> None:
    assert 200 == deployed.ask("bob", "/secrets?s=password").status
    assert 400 == deployed.ask("carol", "/secrets?s=password").status, "a user without a role is known, and may nothing"


@pytest.mark.parametrize("who", [None, "mallory"])
@pytest.mark.parametrize("body", [None, {}, b"no json"])
def test_1_5_no_or_an_unknown_certificate_is_401_before_the_body_is_looked_at(
    deployed: Deployed, who: str | None, body: Any
) -> None:
    v1, v2 = deployed.ask(who, "/secrets?s=key", body), deployed.ask(who, "/api/v2/secrets?s=key", body)
    assert (401, "error") == (v1.status, v1.json()["status"])
    assert (401, "fail", "application/json") == (v2.status, v2.json()["status"], v2.headers["content-type"])


def test_1_14_certificates_behind_the_leaf_never_count(deployed: Deployed, tmp_path: Path) -> None:
    mallory, alice = deployed.people["mallory"], deployed.people["alice"]
    chain = tmp_path / "chain.pem"
    chain.write_text(mallory.pem + alice.pem)
    stolen = deployed.ask(None, "/secrets?s=key", None, "--cert", str(chain), "--key", str(mallory.key))
    assert 401 == stolen.status
    chain.write_text(alice.pem + mallory.pem)
    own = deployed.ask(None, "/secrets?s=key", None, "--cert", str(chain), "--key", str(alice.key))
    assert 200 == own.status


@pytest.mark.parametrize("query", ["", "?s=", "?s=key&s=", "?x=key"])
def test_1_11_a_query_without_names_or_with_an_empty_one_is_400(deployed: Deployed, query: str) -> None:
    v1, v2 = deployed.ask("alice", f"/secrets{query}"), deployed.ask("alice", f"/api/v2/secrets{query}")
    assert (400, "error", 400, "fail") == (v1.status, v1.json()["status"], v2.status, v2.json()["status"])


@pytest.mark.parametrize("name", ["key", "shared", "absent"])
def test_1_11_what_one_may_not_read_refuses_all_and_the_undefined_is_not_told_apart(
    deployed: Deployed, name: str
) -> None:
    v1 = deployed.ask("bob", f"/secrets?s=password&s={name}")
    v2 = deployed.ask("bob", f"/api/v2/secrets?s=password&s={name}")
    assert (400, 500, "error") == (v1.status, v2.status, v2.json()["status"])
    assert f"U521 user 'bob' has no permission ReadSecret for '{name}'" in v1.json()["message"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'"x"', b'{"key": 5}', b'{"key": {"Key": "!"}}'])
def test_1_5_a_body_of_another_shape_is_400(deployed: Deployed, body: bytes) -> None:
    v1 = deployed.ask("alice", "/secrets", body)
    wrapped = body if body in (b"", b"nonsense", b"[]", b'"x"') else b'{"secrets": ' + body + b"}"
    v2 = deployed.ask("alice", "/api/v2/secrets", wrapped)
    assert (400, "error", 400, "fail") == (v1.status, v1.json()["status"], v2.status, v2.json()["status"])


REFUSED = {
    "no secret": ({}, "at least one secret"),
    "too short": ({"key": {"Key": b64(KEY[:15])}}, "expected a Key of 16 bytes"),
    "too long": ({"key": {"Key": b64(KEY + b"x")}}, "expected a Key of 16 bytes"),
    "a Key for a certificate": ({"site": {"Key": b64(KEY)}}, "expected Cert"),
    "a Cert for a key": ({"key": {"Cert": b64(KEY)}}, "expected Key"),
    "a Private for a plain": ({"password": {"Key": "eA==", "Private": "eA=="}}, "expected Key"),
    "no certificate": ({"site": {"Private": b64(KEY)}}, "expected Cert"),
    "no DER": ({"site": {"Cert": b64(b"-----BEGIN CERTIFICATE-----")}}, "no X.509 certificate in DER"),
    "a NUL in a variable": ({"password": {"Key": b64(b"a\0b")}}, "templates cannot use the new values"),
    "a generated one": ({"shared": {"Key": b64(bytes(32))}}, "no permission WriteSecret for 'shared'"),
    "an undefined one": ({"absent": {"Key": b64(KEY)}}, "no permission WriteSecret for 'absent'"),
    "one good, one bad": ({"unread": {"Key": "eA=="}, "key": {"Key": ""}}, "expected a Key of 16 bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_1_11_a_value_that_does_not_fit_is_refused_and_nothing_of_the_request_is_kept(
    deployed: Deployed, case: str
) -> None:
    given, reason = REFUSED[case]
    before = deployed.ask("alice", "/secrets?s=key&s=password&s=site&s=unread").body
    log = deployed.ask(None, "/update").body
    v1, v2 = deployed.ask("alice", "/secrets", given), deployed.ask("alice", "/api/v2/secrets", {"secrets": given})
    assert (400, "error", 500, "error") == (v1.status, v1.json()["status"], v2.status, v2.json()["status"])
    assert reason in v1.json()["message"]
    assert v1.json()["message"] == v2.json()["message"]
    assert before == deployed.ask("alice", "/secrets?s=key&s=password&s=site&s=unread").body
    assert log == deployed.ask(None, "/update").body


def test_1_11_who_may_only_read_may_not_write(deployed: Deployed) -> None:
    answer = deployed.ask("bob", "/api/v2/secrets", {"secrets": {"password": {"Key": "eA=="}}})
    assert (500, True) == (answer.status, "no permission WriteSecret for 'password'" in answer.json()["message"])


def test_10_1_bodies_are_read_as_go_reads_them(deployed: Deployed) -> None:
    body = b'{"unread": {"KEY": [104, 105], "extra": 1}} trailing'
    assert 200 == deployed.ask("alice", "/secrets", body).status
    assert b64(b"hi") == deployed.ask("alice", "/secrets?s=unread").json()["data"]["unread"]["Private"]
    body = b'{"SECRETS": {"unread": {"Key": "aG\\r\\nk="}}}'
    assert 200 == deployed.ask("alice", "/api/v2/secrets", body).status
    assert b64(b"hi") == deployed.ask("alice", "/secrets?s=unread").json()["data"]["unread"]["Private"]


def test_1_11_a_plain_secret_without_key_is_unset(deployed: Deployed) -> None:
    assert 200 == deployed.ask("alice", "/secrets", {"unread": {"Key": "eA=="}}).status
    assert 200 == deployed.ask("alice", "/secrets", {"unread": {}}).status
    assert deployed.ask("alice", "/secrets?s=unread").json()["data"]["unread"]["Private"] is None


def test_before_a_manifest_people_are_told_the_state(fresh_coordinator: CoordinatorProcess, tmp_path: Path) -> None:
    somebody, address = person(tmp_path, "somebody"), fresh_coordinator.client_address
    given = {"s": {"Key": "eA=="}}
    answers = [
        curl(address, "/secrets?s=x", *somebody.curl),
        curl(address, "/secrets", *somebody.curl, body=json.dumps(given).encode()),
        curl(address, "/update"),
        curl(address, "/api/v2/secrets?s=x", *somebody.curl),
        curl(address, "/api/v2/secrets", *somebody.curl, body=json.dumps({"secrets": given}).encode()),
        curl(address, "/api/v2/update"),
    ]
    assert [400, 400, 500, 500, 500, 500] == [answer.status for answer in answers]
    assert all("server is not in expected state" in answer.json()["message"] for answer in answers)
