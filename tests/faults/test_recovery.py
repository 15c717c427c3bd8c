"""A state that this machine cannot unseal: it waits for recovery, is never overwritten, and can be left behind."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc

import attestation
import coordinator
import marble
import pki
from attestation.simulation.folder import create
from tests.faults.clients import ask, document, marbles_of, outcome, phase, root
from tests.support.coordinator_process import CoordinatorProcess

Begin = Callable[..., CoordinatorProcess]

EXIT_RECOVERY = 8


def test_on_another_machine_it_waits_for_recovery_and_the_old_state_is_never_overwritten(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    startup = tmp_path / "manifest.json"
    startup.write_bytes(document(program))
    running = begin(tmp_path / "dev", EDG_STARTUP_MANIFEST=str(startup))
    assert 3 == phase(running.client_address), "a first start sets it"
    assert 200 == ask(running.client_address, "/readyz")[0]
    shown = root(running.client_address)
    running.kill()

    startup.write_bytes(document(program, Secrets={}, Marbles={"other": {"Package": "tdx"}}))
    running = begin(tmp_path / "dev", EDG_STARTUP_MANIFEST=str(startup))
    assert shown == root(running.client_address), "a restart ignores it"
    assert "start-up manifest ignored: another manifest is in force" in running.log
    running.kill()

    old_machine = move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev", EDG_STARTUP_MANIFEST=str(startup))
    assert 1 == phase(running.client_address), "not even a start-up manifest overwrites what waits for recovery"
    assert 503 == ask(running.client_address, "/readyz")[0], "alive, but not ready: an orchestrator can tell"
    assert shown.public_key() != root(running.client_address).public_key()
    code, details = outcome(running.mesh_address, marbles_of(running, program)("limited"))
    assert (grpc.StatusCode.FAILED_PRECONDITION, True) == (code, "recovery" in details), details
    assert (500, 1) == (ask(running.client_address, "/api/v2/manifest")[0], phase(running.client_address))
    command = [sys.executable, "-m", "coordinator", "status", running.client_address]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert EXIT_RECOVERY == asked.returncode, asked.stderr
    running.kill()

    running = begin(tmp_path / "dev")
    assert 200 == ask(running.client_address, "/manifest", startup.read_bytes())[0]
    assert 3 == phase(running.client_address)
    state = running.folder / "state"
    assert (state / "journal.db.old").exists()
    running.kill()
    (state / "journal.db.old").rename(tmp_path / "kept")
    shutil.rmtree(state)
    state.mkdir()
    (tmp_path / "kept").rename(state / "journal.db")
    move_to_another_machine(running.folder, old_machine)
    running = begin(tmp_path / "dev")
    assert shown == root(running.client_address), "what was kept aside is the whole old state"


def move_to_another_machine(folder: Path, machine: Path | None = None) -> Path:
    """Take the simulated hardware away from a state and give it another (default: a new one); where the old one is."""
    count = len(list(folder.glob("machine-*")))
    before = folder / f"machine-{count}"
    (folder / "simulation").rename(before)
    if machine is None:
        create(folder / "simulation")
    else:
        shutil.copytree(machine, folder / "simulation")
    return before


def test_another_program_cannot_unseal_with_a_unique_key_and_can_with_the_products(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    other = tmp_path / "other"
    for package in (attestation, coordinator, marble, pki):
        name = package.__name__
        shutil.copytree(package.__path__[0], other / name, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "pki" / "another_version.py").write_text("")
    for mode, expected in (("UniqueKey", 1), ("ProductKey", 3)):
        running = begin(tmp_path / mode)
        assert 200 == ask(running.client_address, "/manifest", document(program, Config={"SealMode": mode}))[0]
        running.kill()
        changed = begin(tmp_path / mode, PYTHONPATH=str(other), PYTHONSAFEPATH="1")
        assert expected == phase(changed.client_address), mode
