"""What a fuzz target is: bytes in, and the only errors that may come out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"


def no_seeds() -> Iterable[bytes]:
    """The corpus alone."""
    return ()


@dataclass(frozen=True)
class Target:
    """One way in.  read: what reads the bytes; may: the errors that its docstring names, every other one is a find.

    seeds: what to begin with, besides the corpus: recorded and made data, which is not copied into the corpus.
    """

    name: str
    read: Callable[[bytes], object]
    may: tuple[type[Exception], ...]
    seeds: Callable[[], Iterable[bytes]] = no_seeds

    def __call__(self, data: bytes) -> None:
        """Try it.  Raises what must not be raised."""
        try:
            self.read(data)
        except self.may:
            return

    @property
    def corpus(self) -> tuple[Path, ...]:
        """Small inputs that once showed something: a mistake, or a part of the code that nothing else reaches."""
        return tuple(sorted((CORPUS / self.name).glob("*")))


def vectors(pattern: str) -> Callable[[], Iterable[bytes]]:
    """Recorded files under tests/vectors."""
    return lambda: (path.read_bytes() for path in sorted(VECTORS.glob(pattern)))
