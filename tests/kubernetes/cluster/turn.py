"""One cluster at a time on a machine: who comes waits, and first removes what a run that was killed left behind."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

RECORD: Final = Path("/run/enclasp-kube-test")
"""Locked by the run that has its turn; says where its cluster is, until that has been stopped."""


@contextmanager
def turn(
    folder: Path, stop: Callable[[Path], None], say: Callable[[str], None], record: Path = RECORD
) -> Iterator[None]:
    """Hold the machine's only cluster, in `folder`.  stop: ends the cluster of a folder, and whatever is left of it."""
    with record.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run has its cluster in {_read(record)}; waiting until it ends")
            fcntl.flock(file, fcntl.LOCK_EX)
        if left := _read(record):
            say(f"removing the cluster in {left}, which an earlier run left behind")
            stop(Path(left))
        stop(folder)
        record.write_text(str(folder))
        try:
            yield
        finally:
            stop(folder)
            record.write_text("")


def _read(record: Path) -> str:
    return record.read_text().strip()
