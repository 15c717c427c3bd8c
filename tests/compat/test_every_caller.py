"""Every route of the front door for every kind of caller: who is let in is said here once more, and apart."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attestation.kinds import Kind
from attestation.simulation.measure import SIMULATED_SIGNER, measure_program
from coordinator.rest.routes import ROUTES
from tests.compat.test_rest_contract import curl
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import person
from tests.support.updatable import v2

USERS = ("without a role", "updater", "raiser", "writer", "reader", "approver")
STRANGERS = ("nobody", "somebody else", "marble", "marble of another type")
CALLERS = (*STRANGERS, *USERS)
EVERYBODY = "*"
"""The same answer for all who are not named."""


@dataclass(frozen=True)
class Case:
    """What is sent, and the status that each caller gets."""

    statuses: Mapping[str, int]
    body: bytes | None = None
    query: str = ""

    def status(self, caller: str) -> int:
        return self.statuses.get(caller, self.statuses[EVERYBODY])


def only(status: int, others: int, *callers: str) -> dict[str, int]:
    """These users get in, the others are refused, and who is no user is not known."""
    strangers = dict.fromkeys(STRANGERS, 401)
    return {EVERYBODY: others} | strangers | dict.fromkeys(callers, status)


def both(document: Any) -> tuple[bytes, bytes]:
    raw = json.dumps(document).encode()
    return raw, v2(raw)


def sent(document: Any) -> bytes:
    return json.dumps(document).encode()


TO_APPROVE, TO_WITHDRAW = "the id of a request of the reader's", "the id of another one"
"""Stand for ids that only the coordinator knows."""
ASK = {"secrets": ["master"], "reason": "why"}
SECRET = {"password": {"Key": "eA=="}}
RAISE_1, RAISE_2 = both({"Packages": {"sgx": {"SecurityVersion": 2}}})
FULL_1, FULL_2 = both({"Packages": {}, "Marbles": {"m": {}}})
CASES: Mapping[tuple[str, str], tuple[Case, ...]] = {
    ("GET", "/status"): (Case({EVERYBODY: 200}),),
    ("GET", "/quote"): (Case({EVERYBODY: 200}),),
    ("GET", "/manifest"): (Case({EVERYBODY: 200}),),
    ("POST", "/manifest"): (Case({EVERYBODY: 400}, b"{}"),),
    ("GET", "/update"): (Case({EVERYBODY: 200}),),
    ("POST", "/update"): (Case(only(200, 400, "raiser"), RAISE_1), Case(only(400, 400), FULL_1)),
    ("GET", "/update-manifest"): (Case({EVERYBODY: 404}),),
    ("POST", "/update-manifest"): (Case(only(404, 404), FULL_1),),
    ("POST", "/update-cancel"): (Case(only(404, 404), b""),),
    ("GET", "/secrets"): (
        Case(only(200, 400, "reader"), query="?s=password"),
        Case(only(403, 400, "reader"), query="?s=master"),
    ),
    ("POST", "/secrets"): (Case(only(200, 400, "writer"), json.dumps(SECRET).encode()),),
    ("POST", "/recover"): (Case({EVERYBODY: 410}, b"{}"),),
    ("GET", "/readyz"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/status"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/quote"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/configuration"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/manifest"): (Case({EVERYBODY: 200}),),
    ("POST", "/api/v2/manifest"): (Case({EVERYBODY: 500}, v2(b"{}")),),
    ("GET", "/api/v2/update"): (Case({EVERYBODY: 200}),),
    ("POST", "/api/v2/update"): (Case(only(200, 500, "raiser"), RAISE_2), Case(only(500, 500), FULL_2)),
    ("GET", "/api/v2/update-manifest"): (Case({EVERYBODY: 404}),),
    ("POST", "/api/v2/update-manifest"): (Case(only(404, 404), FULL_2),),
    ("POST", "/api/v2/update-cancel"): (Case(only(404, 404), b""),),
    ("GET", "/api/v2/history"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/hierarchy"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/marbles"): (Case({EVERYBODY: 200}),),
    ("GET", "/api/v2/secrets"): (
        Case(only(200, 500, "reader"), query="?s=password"),
        Case(only(403, 500, "reader"), query="?s=master"),
    ),
    ("POST", "/api/v2/secrets"): (Case(only(200, 500, "writer"), json.dumps({"secrets": SECRET}).encode()),),
    ("GET", "/api/v2/secrets/requests"): (Case({EVERYBODY: 200}),),
    ("POST", "/api/v2/secrets/requests"): (
        Case(only(200, 500, "reader"), sent(ASK)),
        Case(only(400, 500, "reader"), sent({**ASK, "secrets": ["password"]})),
    ),
    ("POST", "/api/v2/secrets/requests/approve"): (
        Case(only(404, 404), sent({"request": "0123456789abcdef"})),
        Case(only(200, 500, "approver"), sent({"request": TO_APPROVE})),
    ),
    ("POST", "/api/v2/secrets/requests/read"): (Case(only(403, 500, "reader"), sent({"secrets": ["master"]})),),
    ("POST", "/api/v2/secrets/requests/withdraw"): (
        Case(only(404, 404), sent({"request": "0123456789abcdef"})),
        Case(only(200, 500, "reader") | {"approver": 404}, sent({"request": TO_WITHDRAW})),  # it is gone by then
    ),
    ("POST", "/api/v2/recover"): (Case({EVERYBODY: 400}, b"{}"),),
    ("GET", "/api/v2/recover/public-key"): (Case({EVERYBODY: 500}),),
    ("GET", "/api/v2/recovery"): (Case({EVERYBODY: 500}),),
    ("POST", "/api/v2/recovery/approve"): (Case({EVERYBODY: 400}, b"{}"),),
    ("POST", "/api/v2/recovery/rehearse"): (Case({EVERYBODY: 400}, b"{}"),),
    ("GET", "/api/v2/journal"): (Case({EVERYBODY: 200}),),
    ("POST", "/api/v2/sign-quote"): (Case({EVERYBODY: 400}, b"{}"),),
    ("POST", "/api/v2/monotonic-counter"): (
        Case({EVERYBODY: 401, "marble": 200, "marble of another type": 200}, b'{"name": "n", "value": 1}'),
    ),
    ("GET", "/api/v2/replica/challenge"): (Case({EVERYBODY: 403}),),
    ("POST", "/api/v2/replica/key"): (Case({EVERYBODY: 400}, b"{}"),),
    ("GET", "/api/v2/replica/journal"): (Case({EVERYBODY: 403}),),
    ("POST", "/api/v2/replica/copy"): (Case({EVERYBODY: 400}, b"{}"),),
}
ASKED = [(method, path, number) for (method, path), cases in CASES.items() for number in range(len(cases))]


@dataclass
class Deployed:
    """requests: what TO_APPROVE and TO_WITHDRAW stand for."""

    running: CoordinatorProcess
    shown: Mapping[str, tuple[str, ...]]
    requests: Mapping[str, str]

    def body(self, case: Case) -> bytes | None:
        body = case.body
        for name, identifier in self.requests.items():
            body = body.replace(name.encode(), identifier.encode()) if body is not None else None
        return body


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("callers")
    program = folder / "program.py"
    program.write_text("print('the agreed program')\n")
    people = {name: person(folder, name.replace(" ", "-")) for name in ("somebody else", "second approver", *USERS)}
    on_master = {"ResourceType": "Secrets", "ResourceNames": ["master"]}
    on_password = {"ResourceType": "Secrets", "ResourceNames": ["password"]}
    document = {
        "Packages": {
            "tdx": {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}},
            "sgx": {"SignerID": SIMULATED_SIGNER.hex(), "ProductID": 7, "SecurityVersion": 2},
        },
        "Marbles": {"one": {"Package": "tdx"}, "other": {"Package": "tdx"}, "enclave": {"Package": "sgx"}},
        "Secrets": {
            "password": {"Type": "plain", "UserDefined": True},
            "master": {"Type": "plain", "UserDefined": True, "ReadApproval": {"Threshold": 2}},
        },
        "Users": {name: people[name].entry(*(() if name == "without a role" else (name,))) for name in USERS}
        | {"second approver": people["second approver"].entry("approver")},
        "Roles": {
            "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "raiser": {"ResourceType": "Packages", "ResourceNames": ["sgx"], "Actions": ["UpdateSecurityVersion"]},
            "writer": {**on_password, "Actions": ["WriteSecret"]},
            "reader": {**on_password, "ResourceNames": ["password", "master"], "Actions": ["ReadSecret"]},
            "approver": {**on_master, "Actions": ["ApproveRead"]},
        },
        "Config": {"FeatureGates": ["SignQuoteEndpoint", "MonotonicCounter"], "UpdateOverlap": "1h"},
    }
    running = start(folder / "dev")
    answer = curl(running.client_address, "/manifest", body=json.dumps(document).encode())
    assert 200 == answer.status, answer.body
    shown = {"nobody": ()} | {name: who.curl for name, who in people.items()}
    for caller, marble in (("marble", "one"), ("marble of another type", "other")):
        shown[caller] = _marble(running, program, marble, folder)
    requests = {}
    for stands_for in (TO_APPROVE, TO_WITHDRAW):
        asked = curl(running.client_address, "/api/v2/secrets/requests", *shown["reader"], body=sent(ASK))
        requests[stands_for] = asked.json()["data"]["id"]
    yield Deployed(running, shown, requests)
    running.kill()


def _marble(running: CoordinatorProcess, program: Path, marble: str, folder: Path) -> tuple[str, ...]:
    """curl's options for a marble's own certificate."""
    join = marble_client.prepare(marble_client.simulated(running.folder, Kind.TDX, program), marble)
    env = marble_client.send(running.mesh_address, join).Parameters.Env
    files = {"cert": "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN", "key": "MARBLE_PREDEFINED_PRIVATE_KEY"}
    options = []
    for option, name in files.items():
        path = folder / f"{marble}.{option}"
        path.write_bytes(env[name])
        options += [f"--{option}", str(path)]
    return tuple(options)


def test_every_route_has_its_case_here() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(CASES)


@pytest.mark.parametrize(("method", "path", "number"), ASKED)
def test_each_caller_gets_what_is_his(deployed: Deployed, method: str, path: str, number: int) -> None:
    case = CASES[method, path][number]
    body, found = deployed.body(case), {}
    for caller in CALLERS:
        options = (*deployed.shown[caller], *(() if body is not None else ("-X", method)))
        found[caller] = curl(deployed.running.client_address, path + case.query, *options, body=body).status
    assert {caller: case.status(caller) for caller in CALLERS} == found
