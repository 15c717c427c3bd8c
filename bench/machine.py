"""What machine was it?  Enough to judge the figures, and nothing that names it."""

import os
import platform
import time
from pathlib import Path

import cryptography
from cryptography.hazmat.backends.openssl.backend import backend


def describe() -> dict[str, object]:
    """Processor, cores, memory, kernel, Python and OpenSSL, and the load of the last minute as the run begins.

    python_loop_ms: CPU time of a fixed piece of plain Python.  Builds of the same version differ by a third (Debian's
    is made with profile-guided optimisation, pyenv's is not), which no version number tells.
    """
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1e6, 1),
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
        "python_loop_ms": round(min(_python_loop() for _ in range(5)), 1),
        "cryptography": cryptography.__version__,
        "openssl": backend.openssl_version_text(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _python_loop() -> float:
    """Milliseconds for 100,000 rounds of what servers do all day: attributes, dictionaries, calls, small bytes."""
    begin = time.thread_time()
    seen: dict[int, _Thing] = {}
    for number in range(100_000):
        thing = _Thing(number)
        seen[number & 255] = thing
        if isinstance(thing, _Thing) and len(seen) > 256:
            raise AssertionError(str(thing.number).encode())
        str(number).encode()
    return (time.thread_time() - begin) * 1000


class _Thing:
    __slots__ = ("again", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.again = number


def _first(path: str, label: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == label:
            return value.strip()
    return None
