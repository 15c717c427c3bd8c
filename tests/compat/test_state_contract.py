"""The rows of the contract about the state (5.1 to 5.4): what is in it, who opens it, and what a start finds.

Our files have a form of our own.  What MarbleRun keeps in its own is kept here too: that is what these rows say.
"""

import json
import shutil
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from coordinator.client.transport import key_digest
from pki.certificates import der
from tests.compat.test_recovery_contract import opened, signed, submit
from tests.compat.test_rest_contract import curl
from tests.faults.clients import phase, root
from tests.faults.test_recovery import move_to_another_machine
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.owners import OwnerOfShare, b64, owner
from tests.support.updatable import changed, deploy, encoded, v2

MANIFEST = {"Packages": {"p": {"UniqueID": "ab" * 32}}, "Marbles": {"m": {"Package": "p"}}}
CHAIN, ROOTS = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN", "MARBLE_PREDEFINED_ROOT_CA"
Seen = dict[str, Any]


# 5.2, the map


class Everything:
    """A deployment that has something of every row, and what can be seen of it from outside.

    A type of marble that may join once has joined, a counter was raised, versions too, and an update has put values in
    the place of others; another update is pending.
    """

    def __init__(self, folder: Path) -> None:
        config = folder / "coordinator.toml"
        config.write_text("snapshot_every = 7\n")
        self.folder = folder
        self.deployed = deploy(folder, "--config", str(config), FeatureGates=["MonotonicCounter"])
        self.deployed.pass_update(changed(self.deployed.first, self._more))
        raised = encoded({"Packages": {"sgx": {"SecurityVersion": 4}}})
        assert 200 == self.deployed.ask("dave", "/api/v2/update", v2(raised)).status
        self.first_roots = self.deployed.activate("once")[ROOTS]
        assert 0 == self._raise_counter(7)
        pending = changed(self.deployed.first, lambda d: d["Marbles"].update(later={"Package": "tdx"}))
        assert 200 == self.deployed.update("alice", pending).status

    def _more(self, document: dict[str, Any]) -> None:
        document["Config"]["RotateRootSecret"] = True
        document["TLS"] = {"tag": {"Outgoing": [{"Addr": "db.example", "Port": "5432"}]}}
        document["Marbles"]["once"] = {"Package": "tdx", "MaxActivations": 1}
        document["Marbles"]["full"]["TLS"] = ["tag"]

    def _raise_counter(self, value: int) -> int:
        """The value before."""
        env = self.deployed.activate()
        files = self.folder / "marble.pem", self.folder / "marble.key"
        files[0].write_bytes(env[CHAIN])
        files[1].write_bytes(env["MARBLE_PREDEFINED_PRIVATE_KEY"])
        shown = ("--cert", str(files[0]), "--key", str(files[1]))
        body = json.dumps({"name": "c", "value": value}).encode()
        answer = curl(self.deployed.running.client_address, "/api/v2/monotonic-counter", *shown, body=body)
        assert 200 == answer.status, answer.body
        return int(answer.json()["data"]["value"])

    def seen(self) -> Seen:
        """By the row's name."""
        deployed = self.deployed
        env = deployed.activate()
        intermediate, top = x509.load_pem_x509_certificates(deployed.data("/quote")["Cert"].encode())
        host, port = deployed.running.client_address.rsplit(":", 1)
        (marble_root,) = x509.load_pem_x509_certificates(env[ROOTS])
        leaf = x509.load_pem_x509_certificate(env[CHAIN])
        leaf.verify_directly_issued_by(marble_root)
        manifest = deployed.data("/api/v2/manifest")
        return {
            "state": phase(deployed.running.client_address),
            "manifest": manifest["manifest"],
            "manifestSignature": manifest["manifestSignatureRootECDSA"],
            "updateLog": deployed.log(),
            "certificate:coordinatorRootCert": top,
            "certificate:coordinatorIntermediateCert": intermediate,
            "certificate:marbleRootCert": (marble_root, self.first_roots == env[ROOTS]),
            "privateKey:coordinatorRootKey": ssl.get_server_certificate((host, int(port)))
            == top.public_bytes(Encoding.PEM).decode(),
            "privateKey:coordinatorIntermediateKey": marble_root.public_key(),
            "rootSecret": env["OWN"],
            "previousRootSecret": env["OWN_BEFORE"],
            "secret": (env["KEY"], env["WEB"], env["PASSWORD"]),
            "previousSecret": (env["KEY_BEFORE"], env["WEB_BEFORE"]),
            "package": [deployed.enclave(version) for version in (3, 4)],
            "marble": deployed.data("/api/v2/marbles")["types"][0]["type"],
            "TLS": sorted(json.loads(env["MARBLE_TTLS_CONFIG"])["tls"]["Outgoing"]),
            "user": [deployed.ask(who, "/api/v2/secrets?s=password").status for who in ("mallory", "eve")],
            "activations": refusal_of(lambda: deployed.activate("once")),
            "monotonicCounter": self._raise_counter(3),
            "pendingUpdate": deployed.data("/api/v2/update-manifest"),
        }


