"""A coordinator as a user starts it: a real process on loopback, with simulated hardware in a folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import late_coordinator
from tests.support.ports import free_ports


@dataclass
class CoordinatorProcess:
    """`folder` is what `--state-dir` names: simulation/, reference.yaml and state/ are in it."""

    folder: Path
    process: subprocess.Popen[bytes]
    client_address: str
    mesh_address: str
    metrics_address: str

    @property
    def reference(self) -> Path:
        return self.folder / "reference.yaml"

    @property
    def trust(self) -> Path:
        return self.folder / "simulation" / "trust.pem"

    @property
    def collateral(self) -> Path:
        return self.folder / "simulation" / "collateral.json"

    @property
    def log(self) -> str:
        return (self.folder / "coordinator.log").read_text()

    def stop(self) -> int:
        """End it as an init system does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(20)


def start(
    folder: Path,
    *options: str,
    wait: bool = True,
    code: Path | None = None,
    at: CoordinatorProcess | None = None,
    late_seconds: float = 0,
    **environ: str,
) -> CoordinatorProcess:
    """Start one on free ports; returns when it answers (or has ended: then `process.returncode` says how).

    code: folder whose packages run, instead of ours.  at: one that has ended, in whose place it is.
    late_seconds: by which its clock is behind; then without options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    client, mesh, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    if at is not None:
        client, mesh, metrics = at.client_address, at.mesh_address, at.metrics_address
    environment = {
        **os.environ,
        "EDG_COORDINATOR_CLIENT_ADDR": client,
        "EDG_COORDINATOR_MESH_ADDR": mesh,
        "EDG_COORDINATOR_PROMETHEUS_ADDR": metrics,
        **environ,
    }
    command = [sys.executable, "-m", "coordinator", "coordinator", "run", "--dev", "--state-dir", str(folder), *options]
    if late_seconds:
        command = [sys.executable, late_coordinator.__file__, str(folder), str(late_seconds)]
    with (folder / "coordinator.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=code)
    running = CoordinatorProcess(folder, process, client, mesh, metrics)
    if wait:
        _wait_until_it_answers(running)
    return running


def _wait_until_it_answers(running: CoordinatorProcess) -> None:
    """At both doors: they open one after the other."""
    closed = [running.client_address, running.mesh_address]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and running.process.poll() is None:
        host, port = closed[0].rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            closed.pop(0)
            if not closed:
                return
    if running.process.poll() is None:
        running.kill()
        raise TimeoutError(f"coordinator does not answer after 30 s:\n{running.log}")
