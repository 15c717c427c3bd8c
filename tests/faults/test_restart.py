"""A restart changes nothing: roots, secrets, counters, and that evidence counts once, also behind a snapshot."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import grpc

from attestation.anchors import TrustAnchors
from attestation.binding import of_certificate
from attestation.endorsements import parse_bundle
from attestation.evidence import recognise
from attestation.issue import find_issuer
from attestation.verify import Verifier
from coordinator.journal.key import parse_wrapped, unwrap
from coordinator.journal.keyring import Keyring, read_keyring
from coordinator.journal.segments import read_archive
from coordinator.journal.sqlite import SqliteStorage
from coordinator.program import own_program
from coordinator.state.kept_evidence import decode_kept
from pki.certificates import der
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


def test_evidence_of_every_activation_is_kept_and_can_be_verified_again(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    running = begin(tmp_path / "dev")
    assert 200 == ask(running.client_address, "/manifest", document(program))[0]
    make = marbles_of(running, program)
    joins = [make("limited"), make("full")]
    for join in joins:
        assert outcome(running.mesh_address, join)[0] is grpc.StatusCode.OK
        running.kill()
        running = begin(tmp_path / "dev")
    running.kill()
    issuer = find_issuer({"ENCLASP_SIMULATION": str(running.folder / "simulation")}, own_program())
    storage = SqliteStorage(running.folder / "state")
    keyring = read_keyring(storage)
    storage.close()
    assert isinstance(keyring, Keyring)
    wrapped = keyring.wrapped_keys["cce"]
    data_key = unwrap(wrapped, issuer.sealing_key(parse_wrapped(wrapped).mode), keyring.journal_id)
    folder = running.folder / "state" / "evidence" / keyring.journal_id.hex()
    kept = [decode_kept(entry.body) for entry in read_archive(folder, keyring.journal_id, data_key)]
    assert ["limited", "full"] == [entry.marble for entry in kept]
    assert [der(join.certificate) for join in joins] == [entry.certificate for entry in kept]
    anchors = TrustAnchors.genuine().with_simulated(running.trust.read_bytes())
    verifier = Verifier(anchors, parse_bundle(running.collateral.read_bytes()))
    for entry in kept:
        when = datetime.fromtimestamp(entry.time_ms / 1000, UTC)
        verifier.verify(recognise(entry.evidence), of_certificate(entry.certificate), now=when).attested()
