"""What machine was it?  Enough to judge the figures, and nothing that names it."""

import os
import platform
from pathlib import Path

import cryptography
from cryptography.hazmat.backends.openssl.backend import backend


def describe() -> dict[str, object]:
    """Processor, cores, memory, kernel, Python and OpenSSL, and the load of the last minute as the run begins."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1e6, 1),
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
        "cryptography": cryptography.__version__,
        "openssl": backend.openssl_version_text(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _first(path: str, label: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == label:
            return value.strip()
    return None
