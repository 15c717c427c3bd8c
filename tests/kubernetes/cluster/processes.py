"""The cluster's programs as processes: started with a log each, ended surely, and never somebody else's."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class NotReady(Exception):
    """A program of the cluster ended, or did not get ready in time; the text names its log."""


def quiet(*command: object) -> bool:
    """Run a command for its exit code only."""
    done = subprocess.run(
        [str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


class Processes:
    """Remembers, in a file, every process by its number and start time, so that a later run can end what is left."""

    def __init__(self, folder: Path, netns: str | None) -> None:
        self.folder, self.netns = folder, netns
        self._file = folder / "processes.json"
        (folder / "log").mkdir(parents=True, exist_ok=True)
        self._known: dict[str, list[str]] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def inside(self, command: Sequence[object]) -> list[str]:
        """The command as it runs in the network namespace.

        Not by `ip netns exec`: that mounts a new /sys, which hides the control groups from the kubelet.
        """
        prefix = ["nsenter", f"--net=/run/netns/{self.netns}"] if self.netns else []
        return prefix + [str(each) for each in command]

    def start(
        self, name: str, command: Sequence[object], environ: Mapping[str, str] | None = None, *, outside: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a program; its output goes to log/NAME.log."""
        words = [str(each) for each in command] if outside else self.inside(command)
        with (self.folder / "log" / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environ or {})},
            )
        self._known[name] = [str(process.pid), _started(process.pid) or ""]
        self._remember()
        return process

    def answers(self, url: str) -> bool:
        """Whether something answers this URL from inside."""
        probe = f"import urllib.request as u; u.urlopen({url!r}, timeout=2).read()"
        return quiet(*self.inside([sys.executable, "-I", "-c", probe]))

    def wait(
        self, what: str, check: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, seconds: float = 120
    ) -> None:
        """Until `check` holds.  Raises NotReady."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if check():
                return
            if process is not None and process.poll() is not None:
                raise NotReady(f"{what} ended with {process.returncode}; see {self.folder}/log")
            time.sleep(0.1)
        raise NotReady(f"{what} is not ready after {seconds:g} s; see {self.folder}/log")

    def stop(self, *names: str) -> None:
        """End these, or all: SIGTERM to all at once, SIGKILL to what is there 2 seconds later (data is thrown away)."""
        chosen = {name: self._known.pop(name) for name in names or tuple(self._known) if name in self._known}
        for wish, seconds in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
            left = {int(pid) for pid, started in chosen.values() if _started(int(pid)) == started}
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, wish)
            end = time.monotonic() + seconds
            while time.monotonic() < end and any(_started(pid) for pid in left):
                for pid in left:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)
                time.sleep(0.05)
        self._remember()

    def _remember(self) -> None:
        """Whole or not at all, also if this run is killed now."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._known))
        new.replace(self._file)


def _started(pid: int) -> str | None:
    """The start time of a process that has not ended: it tells it from a later one of the same number."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        if fields[0] not in "ZX":
            return fields[19]
    return None
