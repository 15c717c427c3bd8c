"""Counters by name in a frozen map that is cheap to change: a change copies the square root of it, not all of it."""

from collections.abc import Iterator, Mapping
from typing import Final

_BUCKETS: Final = 64


class Tally(Mapping[str, int]):
    """Counts by name.  `plus` and `with_count` give a new one, and share with it all but one of 64 buckets."""

    __slots__ = ("_buckets", "_length")

    def __init__(self, counts: Mapping[str, int]) -> None:
        buckets: list[dict[str, int]] = [{} for _ in range(_BUCKETS)]
        for name, count in counts.items():
            buckets[hash(name) % _BUCKETS][name] = count
        self._buckets: tuple[Mapping[str, int], ...] = tuple(buckets)
        self._length = len(counts)

    def __getitem__(self, name: str) -> int:
        return self._buckets[hash(name) % _BUCKETS][name]

    def __iter__(self) -> Iterator[str]:
        return (name for bucket in self._buckets for name in bucket)

    def __len__(self) -> int:
        return self._length

    def plus(self, name: str, number: int) -> "Tally":
        """The same, with `number` more of this name."""
        return self.with_count(name, self.get(name, 0) + number)

    def with_count(self, name: str, count: int) -> "Tally":
        """The same, with this count of this name."""
        place = hash(name) % _BUCKETS
        buckets = list(self._buckets)
        buckets[place] = {**buckets[place], name: count}
        changed = Tally.__new__(Tally)
        changed._buckets = tuple(buckets)
        changed._length = self._length + (name not in self._buckets[place])
        return changed


NONE_COUNTED: Final = Tally({})
