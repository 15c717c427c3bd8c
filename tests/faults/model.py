"""What a Coordinator must believe: a plain value, and each question of a caller a function from value to value.

None is the answer where the question must be refused, and nothing changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

LIMIT: Final = 4
"""Activations of the manifests' one marble."""
NEEDED: Final = 2
"""Of the two users who may update, both."""


@dataclass(frozen=True)
class Law:
    """A manifest.  owners: of recovery shares, of whom `needed` are needed.  custody: a number for the shares that are
    handed out if this law brings new owners; 0 without owners."""

    fingerprint: str
    owners: tuple[str, ...]
    needed: int
    custody: int


NO_LAW: Final = Law("", (), 0, 0)


@dataclass(frozen=True)
class Model:
    """machine: the one whose key opens the state.  root: of the root key, a number.  raised: security version.

    waiting: no key is there, and the owners in `given` gave their shares to this process.
    """

    law: Law = NO_LAW
    root: int = 0
    machine: int = 0
    activations: int = 0
    counters: tuple[tuple[str, int], ...] = ()
    secret: bytes = b""
    pending: str = ""
    approved: tuple[str, ...] = ()
    raised: int = 0
    steps: int = 0
    recoveries: int = 0
    waiting: bool = False
    given: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of the law."""
        return self.law.fingerprint

    @property
    def serves(self) -> bool:
        """Whether a law is in force, and the state open."""
        return self.law is not NO_LAW and not self.waiting

    def opened_on(self, machine: int) -> "Model":
        """After a start."""
        return replace(self, waiting=self.law is not NO_LAW and machine != self.machine, given=())

    def set_manifest(self, law: Law, root: int, machine: int) -> "Model | None":
        """Also in the place of a state that waits for its owners."""
        return None if self.serves else Model(law=law, root=root, machine=machine, steps=1)

    def activate(self) -> "Model | None":
        return replace(self, activations=self.activations + 1) if self.serves and self.activations < LIMIT else None

    def counter(self, name: str) -> int:
        return dict(self.counters).get(name, 0)

    def raise_counter(self, name: str, value: int) -> "Model | None":
        if not self.serves:
            return None
        raised: Mapping[str, int] = {**dict(self.counters), **({name: value} if value > self.counter(name) else {})}
        return replace(self, counters=tuple(sorted(raised.items())))

    def write_secret(self, value: bytes) -> "Model | None":
        return replace(self, secret=value) if self.serves else None

    def propose(self, who: str, fingerprint: str) -> "Model | None":
        return None if self.pending or not self.serves else replace(self, pending=fingerprint, approved=(who,))

    def acknowledge(self, who: str, law: Law) -> "Model | None":
        if not self.serves or not self.pending or self.pending != law.fingerprint:
            return None
        if who in self.approved:
            return self
        same = (law.owners, law.needed) == (self.law.owners, self.law.needed)
        in_force = replace(law, custody=self.law.custody) if same else law
        return replace(self, law=in_force, pending="", approved=(), steps=self.steps + 1)

    def cancel(self) -> "Model | None":
        return replace(self, pending="", approved=()) if self.serves and self.pending else None

    def raise_version(self, version: int) -> "Model | None":
        if self.pending or not self.serves or version < max(1, self.raised):
            return None
        return replace(self, raised=version, steps=self.steps + 1)

    @property
    def missing(self) -> int:
        """How many owners have yet to give their shares."""
        return self.law.needed - len(self.given)

    def give(self, who: str, custody: int, machine: int) -> "Model | None":
        """An owner's own share, of these that were handed out."""
        if not self.waiting or self.law.custody != custody or who not in self.law.owners or who in self.given:
            return None
        after = replace(self, given=tuple(sorted((*self.given, who))))
        return after if after.missing else replace(after.recorded(), machine=machine, waiting=False, given=())

    def recorded(self) -> "Model":
        """The journal says that it was recovered, but no key of a machine opens it yet."""
        return replace(self, recoveries=self.recoveries + 1)
