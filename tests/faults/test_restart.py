"""A restart changes nothing: roots, secrets, counters, and that evidence counts once, also behind a snapshot."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import grpc

from tests.faults.clients import ask, document, marbles_of, outcome, root
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess

Begin = Callable[..., CoordinatorProcess]

SNAPSHOT_EVERY = 5
KEPT = ("SHARED", "OWN", "WEB", "WEB_CERT", "MARBLE_PREDEFINED_ROOT_CA", "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA")


def test_everything_survives_a_restart_without_and_with_a_snapshot(tmp_path: Path, program: Path, begin: Begin) -> None:
    config = tmp_path / "coordinator.toml"
    config.write_text(f"snapshot_every = {SNAPSHOT_EVERY}\n")
    running = begin(tmp_path / "dev", "--config", str(config))
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    make = marbles_of(running, program)
    shown, first = root(running.client_address), make("full")
    given = kept(running, first)
    assert outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK
    assert records(running) == 3 + 2, "what founds a state, and two activations"

    running.kill()
    running = begin(tmp_path / "dev", "--config", str(config))
    assert shown == root(running.client_address), "the same certificate, not only the same key"
    assert "A203" in outcome(running.mesh_address, first)[1], "evidence that was used before the restart"
    assert given == kept(running, make("full"))
    for _ in range(8):
        assert outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK
    assert records(running) < 3 + 11, "a snapshot has taken the place of what came before"

    assert 0 == running.stop()
    running = begin(tmp_path / "dev", "--config", str(config))
    assert shown == root(running.client_address)
    assert "A203" in outcome(running.mesh_address, first)[1], "evidence that was used before the snapshot"
    assert given == kept(running, make("full"))
    assert outcome(running.mesh_address, make("limited"))[0] is grpc.StatusCode.OK
    assert "A202" in outcome(running.mesh_address, make("limited"))[1], "ten were granted, over three lives"


def kept(running: CoordinatorProcess, join: marble_client.Join) -> dict[str, bytes]:
    """What the marble is given that must be the same for every marble with this UUID."""
    env = marble_client.send(running.mesh_address, join).Parameters.Env
    return {name: env[name] for name in KEPT}


def records(running: CoordinatorProcess) -> int:
    """How many records the journal on disk holds."""
    copy = running.folder / "copy"
    copy.mkdir(exist_ok=True)
    for name in ("journal.db", "journal.db-wal"):
        (copy / name).write_bytes((running.folder / "state" / name).read_bytes())
    database = sqlite3.connect(copy / "journal.db")
    try:
        return int(database.execute("SELECT count(*) FROM records").fetchone()[0])
    finally:
        database.close()
