"""What is on a disk, and a power switch."""

from collections.abc import Callable
from typing import Any

from coordinator.journal.errors import StorageFailed
from coordinator.journal.memory import MemoryStorage


class CrashingStorage(MemoryStorage):
    """It may fail before or after a write, and then until power is back."""

    def __init__(self) -> None:
        super().__init__()
        self._writes_left: int | None = None
        self._after = False

    def arm(self, writes: int, *, after: bool) -> None:
        """Let so many writes pass; the next one crashes, with its content kept (`after`) or lost."""
        self._writes_left, self._after = writes, after

    def power_on(self) -> None:
        self._writes_left = None

    def create(self, meta: Any, records: Any) -> None:
        self._write(lambda: MemoryStorage.append(self, records, expected_head=-1), lambda: self._keep(meta))

    def append(self, records: Any, *, expected_head: int) -> None:
        self._write(lambda: MemoryStorage.append(self, records, expected_head=expected_head))

    def replace(self, records: Any, *, expected_head: int, meta: Any = None) -> None:
        self._write(lambda: MemoryStorage.replace(self, records, expected_head=expected_head, meta=meta))

    def put_meta(self, meta: Any) -> None:
        self._write(lambda: self._keep(meta))

    def move_aside(self) -> None:
        self._write(lambda: MemoryStorage.move_aside(self))

    def _keep(self, meta: Any) -> None:
        MemoryStorage.put_meta(self, meta)

    def _write(self, *steps: Callable[[], None]) -> None:
        crashes = self._writes_left == 0
        if self._writes_left:
            self._writes_left -= 1
        if not crashes or self._after:
            for step in steps:
                step()
        if crashes:
            self._after = False
            raise StorageFailed("the disk of this test", "write", "power is off")
