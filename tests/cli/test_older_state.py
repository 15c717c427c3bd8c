"""A state that is not the newest is not served, until somebody who may has approved it; and everybody sees that."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from coordinator.recovery.approval import approval_statement
from coordinator.recovery.rehearsal import rehearsal_verifier
from coordinator.recovery.statement import WaitingState, statement
from tests.cli.conftest import Enclasp
from tests.faults.clients import ask, data, document, marbles_of, outcome, phase, root
from tests.faults.test_recovery import move_to_another_machine
from tests.support import key_devices
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.owners import OwnerOfShare, b64, owner

Begin = Callable[..., CoordinatorProcess]
REFUSED, INVALID, WAITS = 4, 3, 8


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text("print('the agreed program')\n")
    return path


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnerOfShare]:
    folder = tmp_path_factory.mktemp("owners")
    return {name: owner(folder, name, kind=kind) for name, kind in (("ada", "rsa"), ("bo", "ec"), ("cy", "x25519"))}


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    started: list[CoordinatorProcess] = []

    def begin(*options: str) -> CoordinatorProcess:
        started.append(start(tmp_path / "dev", *options))
        return started[-1]

    yield begin
    for running in started:
        running.kill()


def deploy(running: CoordinatorProcess, manifest: bytes, file: Path) -> dict[str, str]:
    """Set the manifest; the owners' encrypted shares, which are in `file` too."""
    status, body = ask(running.client_address, "/manifest", manifest)
    assert 200 == status, body
    shares: dict[str, str] = (json.loads(body)["data"] or {}).get("RecoverySecrets", {})
    file.write_text(json.dumps({"RecoverySecrets": shares}))
    return shares


def activate(running: CoordinatorProcess, program: Path) -> None:
    code, details = outcome(running.mesh_address, marbles_of(running, program)("limited"))
    assert code is grpc.StatusCode.OK, details


def flags(running: CoordinatorProcess) -> tuple[str, ...]:
    files = {"reference": running.reference, "trust": running.trust, "collateral": running.collateral}
    return tuple(text for name, path in files.items() for text in (f"--{name}", str(path)))


def log_of(running: CoordinatorProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data(running.client_address, "/update").splitlines()]


def waiting(running: CoordinatorProcess) -> tuple[WaitingState, str, bytes]:
    """What waits for approval, why, and what approvals answer."""
    found = data(running.client_address, "/api/v2/recovery")
    state = found["state"]
    waits = WaitingState(bytes.fromhex(state["journal"]), state["sequence"], bytes.fromhex(state["link"]))
    return waits, found["doubt"], base64.b64decode(found["nonce"] or "")


def approval(name: str, state: WaitingState, signature: bytes) -> bytes:
    shown = {"journal": state.journal.hex(), "sequence": state.sequence, "link": state.link.hex()}
    return json.dumps({"owner": name, "state": shown, "signature": b64(signature)}).encode()


def refusal(running: CoordinatorProcess, path: str, body: bytes) -> str:
    """The code of a refusal."""
    status, answer = ask(running.client_address, path, body)
    assert 500 == status, answer
    return str(json.loads(answer)["message"][:4])


def restored(running: CoordinatorProcess, backup: Path, enclasp: Enclasp) -> None:
    """The backup in the place of the state; the coordinator has stopped."""
    assert 0 == running.stop()
    done = enclasp("journal", "restore", backup, running.folder, "--reason", "the disk of host 7 broke", "--replace")
    assert 0 == done.code, done.err


