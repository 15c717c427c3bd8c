"""A deployment that people update: a real coordinator, three who may update its manifest, one who raises versions."""

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from attestation.evidence import with_open_enclave_header
from attestation.kinds import Kind
from attestation.simulation.issue import Enclave, QuotingEnclave
from attestation.simulation.measure import SIMULATED_SIGNER, measure_program
from attestation.simulation.vendor import load
from tests.compat.test_rest_contract import Answer, curl
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person

SIGNED = {"SignerID": SIMULATED_SIGNER.hex(), "ProductID": 7, "SecurityVersion": 2}


def document_for(program: Path, people: dict[str, Person], **config: Any) -> dict[str, Any]:
    """A manifest as data; `with_changes` makes others of it.  config: over UpdateThreshold 2."""
    each = {"own": "{{ hex .Secrets.own }}", "previous": "{{ hex .Previous.Secrets.own }}"}
    env = {
        "KEY": "{{ hex .Secrets.key }}",
        "KEY_BEFORE": "{{ hex .Previous.Secrets.key }}",
        "OWN": each["own"],
        "OWN_BEFORE": each["previous"],
        "WEB": "{{ pem .Secrets.web.Private }}",
        "WEB_BEFORE": "{{ pem .Previous.Secrets.web.Private }}",
        "PASSWORD": "{{ string .Secrets.password }}",
    }
    return {
        "Packages": {"tdx": {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}}, "sgx": SIGNED},
        "Marbles": {
            "full": {"Package": "tdx", "MaxActivations": 50, "Parameters": {"Env": env}},
            "enclave": {"Package": "sgx"},
        },
        "Secrets": {
            "key": {"Type": "symmetric-key", "Size": 128, "Shared": True},
            "own": {"Type": "symmetric-key", "Size": 128},
            "web": {"Type": "cert-ecdsa", "Size": 256, "Shared": True},
            "password": {"Type": "plain", "UserDefined": True},
        },
        "Users": {
            "alice": people["alice"].entry("updater", "writer"),
            "bob": people["bob"].entry("updater"),
            "carol": people["carol"].entry("updater"),
            "dave": people["dave"].entry("raiser"),
            "eve": people["eve"].entry(),
        },
        "Roles": {
            "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "raiser": {"ResourceType": "Packages", "ResourceNames": ["sgx"], "Actions": ["UpdateSecurityVersion"]},
            "writer": {"ResourceType": "Secrets", "ResourceNames": ["password"], "Actions": ["WriteSecret"]},
        },
        "Config": {"UpdateThreshold": 2} | config,
    }


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def changed(document: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A copy with one change."""
    other = copy.deepcopy(document)
    change(other)
    return other


def v2(raw: bytes, *signatures: dict[str, str]) -> bytes:
    """The body of a v2 request."""
    more = {"signatures": list(signatures)} if signatures else {}
    return json.dumps({"manifest": base64.b64encode(raw).decode()} | more).encode()


@dataclass
class Updatable:
    running: CoordinatorProcess
    people: dict[str, Person]
    program: Path
    first: dict[str, Any]
    options: tuple[str, ...] = field(default=())

    def ask(self, who: str | None, path: str, body: bytes | None = None, *options: str) -> Answer:
        shown = self.people[who].curl if who is not None else ()
        return curl(self.running.client_address, path, *shown, *options, body=body)

    def data(self, path: str) -> Any:
        answer = self.ask(None, path)
        assert 200 == answer.status, answer.body
        return answer.json()["data"]

    def update(self, who: str, document: dict[str, Any]) -> Answer:
        return self.ask(who, "/api/v2/update", v2(encoded(document)))

    def approve(self, who: str, document: dict[str, Any]) -> Answer:
        return self.ask(who, "/api/v2/update-manifest", v2(encoded(document)))

    def pass_update(self, document: dict[str, Any]) -> None:
        """Proposed by alice, approved by bob."""
        proposed = self.update("alice", document)
        assert (200, 1) == (proposed.status, proposed.json()["data"]["missingAcknowledgments"]), proposed.body
        approved = self.approve("bob", document)
        assert (200, 0) == (approved.status, approved.json()["data"]["missingAcknowledgments"]), approved.body

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(entry) for entry in self.data("/api/v2/update")["updateLog"]]

    def join(self, marble: str = "full") -> marble_client.Join:
        """A fresh marble with evidence of the agreed program."""
        return marble_client.prepare(marble_client.simulated(self.running.folder, Kind.TDX, self.program), marble)

    def activate(self, marble: str = "full") -> dict[str, bytes]:
        return dict(marble_client.send(self.running.mesh_address, self.join(marble)).Parameters.Env)

    def enclave(self, svn: int) -> str:
        """The gRPC status of an SGX marble with this security version."""
        vendor = load(self.running.folder / "simulation")
        enclave = Enclave(bytes(32), SIMULATED_SIGNER, product_id=7, svn=svn)

        def quote(report_data: bytes) -> bytes:
            evidence = QuotingEnclave(vendor.machine, Kind.SGX).quote_enclave(enclave, report_data)
            return with_open_enclave_header(evidence.raw)

        try:
            marble_client.send(self.running.mesh_address, marble_client.prepare(quote, "enclave"))
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                raise
            return error.code().name
        return "OK"

    def restart(self) -> None:
        self.running.kill()
        self.running = start(self.running.folder, *self.options)


def deploy(folder: Path, *options: str, **config: Any) -> Updatable:
    """A coordinator with the manifest set, and its user-defined secret."""
    program = folder / "program.py"
    program.write_text("print('the agreed program')\n")
    people = {name: person(folder, name) for name in ("alice", "bob", "carol", "dave", "eve", "mallory")}
    running = start(folder / "dev", *options)
    deployed = Updatable(running, people, program, document_for(program, people, **config), options)
    answer = deployed.ask(None, "/manifest", encoded(deployed.first))
    assert 200 == answer.status, answer.body
    password = json.dumps({"password": {"Key": base64.b64encode(b"hunter2").decode()}}).encode()
    assert 200 == deployed.ask("alice", "/secrets", password).status
    return deployed
