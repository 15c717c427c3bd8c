"""The load generator's own process: `python -m bench.load`, told what to do in JSON lines on its standard input.

First line: a `Plan`.  Then commands, each answered by one line:
`{"do": "prepare", "count": N}` -> `{"prepared": N}`; `{"do": "activate"}` -> a `Result` of all that was prepared;
`{"do": "status", "count": N}` -> a `Result` of N requests on new connections.  It ends at the end of its input.

Threads on blocking sockets: OpenSSL works outside of the interpreter lock, and nothing else is to be done meanwhile.
"""

import json
import os
import resource
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from attestation.issue import find_issuer
from bench.documents import marble_type
from bench.http2 import CallFailed, UnaryCall, farewell, opening
from bench.marbles import PreparedMarble, client_context, client_end, prepare
from marble.protocol import decode_response
from marble.settings import CERTIFICATE_CHAIN

_TIMEOUT_SECONDS = 60
_MARBLE_TYPE = x509.ObjectIdentifier("1.3.9903.2.1")
_MOST_PREPARED = 1000
_STATUS_REQUEST = b"GET /api/v2/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to, as whom, and how many at once.

    program: the file that the simulated evidence measures.  marbles: number of marble types, taken in turn.
    """

    mesh_port: int
    client_port: int
    simulation: str
    program: str
    marbles: int
    clients: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the work.

    seconds: from the first connection to the last answer.  latencies_ms: one per success.  cpu_ms: of this process.
    """

    seconds: float
    latencies_ms: list[float]
    cpu_ms: float
    failures: list[str]


def activate(marble: PreparedMarble, port: int) -> bytes:
    """One activation: new TCP and TLS connection, one call, close.  The message of the answer.

    Raises CallFailed, SSL.Error or OSError.
    """
    connection = marble.connection
    _connect(connection, port)
    try:
        call = UnaryCall(marble.request)
        connection.sendall(opening())
        while not call.ended:
            answer = call.receive(connection.recv(65_536))
            if answer:
                connection.sendall(answer)
        response = call.response()
        connection.sendall(farewell())
        connection.shutdown()
        return response
    finally:
        connection.close()


def ask_status(connection: SSL.Connection, port: int) -> bytes:
    """GET status over HTTP/1.1 on a new TLS connection.  The whole answer; raises CallFailed unless it is a 200."""
    _connect(connection, port)
    try:
        connection.sendall(_STATUS_REQUEST)
        answer = b""
        while True:
            try:
                answer += connection.recv(65_536)
            except (SSL.ZeroReturnError, SSL.SysCallError):
                break
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise CallFailed(f"status: expected HTTP 200, got {answer[:80]!r}")
        return answer
    finally:
        connection.close()


def run_all(work: Iterable[T], clients: int, one: Callable[[T], bytes]) -> tuple[Result, list[tuple[T, bytes]]]:
    """Do all the work with `clients` threads.  The result, and each piece of work with its answer."""
    todo = deque(work)
    latencies: list[float] = []
    failures: list[str] = []
    answers: list[tuple[T, bytes]] = []
    gate = threading.Barrier(clients + 1)

    def client() -> None:
        gate.wait()
        while True:
            try:
                piece = todo.popleft()
            except IndexError:
                return
            begin = time.perf_counter()
            try:
                answer = one(piece)
            except (CallFailed, SSL.Error, OSError) as error:
                failures.append(f"{type(error).__name__}: {error}")
                continue
            latencies.append((time.perf_counter() - begin) * 1000)
            answers.append((piece, answer))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    cpu, begin = time.process_time(), time.perf_counter()
    gate.wait()
    for thread in threads:
        thread.join()
    seconds, cpu_ms = time.perf_counter() - begin, (time.process_time() - cpu) * 1000
    return Result(seconds, latencies, cpu_ms, failures), answers


def judge(marble: PreparedMarble, response: bytes) -> str | None:
    """What is wrong with the answer to a marble; None if it holds the certificate that the marble asked for."""
    chain = x509.load_pem_x509_certificates(decode_response(response).env.get(CERTIFICATE_CHAIN, b""))
    leaf = chain[0]
    common_name = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    kind = leaf.extensions.get_extension_for_oid(_MARBLE_TYPE).value
    if common_name != marble.uuid or kind != x509.UnrecognizedExtension(_MARBLE_TYPE, marble.marble_type.encode()):
        return f"answer: expected a certificate for {marble.marble_type} {marble.uuid}, got {common_name!r}"
    return None


def main() -> None:
    """Obey standard input."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * _MOST_PREPARED), hard))
    issuer = find_issuer(
        os.environ | {"ENCLASP_SIMULATION": plan.simulation, "ENCLASP_SIMULATION_KIND": "sgx"}, [plan.program]
    )
    mesh, rest = client_context("h2"), client_context("http/1.1")
    made = 0
    waiting: list[PreparedMarble] = []
    for line in sys.stdin:
        match json.loads(line):
            case {"do": "prepare", "count": int(count)} if len(waiting) + count <= _MOST_PREPARED:
                now = datetime.now(UTC)  # noqa: TID251 - shell: reads the clock
                waiting += [
                    prepare(marble_type((made + i) % plan.marbles), mesh, issuer, now=now) for i in range(count)
                ]
                made += count
                _say({"prepared": count})
            case {"do": "activate"}:
                result, answers = run_all(waiting, plan.clients, lambda marble: activate(marble, plan.mesh_port))
                result.failures.extend(filter(None, (judge(marble, answer) for marble, answer in answers)))
                waiting = []
                _say(asdict(result))
            case {"do": "status", "count": int(count)}:
                ends = [client_end(rest) for _ in range(count)]
                result, _ = run_all(ends, plan.clients, lambda end: ask_status(end, plan.client_port))
                _say(asdict(result))
            case command:
                raise SystemExit(f"bench.load: expected a command, got {command!r}")


def _connect(connection: SSL.Connection, port: int) -> None:
    limit = struct.pack("ll", _TIMEOUT_SECONDS, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    connection.connect(("127.0.0.1", port))
    connection.do_handshake()


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
