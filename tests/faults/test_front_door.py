"""Slow, greedy and vanishing callers at the front door: bounded memory and time, and everybody else is served."""

import gzip
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import quick_coordinator
from tests.faults.clients import (
    answer,
    ask,
    connect,
    document,
    phase,
    post,
    resident_bytes,
    wait_until,
)
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.ports import free_ports

Begin = Callable[..., CoordinatorProcess]

REQUEST_SECONDS = 2.0
IDLE_SECONDS = 3.0
SLACK_SECONDS = 4.0
MEMORY = 30 * 1024 * 1024


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorProcess]:
    """Nobody has set a manifest on it, and no test that uses it succeeds to."""
    folder = tmp_path_factory.mktemp("quick") / "dev"
    folder.mkdir()
    client, mesh = (f"127.0.0.1:{port}" for port in free_ports(2))
    environment = {**os.environ, "EDG_COORDINATOR_CLIENT_ADDR": client, "EDG_COORDINATOR_MESH_ADDR": mesh}
    command = [sys.executable, quick_coordinator.__file__, str(folder), str(REQUEST_SECONDS), str(IDLE_SECONDS)]
    with (folder / "coordinator.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    running = CoordinatorProcess(folder, process, client, mesh, "")
    assert wait_until(lambda: answers(client), seconds=30), running.log
    for _ in range(3):
        phase(client)  # what the first requests load stays
    yield running
    running.kill()


def answers(address: str) -> bool:
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def test_a_header_that_comes_a_byte_a_second_is_ended_in_time(quick: CoordinatorProcess) -> None:
    with connect(quick.client_address) as slow:
        begin = time.monotonic()
        slow.sendall(b"GET /status HTTP/1.1\r\n")
        slow.settimeout(1)
        status = 0
        while time.monotonic() < begin + REQUEST_SECONDS + SLACK_SECONDS and status == 0:
            slow.sendall(b"X")
            try:
                status = answer(slow)[0]
            except TimeoutError:
                assert 2 == phase(quick.client_address), "others are served meanwhile"
        assert 408 == status
    with connect(quick.client_address) as twin:
        twin.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n")
        time.sleep(REQUEST_SECONDS / 4)
        twin.sendall(b"X: y\r\n\r\n")
        assert 200 == answer(twin)[0]


def test_a_body_that_never_ends_is_ended_in_time(quick: CoordinatorProcess) -> None:
    with connect(quick.client_address) as slow:
        slow.sendall(b"POST /manifest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        begin = time.monotonic()
        status, body = answer(slow)
        assert (408, True) == (status, b"request not complete after 2 s" in body)
        assert REQUEST_SECONDS - 1 < time.monotonic() - begin < REQUEST_SECONDS + SLACK_SECONDS
    assert 2 == phase(quick.client_address)


def test_connections_that_never_ask_are_ended_and_cost_little(quick: CoordinatorProcess) -> None:
    before = resident_bytes(quick.process.pid)
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(quick.client_address)) for _ in range(200)]
        begin = time.monotonic()
        assert 2 == phase(quick.client_address)
        assert resident_bytes(quick.process.pid) - before < MEMORY
        for connection in idle:
            connection.settimeout(max(0.1, begin + IDLE_SECONDS + SLACK_SECONDS - time.monotonic()))
            assert b"" == connection.recv(1), "ended by the server, without a word"


