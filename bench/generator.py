"""The other end of `bench.load`: starts that process, tells it what to do, reads what it found."""

import json
import subprocess
import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from bench.load import Plan, Result


class LoadFailed(Exception):
    """Something that had to succeed did not; the text tells how many and shows the first."""


class Generator:
    """One load generator process; a context manager that ends it."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._send(asdict(plan))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def prepare(self, count: int) -> None:
        """Make `count` marbles (at most 1,000 may wait); returns when they are ready."""
        self._send({"do": "prepare", "count": count})
        self._receive()

    def activate(self) -> Result:
        """Activate all that were prepared.  Raises LoadFailed unless every one succeeded."""
        self._send({"do": "activate"})
        return self._result("activations")

    def status(self, count: int) -> Result:
        """Ask for the status `count` times, each on a new connection.  Raises LoadFailed unless all succeeded."""
        self._send({"do": "status", "count": count})
        return self._result("status requests")

    def _result(self, what: str) -> Result:
        result = Result(**self._receive())
        if result.failures:
            count = len(result.failures) + len(result.latencies_ms)
            raise LoadFailed(f"{len(result.failures)} of {count} {what} failed, the first: {result.failures[0]}")
        return result

    def _send(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailed(f"the load generator ended by itself, exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
