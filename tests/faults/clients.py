"""Clients that the fault tests need: one that can stop half-way, and a crowd of marbles that keeps count."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from OpenSSL import SSL

from attestation.kinds import Kind
from attestation.simulation.measure import measure_program
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.ports import free_port


def connect(address: str, *, timeout: float = 20) -> ssl.SSLSocket:
    """A TLS connection to the front door that trusts anybody."""
    host, port = address.rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    raw = socket.create_connection((host, int(port)), timeout=timeout)
    try:
        return context.wrap_socket(raw)
    except OSError:
        raw.close()
        raise


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST request."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answer(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    """Status and body of the next answer; (0, b"") if the connection ends without one."""
    received = b""
    try:
        while (end := received.find(b"\r\n\r\n")) < 0 or len(received) < end + 4 + _length(received[:end]):
            if not (more := connection.recv(65536)):
                return 0, b""
            received += more
    except (ConnectionError, ssl.SSLError):
        return 0, b""
    return int(received.split(b" ", 2)[1]), received[end + 4 :]


def ask(address: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request on a new connection."""
    with connect(address) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() if body is None else post(path, body))
        return answer(connection)


def data(address: str, path: str) -> Any:
    """The `data` of a successful GET."""
    status, body = ask(address, path)
    assert 200 == status, body
    return json.loads(body)["data"]


def phase(address: str) -> int:
    """The status code (contract 1.3)."""
    return int(data(address, "/status")["StatusCode"])


def root(address: str) -> x509.Certificate:
    """The Coordinator's root certificate as `GET /quote` shows it."""
    return x509.load_pem_x509_certificates(data(address, "/quote")["Cert"].encode())[1]


def document(program: Path, **changes: Any) -> bytes:
    """A manifest with a marble `limited`, of which 10 may join, and one `full` with all kinds of secrets.

    changes: top-level keys, over the ones here.
    """
    measured = measure_program([str(program)])
    content: dict[str, Any] = {
        "Packages": {"tdx": {"TDX": {"MRTD": measured.mrtd.hex()}}},
        "Marbles": {
            "limited": {"Package": "tdx", "MaxActivations": 10},
            "full": {
                "Package": "tdx",
                "MaxActivations": 100,
                "Parameters": {
                    "Env": {
                        "SHARED": "{{ hex .Secrets.shared }}",
                        "OWN": "{{ hex .Secrets.own }}",
                        "WEB": "{{ pem .Secrets.web.Private }}",
                        "WEB_CERT": "{{ pem .Secrets.web.Cert }}",
                    }
                },
            },
        },
        "Secrets": {
            "shared": {"Type": "symmetric-key", "Size": 128, "Shared": True},
            "own": {"Type": "symmetric-key", "Size": 256},
            "web": {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "ValidFor": 7},
        },
    }
    return json.dumps(content | changes).encode()


def marbles_of(running: CoordinatorProcess, program: Path) -> Callable[[str], marble_client.Join]:
    """Makes a fresh marble of a type, with evidence for `program` of the simulated vendor beside the Coordinator."""
    quote = marble_client.simulated(running.folder, Kind.TDX, program)
    return lambda marble_type: marble_client.prepare(quote, marble_type)


def outcome(address: str, join: marble_client.Join, *, timeout: float = 20) -> tuple[grpc.StatusCode, str]:
    """The status of one activation, and its details where it was refused or failed.

    A connection that is cut before the call counts as UNAVAILABLE, as grpcio says of one that is cut in it.
    """
    try:
        marble_client.send(address, join, timeout=timeout)
    except (OSError, SSL.Error) as cause:
        return grpc.StatusCode.UNAVAILABLE, repr(cause)
    except grpc.RpcError as error:
        if not isinstance(error, grpc.Call):
            raise
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


@dataclass
class Crowd:
    """Threads that activate one fresh marble after the other, each until its first refusal.  Counts what came of it."""

    address: str
    make: Callable[[], marble_client.Join]
    outcomes: dict[grpc.StatusCode, int] = field(default_factory=dict)
    details: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, threads: int) -> None:
        self._threads = [threading.Thread(target=self._activate) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Until every thread was refused, or its connection cut."""
        for thread in self._threads:
            thread.join()

    def reaches(self, granted: int) -> bool:
        """Wait for so many grants; False if they do not come."""
        return wait_until(lambda: self.granted >= granted)

    @property
    def granted(self) -> int:
        return self.outcomes.get(grpc.StatusCode.OK, 0)

    def _activate(self) -> None:
        code = grpc.StatusCode.OK
        while code is grpc.StatusCode.OK:
            code, details = outcome(self.address, self.make())
            with self._lock:
                self.outcomes[code] = self.outcomes.get(code, 0) + 1
                self.details.add(details)


def run_to_its_end(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A Coordinator that cannot start: exit code, stdout and stderr."""
    command = [sys.executable, "-m", "coordinator", "coordinator", "run", *options]
    doors = {f"EDG_COORDINATOR_{door}_ADDR": f"127.0.0.1:{free_port()}" for door in ("CLIENT", "MESH")}
    environment = {**os.environ, **doors, **environ}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    """True as soon as the condition holds; False if it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def resident_bytes(process_id: int) -> int:
    """RSS of a process."""
    return int(_status(process_id)["VmRSS"].split()[0]) * 1024


def _status(process_id: int) -> Mapping[str, str]:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _length(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