def test_a_connection_kept_alive_is_served_again_and_then_ended(quick: CoordinatorProcess) -> None:
    with connect(quick.client_address) as connection:
        for _ in range(3):
            connection.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
            assert 200 == answer(connection)[0]
            connection.sendall(post("/manifest", b"no manifest"))
            assert 400 == answer(connection)[0]
        connection.settimeout(IDLE_SECONDS + SLACK_SECONDS)
        assert b"" == connection.recv(1)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"X: " + b"y" * 100 * 1024 + b"\r\n", id="one line"),
        pytest.param(b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)), id="many lines"),
        pytest.param(b"y" * 100 * 1024, id="no end"),
    ],
)
def test_a_header_of_100_kib_is_refused(quick: CoordinatorProcess, header: bytes) -> None:
    with connect(quick.client_address) as greedy:
        greedy.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n" + header)
        assert 431 == answer(greedy)[0]
    with connect(quick.client_address) as twin:
        twin.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 15 * 1024 + b"\r\n\r\n")
        assert 200 == answer(twin)[0]


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_9_mib_are_refused_and_never_held(quick: CoordinatorProcess, chunked: bool) -> None:
    before = resident_bytes(quick.process.pid)
    megabyte = b"x" * 1024 * 1024
    for _ in range(5):
        with connect(quick.client_address) as greedy:
            length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 9437184"
            try:
                greedy.sendall(b"POST /manifest HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
                for _ in range(9):
                    greedy.sendall(b"100000\r\n" + megabyte + b"\r\n" if chunked else megabyte)
            except (ConnectionError, ssl.SSLError):
                assert 413 == answer(greedy)[0]
                continue
            assert 413 == answer(greedy)[0]
    assert 2 == phase(quick.client_address)
    assert resident_bytes(quick.process.pid) - before < MEMORY


def test_many_large_bodies_at_a_time_share_bounded_memory(quick: CoordinatorProcess) -> None:
    before = resident_bytes(quick.process.pid)
    with ExitStack() as stack:
        greedy = [stack.enter_context(connect(quick.client_address)) for _ in range(12)]
        refused = 0
        for connection in greedy:
            connection.settimeout(REQUEST_SECONDS + SLACK_SECONDS)
            connection.sendall(b"POST /manifest HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
            try:
                connection.sendall(b"x" * 5_000_000)
            except (ConnectionError, ssl.SSLError):
                refused += 1
        assert 2 == phase(quick.client_address)
        assert resident_bytes(quick.process.pid) - before < MEMORY
        statuses = [answer(connection)[0] for connection in greedy]
        assert {503, 408} == set(statuses) - {0}, "three fit in, and are too slow; the others find no room"
    with connect(quick.client_address) as later:
        later.sendall(post("/manifest", b"x" * 1_000_000))
        assert 400 == answer(later)[0], "the memory is given back"


def test_a_compressed_body_is_taken_as_it_is(quick: CoordinatorProcess) -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    before = resident_bytes(quick.process.pid)
    with connect(quick.client_address) as connection:
        head = f"POST /manifest HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        connection.sendall(head.encode() + bomb)
        assert 400 == answer(connection)[0]
    assert resident_bytes(quick.process.pid) - before < MEMORY


def test_broken_requests_are_400_and_leave_no_traceback_in_the_log(quick: CoordinatorProcess) -> None:
    for raw in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: x\r\nContent-Length: -17\r\n\r\n",
        b"POST /manifest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
    ):
        with connect(quick.client_address) as connection:
            connection.sendall(raw)
            assert 400 == answer(connection)[0], raw
    assert "Traceback" not in quick.log
    assert "-17" not in quick.log, "a stranger's bytes"


def test_a_caller_that_hangs_up_in_the_middle_of_a_manifest_changes_nothing(
    quick: CoordinatorProcess, program: Path
) -> None:
    request = post("/manifest", document(program))
    for part in (len(request) // 2, len(request) - 1):
        with connect(quick.client_address) as connection:
            connection.sendall(request[:part])
    time.sleep(0.3)
    assert 2 == phase(quick.client_address)
    assert "Traceback" not in quick.log


def test_a_caller_that_hangs_up_after_a_manifest_has_set_all_of_it_or_nothing(
    tmp_path: Path, program: Path, begin: Begin
) -> None:
    running = begin(tmp_path / "dev")
    manifest = document(program)
    with connect(running.client_address) as connection:
        connection.sendall(post("/manifest", manifest))
    wait_until(lambda: phase(running.client_address) == 3, seconds=3)
    if phase(running.client_address) == 3:
        status, body = ask(running.client_address, "/manifest", manifest)
        assert (400, True) == (status, b"server is not in expected state" in body)
    else:
        assert 200 == ask(running.client_address, "/manifest", manifest)[0]
    assert 3 == phase(running.client_address)
    running.kill()
    again = begin(tmp_path / "dev")
    assert 3 == phase(again.client_address)


def test_a_request_that_hangs_does_not_keep_the_process_from_stopping(quick: CoordinatorProcess) -> None:
    with connect(quick.client_address) as slow:
        slow.sendall(b"POST /manifest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        time.sleep(0.2)
        begin = time.monotonic()
        assert 0 == quick.stop()
        assert time.monotonic() - begin < 2 + SLACK_SECONDS
