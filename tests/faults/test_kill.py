"""kill -9 at any moment: afterwards the Coordinator is in a state that existed, and nothing granted is uncounted."""

import base64
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from tests.faults.clients import (
    Crowd,
    answer,
    ask,
    connect,
    data,
    document,
    marbles_of,
    phase,
    post,
    root,
)
from tests.support.coordinator_process import CoordinatorProcess

Begin = Callable[..., CoordinatorProcess]


def test_a_kill_while_a_manifest_is_set_leaves_none_or_exactly_that_one(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    manifest = document(program)
    running = begin(tmp_path / "dev")
    sent = time.monotonic()
    assert 200 == ask(running.client_address, "/manifest", manifest)[0]
    usual = time.monotonic() - sent
    for part in (0.3, 0.9, 1.1):
        if phase(running.client_address) == 3:
            running.kill()
            shutil.rmtree(tmp_path / "dev" / "state")
            running = begin(tmp_path / "dev")
        seen = root(running.client_address).public_key()
        status = post_and_kill(running, manifest, usual * part)
        running = begin(tmp_path / "dev")
        found = phase(running.client_address)
        assert found in (2, 3)
        if status == 200:
            assert 3 == found, "a manifest was acknowledged and is lost"
        if found == 3:
            assert manifest == base64.b64decode(data(running.client_address, "/manifest")["Manifest"])
            assert seen == root(running.client_address).public_key(), "not the root that the client saw"


def post_and_kill(running: CoordinatorProcess, manifest: bytes, delay: float) -> int:
    """Kill so many seconds after the request is sent; the status of the answer, 0 if there was none."""
    with connect(running.client_address) as connection:
        connection.sendall(post("/manifest", manifest))
        time.sleep(delay)
        running.kill()
        return answer(connection)[0]


def test_a_kill_among_activations_never_forgets_one_that_was_granted(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    limit, threads, kills = 40, 4, 2
    marbles = {"m": {"Package": "tdx", "MaxActivations": limit}}
    running = begin(tmp_path / "dev")
    assert 200 == ask(running.client_address, "/manifest", document(program, Marbles=marbles))[0]
    make = marbles_of(running, program)
    granted = 0
    for wanted in (8, 13):
        crowd = Crowd(running.mesh_address, lambda: make("m"))
        crowd.start(threads)
        assert crowd.reaches(wanted)
        running.kill()
        crowd.wait()
        granted += crowd.granted
        assert set(crowd.outcomes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}, crowd.details
        running = begin(tmp_path / "dev")
    last = Crowd(running.mesh_address, lambda: make("m"))
    last.start(threads)
    last.wait()
    granted += last.granted
    assert {grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED} == set(last.outcomes), last.details
    assert limit - kills * threads <= granted <= limit, "lost: at most those on their way at a kill; more: never"