def test_a_state_that_a_tpm_remembers_later_is_served_only_if_the_operator_says_so_aloud(
    tmp_path: Path, program: Path, begin: Begin, enclasp: Enclasp
) -> None:
    with key_devices.tpm(tmp_path / "tpm") as tcti:
        settings = tmp_path / "coordinator.toml"
        settings.write_text(f'tpm = "{tcti}"\nwitness = "tpm"\n')
        options = ("--config", str(settings))
        running = begin(*options)
        deploy(running, document(program), tmp_path / "shares.json")
        activate(running, program)
        running.kill()
        older, state = tmp_path / "older", running.folder / "state"
        shutil.copytree(state, older)
        running = begin(*options)
        assert 3 == phase(running.client_address), "a power cut is no rollback"
        activate(running, program)
        shown = root(running.client_address)
        running.kill()
        newer = state.rename(tmp_path / "newer")
        shutil.copytree(older, state)

        running = begin(*options)
        status = enclasp("status", running.client_address)
        why = "remembers record 4, and it ends with record 3"
        assert (WAITS, True) == (status.code, why in status.text), status.text
        assert "the operator may approve this one" in status.text
        code, details = outcome(running.mesh_address, marbles_of(running, program)("limited"))
        assert (grpc.StatusCode.FAILED_PRECONDITION, 503) == (code, ask(running.client_address, "/readyz")[0]), details
        assert "R490 the state is not served" in running.log
        busy = enclasp("journal", "accept", running.folder, "--reason", "why")
        assert (INVALID, True) == (busy.code, "R406" in busy.err)
        assert 0 == running.stop()
        done = enclasp("journal", "accept", running.folder, "--reason", "the newer disk is lost", "-o", "json")
        assert (0, 3) == (done.code, done.document["sequence"]), done.err

        running = begin(*options)
        assert (3, shown) == (phase(running.client_address), root(running.client_address))
        accepted, said = log_of(running)[-2:]
        assert ("older state accepted", 3, "none: by the operator's note") == tuple(
            accepted[name] for name in ("update", "sequence", "owners")
        )
        assert "remembers record 4" in accepted["why"]
        assert "the newer disk is lost" == said["reason"]
        running.kill()
        shutil.rmtree(state)
        newer.rename(state)
        assert 1 == phase(begin(*options).client_address), "the other branch is the one that does not count now"


def test_owners_approve_a_restored_state_and_nobody_elses_word_counts(
    tmp_path: Path, program: Path, begin: Begin, enclasp: Enclasp, owners: dict[str, OwnerOfShare]
) -> None:
    running, file, backup = begin(), tmp_path / "shares.json", tmp_path / "backup.tar"
    keys = {name: one.pem for name, one in owners.items()}
    shares = deploy(running, document(program, RecoveryKeys=keys, Config={"RecoveryThreshold": 2}), file)
    shown = root(running.client_address)
    assert 0 == enclasp("journal", "backup", running.folder, backup).code
    activate(running, program)
    path = "/api/v2/recovery/approve"
    body = approval("ada", WaitingState(bytes(16), 1, bytes(32)), b"")
    assert 500 == ask(running.client_address, path, body)[0], "nothing waits: the phase does not admit it"
    restored(running, backup, enclasp)

    running = begin()
    assert 1 == phase(running.client_address)
    state, why, nonce = waiting(running)
    assert why == f"it was put back as of record {state.sequence}: the disk of host 7 broke"
    message = approval_statement(state, why, nonce)
    plain = {name: one.opener.open(base64.b64decode(shares[name])) for name, one in owners.items()}
    good = {name: one.opener.prove(message, rehearsal_verifier(plain[name])) for name, one in owners.items()}
    other = WaitingState(state.journal, state.sequence + 1, state.link)
    assert "R492" == refusal(running, path, approval("eve", state, good["ada"]))
    assert "R425" == refusal(running, path, approval("ada", state, good["bo"]))
    assert "R425" == refusal(running, path, approval("cy", state, good["ada"]))
    assert "R425" == refusal(running, path, approval("ada", state, owners["ada"].opener.prove(message + b" ", b"")))
    assert "R426" == refusal(running, path, approval("ada", other, good["ada"]))
    assert "R496" == refusal(running, "/api/v2/recover", owners["ada"].submission(shares["ada"]))
    for field in ("owner", "state"):
        broken = json.loads(approval("ada", state, good["ada"])) | {field: None}
        assert 400 == ask(running.client_address, path, json.dumps(broken).encode())[0]

    status, answer = ask(running.client_address, path, approval("cy", state, good["cy"]))
    assert (200, 1) == (status, json.loads(answer)["data"]["remaining"])
    assert "R493" == refusal(running, path, approval("cy", state, good["cy"]))
    assert 1 == phase(running.client_address)
    show = enclasp("recovery", "show", running.client_address, *flags(running))
    assert ("cy" in show.text, "has approved" in show.text, why in show.text) == (True, True, True), show.text
    key = ("--key", str(owners["bo"].key))
    done = enclasp("recovery", "approve", file, running.client_address, *key, *flags(running), "-o", "json")
    assert (0, True) == (done.code, done.document["served"]), done.err
    assert (3, shown) == (phase(running.client_address), root(running.client_address))
    accepted, said = log_of(running)[-2:]
    assert ("older state accepted", "bo, cy", state.link.hex()) == tuple(
        accepted[name] for name in ("update", "owners", "link")
    )
    assert "the disk of host 7 broke" == said["reason"]
    activate(running, program)
    late = enclasp("recovery", "approve", file, running.client_address, *key, *flags(running))
    assert (INVALID, True) == (late.code, "R494" in late.err), late.err
    running.kill()
    running = begin()
    assert 3 == phase(running.client_address), "approved once and for all"

    restored(running, backup, enclasp)  # the same host does it again, and has kept what the owners signed
    running = begin()
    again = waiting(running)
    assert (state, True) == (again[0], again[2] != nonce)
    assert "R425" == refusal(running, path, approval("cy", state, good["cy"]))


