"""What a place must be able to do to hold a journal.  It knows numbers and bytes, and none of their meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

EMPTY_HEAD: Final = -1
"""Number of the last record where there is none."""


@dataclass(frozen=True, slots=True)
class Stored:
    """All that a storage holds.  records: in the order of their numbers, which have no gap."""

    meta: Mapping[str, bytes]
    records: list[bytes]


class Storage(Protocol):
    """A place for one journal and a few named values.  Every write is whole, and durable when it returns.

    Records are numbered from 0, without gaps; numbers go on across `replace`.  Every method may be called from
    any thread, one at a time.  All raise StorageFailed; after a failed write the old content is intact.
    """

    def read_meta(self) -> Mapping[str, bytes]:
        """The named values only; empty where there is no journal."""

    def read(self) -> Stored:
        """Everything."""

    def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
        """Write a new journal, whole.  Raises Conflict if there is one already."""

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        """Add records behind number `expected_head`.  Raises Conflict if that is not the last one's number."""

    def replace(self, records: Sequence[bytes], *, expected_head: int, meta: Mapping[str, bytes] | None = None) -> None:
        """Put records, numbered from `expected_head` + 1, in the place of all.  Raises Conflict as `append` does.

        meta: in the same write, in the place of all named values; None leaves those as they are.
        """

    def put_meta(self, meta: Mapping[str, bytes]) -> None:
        """Set these named values; others stay."""

    def move_aside(self) -> None:
        """Keep the journal and its named values elsewhere, for rescue by hand, and be empty."""

    def close(self) -> None:
        """Let go.  Nothing may be called afterwards; closing twice is fine."""
