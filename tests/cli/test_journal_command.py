"""`enclasp journal …` and `status --seen` with a real coordinator: backup, restore, and who notices it."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from tests.cli.conftest import Enclasp
from tests.faults.clients import data, document, marbles_of, outcome, wait_until
from tests.support.coordinator_process import CoordinatorProcess, start

REFUSED, INVALID, USAGE = 4, 3, 2


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], CoordinatorProcess]]:
    started: list[CoordinatorProcess] = []

    def begin() -> CoordinatorProcess:
        started.append(start(tmp_path / "dev"))
        return started[-1]

    yield begin
    for running in started:
        running.kill()


def activate(running: CoordinatorProcess, program: Path, times: int) -> None:
    make = marbles_of(running, program)
    for _ in range(times):
        assert outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK


def deployed(begin: Callable[[], CoordinatorProcess], program: Path, times: int) -> CoordinatorProcess:
    from tests.faults.clients import ask

    running = begin()
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    activate(running, program, times)
    return running


def flags(running: CoordinatorProcess) -> tuple[str, ...]:
    files = {"reference": running.reference, "trust": running.trust, "collateral": running.collateral}
    return tuple(text for name, path in files.items() for text in (f"--{name}", str(path)))


def test_a_running_coordinators_journal_is_checked_with_all_that_is_in_it(
    tmp_path: Path, program: Path, begin: Callable[[], CoordinatorProcess], enclasp: Enclasp
) -> None:
    running = deployed(begin, program, 2)
    done = enclasp("journal", "check", running.folder, "-o", "json")
    assert 0 == done.code, done.err
    assert ("holds", 0, ["cce"]) == tuple(done.document[name] for name in ("chain", "first", "key_sources"))
    assert 2 == done.document["opened"]["events"]["marble-activated"]
    assert {"kept": 2, "missing": []} == done.document["opened"]["evidence"]
    words = enclasp("journal", "check", running.folder).text
    assert "all authentic, and they make a state" in words

    for segment in (running.folder / "state" / "evidence").rglob("*.seg"):
        segment.unlink()
    done = enclasp("journal", "check", running.folder, "-o", "json")
    assert (0, 2) == (done.code, len(done.document["opened"]["evidence"]["missing"])), "what a host took away is named"

    bare = enclasp("journal", "check", running.folder / "state")
    assert 0 == bare.code
    assert "records: NOT opened" in bare.text
    assert enclasp("journal", "check", running.folder, "--structure", "-o", "json").document["opened"] is None


def test_the_first_bad_link_is_named(
    tmp_path: Path, program: Path, begin: Callable[[], CoordinatorProcess], enclasp: Enclasp
) -> None:
    running = deployed(begin, program, 2)
    assert 0 == running.stop()
    with closing(sqlite3.connect(running.folder / "state" / "journal.db")) as database, database:
        (sealed,) = database.execute("SELECT sealed FROM records WHERE number = 3").fetchone()
        changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        database.execute("UPDATE records SET sealed = ? WHERE number = 3", (changed,))
    for options in ((), ("--structure",)):
        done = enclasp("journal", "check", running.folder, *options)
        assert REFUSED == done.code
        assert "error[R403]: journal: record 4: previous link: expected" in done.err


def test_a_restored_state_serves_says_so_in_its_log_and_is_noticed_by_who_saw_a_later_one(
    tmp_path: Path, program: Path, begin: Callable[[], CoordinatorProcess], enclasp: Enclasp
) -> None:
    running = deployed(begin, program, 1)
    done = enclasp("journal", "backup", running.folder, tmp_path / "backup.tar", "-o", "json")
    assert (0, 3) == (done.code, done.document["sequence"]), done.err
    activate(running, program, 2)
    seen = tmp_path / "seen.json"
    status = ("status", running.client_address, *flags(running), "--seen", str(seen), "-o", "json")
    first, second = enclasp(*status), enclasp(*status)
    assert (0, 5, "first") == (first.code, first.document["journal"]["sequence"], first.document["journal"]["seen"])
    activate(running, program, 1)
    assert ("follows", 6) == tuple(enclasp(*status).document["journal"][name] for name in ("seen", "sequence"))
    assert "follows" == second.document["journal"]["seen"]
    remembered = seen.read_bytes()

    state = running.folder / "state"
    busy = enclasp("journal", "restore", tmp_path / "backup.tar", state, "--reason", "why", "--replace")
    assert (INVALID, True) == (busy.code, "R406" in busy.err), busy.err
    assert 0 == running.stop()
    refused = enclasp("journal", "restore", tmp_path / "backup.tar", state, "--reason", "why")
    assert (INVALID, True) == (refused.code, "R452" in refused.err)
    assert USAGE == enclasp("journal", "restore", tmp_path / "backup.tar", state, "--reason", " ", "--replace").code
    done = enclasp("journal", "restore", tmp_path / "backup.tar", state, "--reason", "host 7 broke", "--replace")
    assert 0 == done.code, done.err

    running = begin()
    assert wait_until(lambda: "an older state was accepted" in running.log)
    status = ("status", running.client_address, *flags(running), "--seen", str(seen), "-o", "json")
    older = enclasp(*status)
    assert (REFUSED, True) == (older.code, "record 4: older" in older.err), older.err
    assert "U571" in older.err
    activate(running, program, 4)
    forked = enclasp(*status)
    assert (REFUSED, True) == (forked.code, "the history is another one" in forked.err), forked.err
    assert remembered == seen.read_bytes(), "what is refused is not remembered"

    running.kill()
    running = begin()
    entries = [json.loads(line) for line in data(running.client_address, "/update").splitlines()]
    (said,) = [entry for entry in entries if entry["update"] == "state restored from a backup"]
    assert ("host 7 broke", 3) == (said["reason"], said["sequence"]), "once, also after another start"
    seen.unlink()
    status = ("status", running.client_address, *flags(running), "--seen", str(seen), "-o", "json")
    assert "first" == enclasp(*status).document["journal"]["seen"]
    code, details = outcome(running.mesh_address, marbles_of(running, program)("limited"))
    assert grpc.StatusCode.OK == code, details


def test_who_remembers_nothing_readable_or_verifies_nothing_is_told(
    tmp_path: Path, program: Path, begin: Callable[[], CoordinatorProcess], enclasp: Enclasp
) -> None:
    running = deployed(begin, program, 1)
    seen = tmp_path / "seen.json"
    assert USAGE == enclasp("status", running.client_address, "--seen", seen).code
    for content in (b"", b"{}", b'{"journal": "00", "sequence": 1, "link": "00"}'):
        seen.write_bytes(content)
        done = enclasp("status", running.client_address, *flags(running), "--seen", seen)
        assert (INVALID, True) == (done.code, "expected what `status --seen` wrote" in done.err)
        assert "hint: it is left as it is: give the file that an earlier" in done.err
        assert content == seen.read_bytes()