def test_approvals_may_come_from_afar(
    tmp_path: Path, program: Path, begin: Begin, enclasp: Enclasp, owners: dict[str, OwnerOfShare]
) -> None:
    running, file, backup = begin(), tmp_path / "shares.json", tmp_path / "backup.tar"
    keys = {name: owners[name].pem for name in ("ada", "cy")}
    deploy(running, document(program, RecoveryKeys=keys), file)
    assert 0 == enclasp("journal", "backup", running.folder, backup).code
    restored(running, backup, enclasp)
    running = begin()
    seen = tmp_path / "waiting.json"
    assert 0 == enclasp("recovery", "show", running.client_address, *flags(running), "-o", "json", "--out", seen).code
    for name in keys:
        signature = tmp_path / f"{name}.sig"
        key = ("--key", str(owners[name].key))
        done = enclasp("recovery", "sign-approval", file, *key, "--state", seen, "--out", signature)
        assert 0 == done.code, done.err
        hand_in = ("recovery", "approve", seen, running.client_address, "--signature", signature, *flags(running))
        assert 2 == enclasp(*hand_in).code, "whose it is, is not said"
        done = enclasp(*hand_in, "--name", name)
        assert 0 == done.code, done.err
    assert 3 == phase(running.client_address)
    nothing = tmp_path / "nothing.json"
    nothing.write_text(json.dumps(json.loads(seen.read_text()) | {"doubt": None}))
    refused = enclasp("recovery", "sign-approval", file, "--key", str(owners["ada"].key), "--state", nothing)
    assert (INVALID, True) == (refused.code, "R494" in refused.err)


def test_who_recovers_a_restored_state_elsewhere_must_name_it(
    tmp_path: Path, program: Path, begin: Begin, enclasp: Enclasp, owners: dict[str, OwnerOfShare]
) -> None:
    """MarbleRun's signatures are over the share alone: they open a state, and say nothing of which."""
    running, backup = begin(), tmp_path / "backup.tar"
    keys = {name: one.pem for name, one in owners.items()}
    manifest = document(program, RecoveryKeys=keys, Config={"RecoveryThreshold": 2})
    shares = deploy(running, manifest, tmp_path / "shares.json")
    key = root(running.client_address).public_key()
    assert 0 == enclasp("journal", "backup", running.folder, backup).code
    restored(running, backup, enclasp)
    move_to_another_machine(running.folder)
    running = begin()
    state = waiting(running)[0]

    def given(name: str, *, for_state: bool) -> bytes:
        one = owners[name]
        body = json.loads(one.submission(shares[name]))
        if not for_state:
            return json.dumps(body).encode()
        share = base64.b64decode(body["recoverySecret"])
        signature = one.opener.prove(statement(state, share), share)
        shown = json.loads(approval(name, state, b""))["state"]
        return json.dumps(body | {"recoverySecretSignature": b64(signature), "state": shown}).encode()

    for for_state in (False, True):
        assert 200 == ask(running.client_address, "/api/v2/recover", given("ada", for_state=True))[0]
        body = given("bo", for_state=for_state)
        if for_state:
            assert 200 == ask(running.client_address, "/api/v2/recover", body)[0]
        else:
            assert "R495" == refusal(running, "/api/v2/recover", body)
            assert 1 == phase(running.client_address)
    assert (3, key) == (phase(running.client_address), root(running.client_address).public_key())
    assert ["older state accepted", "state restored from a backup", "state recovered"] == [
        entry["update"] for entry in log_of(running)[-3:]
    ]
