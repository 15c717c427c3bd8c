"""A disk that is full, unusable, shared or tampered with: a clear error, and the old state is intact."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from attestation.issue import find_issuer
from attestation.simulation.folder import create
from coordinator.journal.source import Environment
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Locked, Vault
from tests.faults.clients import ask, document, marbles_of, outcome, phase, root, run_to_its_end, wait_until
from tests.support.coordinator_process import CoordinatorProcess

Begin = Callable[..., CoordinatorProcess]

EXIT_CANNOT_START = 3
EXIT_JOURNAL_FAILED = 6


def test_a_full_disk_stops_the_coordinator_and_the_old_state_opens_again(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    running = begin(tmp_path / "dev")
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    make, shown = marbles_of(running, program), root(running.client_address)
    granted = 0
    assert outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK
    let_no_file_grow(running)
    code, details = outcome(running.mesh_address, make("limited"))
    assert grpc.StatusCode.UNAVAILABLE == code
    assert "the coordinator has stopped; its log says why" in details
    assert EXIT_JOURNAL_FAILED == running.process.wait(20)
    assert "this process may not serve any longer; stopping" in running.log
    assert "cannot write" in running.log
    assert "free space" in running.log

    running = begin(tmp_path / "dev")
    assert shown == root(running.client_address)
    while outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK:
        granted += 1
    assert granted == 9, "the one that was refused for want of space is not counted, the one before is"


def test_a_full_disk_refuses_a_manifest_and_a_later_one_is_taken(tmp_path: Path, program: Path, begin: Begin) -> None:
    running = begin(tmp_path / "dev")
    shown = root(running.client_address)
    let_no_file_grow(running)
    status, body = ask(running.client_address, "/manifest", document(program))
    assert 503 == status
    assert b"the state cannot be written" in body
    assert 2 == phase(running.client_address)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    running.kill()
    running = begin(tmp_path / "dev")
    assert 3 == phase(running.client_address)
    assert shown.public_key() == root(running.client_address).public_key()


def let_no_file_grow(running: CoordinatorProcess) -> None:
    """From now on every write that makes a file longer than the write-ahead log is now fails, as on a full disk."""
    size = (running.folder / "state" / "journal.db-wal").stat().st_size
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.parametrize("dev", [True, False])
def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path, dev: bool) -> None:
    create(tmp_path / "simulation")
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "state"
    options = ("--dev", "--state-dir", str(place)) if dev else ("--state-dir", str(place))
    done = run_to_its_end(*options, ENCLASP_SIMULATION=str(tmp_path / "simulation"))
    assert EXIT_CANNOT_START == done.returncode, done.stderr
    assert str(place) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_coordinator_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path, begin: Begin) -> None:
    running = begin(tmp_path / "dev")
    done = run_to_its_end("--dev", "--state-dir", str(running.folder))
    assert EXIT_CANNOT_START == done.returncode, done.stderr
    assert f"{running.folder / 'state'}" in done.stderr
    assert "journal.lock is held by another coordinator" in done.stderr
    assert "hint: stop the other coordinator" in done.stderr
    assert 2 == phase(running.client_address)


def test_a_successor_waits_until_the_one_before_has_ended(tmp_path: Path, program: Path, begin: Begin) -> None:
    first = begin(tmp_path / "dev")
    assert 200 == ask(first.client_address, "/manifest", document(program))[0]
    shown = root(first.client_address)
    second = begin(tmp_path / "dev", wait=False)
    assert wait_until(lambda: "waiting for it to end" in second.log), second.log
    assert 0 == first.stop()
    assert wait_until(lambda: _answers(second)), second.log
    assert shown == root(second.client_address)


def test_a_successor_that_waits_stops_when_told_to(tmp_path: Path, begin: Begin) -> None:
    begin(tmp_path / "dev")
    second = begin(tmp_path / "dev", wait=False)
    assert wait_until(lambda: "waiting for it to end" in second.log), second.log
    assert 0 == second.stop()


def _answers(running: CoordinatorProcess) -> bool:
    try:
        return phase(running.client_address) == 3
    except OSError:
        return False


def test_a_flipped_byte_in_the_journal_is_refused_and_the_record_is_named(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    running = begin(tmp_path / "dev")
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    make = marbles_of(running, program)
    for _ in range(2):
        assert outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK
    assert 0 == running.stop()
    flip_a_byte_of_record(running, 3)
    done = run_to_its_end("--dev", "--state-dir", str(running.folder))
    assert EXIT_CANNOT_START == done.returncode, done.stderr
    assert "journal: record 3: " in done.stderr
    assert "Traceback" not in done.stderr
    flip_a_byte_of_record(running, 3)
    running = begin(tmp_path / "dev")
    assert 3 == phase(running.client_address), "undone, it opens: nothing was changed by the refusal"


def test_a_seal_mode_that_nobody_knows_is_a_key_that_cannot_be_used(tmp_path: Path) -> None:
    create(tmp_path / "simulation")
    issuer = find_issuer({"ENCLASP_SIMULATION": str(tmp_path / "simulation")}, ["program"])
    vault = Vault(SqliteStorage(tmp_path / "state"), [Environment(issuer, os.urandom)], os.urandom)  # noqa: TID251 - a test's entropy
    asyncio.run(vault.found([b"a"], "UniqueKey", ["cce"]).close())
    with closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as database, database:
        (wrapped,) = database.execute("SELECT value FROM meta WHERE name = 'key/cce'").fetchone()
        changed = wrapped.replace(b"UniqueKey", b"OtherKey?")
        assert changed != wrapped
        database.execute("UPDATE meta SET value = ? WHERE name = 'key/cce'", (changed,))
    locked = Vault(SqliteStorage(tmp_path / "state"), [Environment(issuer, os.urandom)], os.urandom).open()  # noqa: TID251 - a test's entropy
    assert isinstance(locked, Locked)
    assert "seal mode: expected one that this machine knows, got 'OtherKey?'" in str(locked.reason)


def flip_a_byte_of_record(running: CoordinatorProcess, number: int) -> None:
    with closing(sqlite3.connect(running.folder / "state" / "journal.db")) as database, database:
        (sealed,) = database.execute("SELECT sealed FROM records WHERE number = ?", (number,)).fetchone()
        changed = sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:]
        database.execute("UPDATE records SET sealed = ? WHERE number = ?", (changed, number))
