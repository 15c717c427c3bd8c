"""A storage that forgets, for seal mode Disabled."""

from collections.abc import Mapping, Sequence

from coordinator.journal.errors import Conflict
from coordinator.journal.storage import EMPTY_HEAD, Stored


class MemoryStorage:
    """Holds a journal as long as the process lives."""

    def __init__(self) -> None:
        self._meta: dict[str, bytes] = {}
        self._records: list[bytes] = []
        self._head = EMPTY_HEAD

    def read_meta(self) -> Mapping[str, bytes]:
        """As `Storage.read_meta`."""
        return dict(self._meta)

    def read(self) -> Stored:
        """As `Storage.read`."""
        return Stored(dict(self._meta), list(self._records))

    def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
        """As `Storage.create`."""
        self.append(records, expected_head=EMPTY_HEAD)
        self.put_meta(meta)

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        """As `Storage.append`."""
        self._demand_head(expected_head)
        self._records.extend(records)
        self._head += len(records)

    def replace(self, records: Sequence[bytes], *, expected_head: int, meta: Mapping[str, bytes] | None = None) -> None:
        """As `Storage.replace`."""
        self._demand_head(expected_head)
        self._meta = self._meta if meta is None else dict(meta)
        self._records = list(records)
        self._head += len(records)

    def put_meta(self, meta: Mapping[str, bytes]) -> None:
        """As `Storage.put_meta`."""
        self._meta.update(meta)

    def move_aside(self) -> None:
        """Forget: memory has no elsewhere."""
        self._meta, self._records, self._head = {}, [], EMPTY_HEAD

    def close(self) -> None:
        """Nothing to let go."""

    def _demand_head(self, expected: int) -> None:
        if expected != self._head:
            raise Conflict("memory", expected, self._head)
