"""Real programs, started and stopped: none of them outlives the demo, however it ends."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PATIENCE_SECONDS = 30


class StepFailed(Exception):
    """A step of the demo did not do what it should; the text says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended by itself.  out, err: its words."""

    code: int
    out: str
    err: str

    def expect(self, code: int, *words: str) -> "Ended":
        """This, if it ended with `code` and said each of `words`.  Raises StepFailed."""
        said = f"{self.out}\n{self.err}"
        if self.code != code:
            raise StepFailed(f"expected exit code {code}, got {self.code}:\n{said.strip()}")
        if missing := [word for word in words if word not in said]:
            raise StepFailed(f"expected the words {missing}, got:\n{said.strip()}")
        return self


@dataclass(slots=True)
class Processes:
    """Every program that the demo starts.  folder: where each writes NAME.log.

    Each is the leader of a process group of its own, so that a Ctrl-C reaches the demo alone, which then ends them.
    """

    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starting: bool = False
    interrupted: bool = False

    def interrupt(self) -> None:
        """For a signal handler: raise KeyboardInterrupt, once, and never between a start and its being remembered."""
        if not self.interrupted:
            self.interrupted = True
            if not self.starting:
                raise KeyboardInterrupt

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start a program that goes on running; its output goes to NAME.log."""
        with open(self.folder / f"{name}.log", "wb") as log:
            self._launch(name, command, environ, log, log)

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> Ended:
        """Start a program that ends by itself, and wait for that.  Raises StepFailed if it does not end in time."""
        return self.gather(self.spawn(name, command, environ))

    def spawn(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
        """Start a program that ends by itself; `gather` waits for it.  Returns its name."""
        with open(self.folder / f"{name}.out", "wb") as out, open(self.folder / f"{name}.err", "wb") as err:
            self._launch(name, command, environ or {}, out, err)
        return name

    def gather(self, name: str) -> Ended:
        """Wait for a program that `spawn` started."""
        try:
            code = self.running[name].wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise StepFailed(f"{name}: expected an end within {PATIENCE_SECONDS} s:\n{self.words(name)}") from late
        finally:
            self.stop(name)
        out, err = ((self.folder / f"{name}.{end}").read_text(errors="replace") for end in ("out", "err"))
        return Ended(code, out, err)

    def wait_for_port(self, name: str, port: int) -> None:
        """Until a program that `start` started accepts connections.  Raises StepFailed if it ends, or is too slow."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if (code := self.running[name].poll()) is not None:
                raise StepFailed(f"{name}: ended with code {code}:\n{self.words(name)}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        raise StepFailed(f"{name}: nobody listens on port {port} after {PATIENCE_SECONDS} s:\n{self.words(name)}")

    def words(self, name: str) -> str:
        """What a program has said so far: its last lines."""
        paths = (self.folder / f"{name}.{end}" for end in ("log", "out", "err"))
        text = "".join(path.read_text(errors="replace") for path in paths if path.exists())
        return "\n".join(text.splitlines()[-15:])

    def stop(self, name: str) -> None:
        """End a program and everything that it started: SIGTERM, and SIGKILL after 3 seconds."""
        process = self.running[name]
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
        del self.running[name]

    def stop_all(self) -> None:
        """End everything, the last started first."""
        for name in reversed(tuple(self.running)):
            self.stop(name)

    def _launch(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], out: BinaryIO, err: BinaryIO
    ) -> None:
        self.starting = True
        try:
            self.running[name] = subprocess.Popen(
                command,
                env=_environ(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        finally:
            self.starting = False
        if self.interrupted:
            raise KeyboardInterrupt


def _environ(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what somebody exported for another coordinator or marble."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(_OTHERS) or name == "ENCLASP_DEBUG"
    }
    return {**ours, **more}


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of the loopback address that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(int(each.getsockname()[1]) for each in sockets)
    for each in sockets:
        each.close()
    return ports


_OTHERS = ("ENCLASP_", "EDG_", "MARBLE")