ROWS = [
    "state",
    "manifest",
    "manifestSignature",
    "updateLog",
    "certificate:coordinatorRootCert",
    "certificate:marbleRootCert",
    "certificate:coordinatorIntermediateCert",
    "privateKey:coordinatorRootKey",
    "privateKey:coordinatorIntermediateKey",
    "rootSecret",
    "previousRootSecret",
    "secret",
    "previousSecret",
    "package",
    "marble",
    "TLS",
    "user",
    "activations",
    "monotonicCounter",
    "pendingUpdate",
]
"""All of 5.2 but `infrastructure`, which is nothing but the manifest's text: nobody enforces it."""
EXPECTED = {
    "state": 3,
    "privateKey:coordinatorRootKey": True,
    "package": ["PERMISSION_DENIED", "OK"],
    "marble": "enclave",
    "TLS": ["db.example:5432"],
    "user": [401, 500],
    "activations": "PERMISSION_DENIED",
    "monotonicCounter": 7,
}


def refusal_of(activate: Callable[[], object]) -> str:
    """The gRPC status with which a marble is refused."""
    with pytest.raises(grpc.RpcError) as refused:
        activate()
    assert isinstance(refused.value, grpc.Call)
    return refused.value.code().name


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, Seen]]:
    everything = Everything(tmp_path_factory.mktemp("everything"))
    try:
        before = everything.seen()
        everything.deployed.restart()
        yield before, everything.seen()
    finally:
        everything.deployed.running.kill()


@pytest.mark.parametrize("row", ROWS)
def test_5_2_what_marbleruns_state_holds_is_there_after_a_kill(before_and_after: tuple[Seen, Seen], row: str) -> None:
    before, after = before_and_after
    assert before[row] == after[row]
    assert EXPECTED.get(row, before[row]) == before[row]
    assert before[row] not in (None, "", b"", [], {})


def test_5_2_values_of_before_an_update_are_others_than_those_of_now(before_and_after: tuple[Seen, Seen]) -> None:
    before, _ = before_and_after
    assert before["rootSecret"] != before["previousRootSecret"]
    assert not {*before["secret"]} & {*before["previousSecret"]}


# 5.1 and 5.4, files and starts


def test_5_1_no_file_shows_a_secret_or_the_manifest(tmp_path: Path) -> None:
    deployed = deploy(tmp_path)
    try:
        keys = [deployed.activate()[name] for name in ("KEY", "OWN", "PASSWORD")]
        deployed.running.kill()
        files = [file for file in (deployed.running.folder / "state").rglob("*") if file.is_file()]
        content = b"".join(file.read_bytes() for file in files)
    finally:
        deployed.running.kill()
    assert len(content) > 10_000
    for secret in (*keys, *(bytes.fromhex(key.decode()) for key in keys[:2]), b"UpdateThreshold", b"BEGIN CERTIFICATE"):
        assert secret not in content


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., CoordinatorProcess]]:
    """The coordinator of this test; what ran before is killed."""
    started: list[CoordinatorProcess] = []

    def begin(**environ: Any) -> CoordinatorProcess:
        if started:
            started[-1].kill()
        started.append(start(tmp_path / "dev", wait=True, **environ))
        return started[-1]

    yield begin
    if started:
        started[-1].kill()


