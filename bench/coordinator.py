"""The coordinator under test: a real process, as `enclasp coordinator run --dev` starts it."""

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from attestation.simulation.folder import create
from bench.process import Usage, usage
from tests.support.ports import free_ports

_START_SECONDS = 30.0
_POLL_SECONDS = 0.005


class CoordinatorFailed(Exception):
    """The coordinator did not start, did not answer as it should, or did not end; the text holds its last words."""


class Coordinator:
    """A dev coordinator on loopback with its state in `folder`; a context manager that ends it.

    It runs from bytecode, as an installed one does; coordinators in the same folder share it, and the first makes it.

    environ: further variables.  profile: where cProfile's statistics of the coordinator's main thread go when it ends;
    None runs it as it is.
    start_ms, start_cpu_ms: from the start of the process to its first answered status request; the simulated vendors
    are made before, since hardware has them.
    """

    def __init__(
        self, folder: Path, *, profile: Path | None = None, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        create(folder / "simulation")
        self.folder = folder
        self.client_port, self.mesh_port = free_ports(2)
        self._log = folder / "bench.log"
        program = ["-m", "bench.profiled", str(profile)] if profile else ["-m", "coordinator.cli.main"]
        command = [*program, "coordinator", "run", "--dev", "--state-dir", str(folder)]
        environment = os.environ | {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"),
            "EDG_COORDINATOR_CLIENT_ADDR": f"127.0.0.1:{self.client_port}",
            "EDG_COORDINATOR_MESH_ADDR": f"127.0.0.1:{self.mesh_port}",
            **environ,
        }
        with self._log.open("ab") as log:
            begin = time.perf_counter()
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._await_status(begin + _START_SECONDS)
        self.start_ms = (time.perf_counter() - begin) * 1000
        self.start_cpu_ms = self.usage().cpu_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def simulation(self) -> Path:
        """The folder of the simulated vendor."""
        return self.folder / "simulation"

    def usage(self) -> Usage:
        """CPU time and memory so far.  Raises CoordinatorFailed if it has ended."""
        if self._process.poll() is not None:
            raise CoordinatorFailed(f"the coordinator ended with exit code {self._process.returncode}\n{self._tail()}")
        return usage(self._process.pid)

    def state_bytes(self) -> int:
        """Size of all files of the state."""
        return _size(self.folder / "state")

    def evidence_bytes(self) -> int:
        """Size of the kept evidence, which is part of the state."""
        return _size(self.folder / "state" / "evidence")

    def set_manifest(self, raw: bytes) -> float:
        """Set the manifest; milliseconds that it took.  Raises CoordinatorFailed unless it is accepted."""
        begin = time.perf_counter()
        self.request("POST", "/api/v2/manifest", {"manifest": base64.b64encode(raw).decode()})
        return (time.perf_counter() - begin) * 1000

    def request(self, method: str, path: str, body: dict[str, object] | None = None) -> Any:
        """The data of the answer to one request.

        Raises CoordinatorFailed unless it is a success, OSError or HTTPException if there is no answer.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.client_port, context=context, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise CoordinatorFailed(f"{method} {path}: expected HTTP 200, got {response.status}: {text[:500]!r}")
        return json.loads(text)["data"]

    def stop(self) -> None:
        """End it by SIGTERM; SIGKILL after 20 seconds, which is a failure."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise CoordinatorFailed(f"the coordinator did not end within 20 s of SIGTERM\n{self._tail()}") from None

    def _await_status(self, deadline: float) -> None:
        while True:
            try:
                self.request("GET", "/api/v2/status")
                return
            except (OSError, http.client.HTTPException) as error:
                if self._process.poll() is None and time.perf_counter() < deadline:
                    time.sleep(_POLL_SECONDS)
                    continue
                self._process.kill()
                self._process.wait()
                raise CoordinatorFailed(
                    f"the coordinator did not start: exit code {self._process.returncode}, {error}\n{self._tail()}"
                ) from error

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
