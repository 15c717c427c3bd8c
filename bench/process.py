"""What has a process used?  CPU time and memory of a process and its children, as Linux counts them."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu_ms: user + system time of all threads since the start, in ticks of 10 ms.

    rss_mb: resident now, in 10^6 bytes.
    """

    cpu_ms: float
    rss_mb: float


def usage(pid: int) -> Usage:
    """What `pid` and all its living descendants have used.

    Raises FileNotFoundError if the process is gone.
    Source: proc(5), /proc/PID/stat, fields 14 (utime), 15 (stime), 24 (rss).
    """
    parents = _parents()
    family = {pid}
    while True:
        children = {child for child, parent in parents.items() if parent in family} - family
        if not children:
            break
        family |= children
    cpu_ms = rss = 0.0
    for member in family:
        try:
            fields = _fields(member)
        except FileNotFoundError:
            if member == pid:
                raise
            continue
        cpu_ms += (int(fields[11]) + int(fields[12])) * _TICK_MS
        rss += int(fields[21]) * _PAGE / 1e6
    return Usage(cpu_ms, rss)


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int(_fields(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from number 3 (state) on; the name before them may hold blanks and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