def test_5_4_without_a_state_each_start_makes_a_new_hierarchy(begin: Callable[..., CoordinatorProcess]) -> None:
    shown = [root(begin().client_address) for _ in range(2)]
    assert 2 == phase(begin().client_address)
    assert shown[0].public_key() != shown[1].public_key()


def test_5_4_without_its_key_a_state_waits_under_a_hierarchy_in_memory_and_nothing_is_written(
    begin: Callable[..., CoordinatorProcess], tmp_path: Path
) -> None:
    running = begin()
    assert 200 == curl(running.client_address, "/manifest", body=encoded(MANIFEST)).status
    shown = root(running.client_address)
    running.kill()
    machine = move_to_another_machine(running.folder)
    before = records(running.folder / "state", tmp_path / "before")
    waiting = [root(begin().client_address) for _ in range(2)]
    running = begin()
    assert 1 == phase(running.client_address)
    running.kill()
    assert 3 == len({key_digest(der(certificate)) for certificate in (shown, *waiting)})
    assert before == records(running.folder / "state", tmp_path / "after")
    move_to_another_machine(running.folder, machine)
    assert shown == root(begin().client_address), "its machine opens it as before"


def test_5_4_with_a_lost_key_a_start_up_manifest_replaces_nothing_and_shares_wait_for_their_owners(
    begin: Callable[..., CoordinatorProcess], tmp_path: Path
) -> None:
    ada = owner(tmp_path, "ada")
    file = tmp_path / "manifest.json"
    file.write_bytes(encoded(MANIFEST | {"RecoveryKeys": {"ada": ada.pem}}))
    running = begin(EDG_STARTUP_MANIFEST=str(file))
    shown = root(running.client_address)
    shares = curl(running.client_address, "/api/v2/recovery").json()["data"]
    share = opened(ada, shares["owners"][0]["recoverySecret"])
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(EDG_STARTUP_MANIFEST=str(file))
    assert 1 == phase(running.client_address)
    assert 200 == submit(running.client_address, share, signed(ada, share)).status
    assert shown.public_key() == root(running.client_address).public_key()


def records(state: Path, copy: Path) -> list[tuple[Any, ...]]:
    """Everything in a journal that nobody has open, read in a copy."""
    shutil.copytree(state, copy)
    with closing(sqlite3.connect(copy / "journal.db")) as database:
        return [*database.execute("SELECT * FROM records"), *database.execute("SELECT * FROM meta")]


# 5.3, key schemes


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> list[OwnerOfShare]:
    folder = tmp_path_factory.mktemp("owners")
    return [owner(folder, name) for name in ("ada", "bo", "cy")]


@pytest.mark.parametrize(
    ("count", "threshold", "length", "wanted"),
    [(1, 0, 32, 1), (2, 0, 32, 2), (3, 3, 32, 3), (3, 2, 33, 2)],
    ids=["1 key", "n keys, threshold 0", "n keys, threshold n", "n keys, t of them"],
)
def test_5_3_shares_have_the_contracts_length_and_as_many_as_it_says_open_the_state(
    begin: Callable[..., CoordinatorProcess],
    owners: list[OwnerOfShare],
    count: int,
    threshold: int,
    length: int,
    wanted: int,
) -> None:
    keys = {one.name: one.pem for one in owners[:count]}
    document = MANIFEST | {"RecoveryKeys": keys, "Config": {"RecoveryThreshold": threshold}}
    running = begin()
    body = json.dumps({"manifest": b64(encoded(document))}).encode()
    given = curl(running.client_address, "/api/v2/manifest", body=body).json()["data"]["RecoverySecrets"]
    shares = {one.name: opened(one, given[one.name]) for one in owners[:count]}
    assert {length} == {len(share) for share in shares.values()}
    running.kill()
    move_to_another_machine(running.folder)
    running = begin()
    for number, one in enumerate(owners[:count][-wanted:], 1):
        assert 1 == phase(running.client_address)
        answer = submit(running.client_address, shares[one.name], signed(one, shares[one.name]))
        assert (200, wanted - number) == (answer.status, answer.json()["data"]["remaining"]), answer.body
    assert 3 == phase(running.client_address)
