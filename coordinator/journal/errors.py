"""What can go wrong with the state at rest: which record, what was expected, what was found, what to do."""

from dataclasses import dataclass

from coordinator.errors import CodedError
from coordinator.journal.codes import CODES


class JournalError(CodedError):
    """Base of this room's errors; the hint is part of the text."""

    codes = CODES


@dataclass(eq=False)
class KeyUnusable(JournalError):
    """The wrapped data key cannot be opened with this sealing key: the coordinator waits for recovery."""

    code = "R401"
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return self._with_hint(f"journal key: {self.field}: expected {self.expected}, got {self.got}")


@dataclass(eq=False)
class KeySourceFailed(JournalError):
    """A configured key source does not answer as it should."""

    code = "R431"
    source: str
    reason: str

    def __str__(self) -> str:
        return self._with_hint(f"{self.source}: {self.reason}")


@dataclass(eq=False)
class WrongKey(JournalError):
    """A data key that opens some other journal, or none."""

    code = "R402"
    expected: str
    got: str

    def __str__(self) -> str:
        return self._with_hint(
            f"journal: key check value: expected {self.expected} (as the storage holds it), got {self.got}"
        )


@dataclass(eq=False)
class BrokenLink(JournalError):
    """The chain does not hold.  record: the number of the first record that is not what it must be."""

    code = "R403"
    record: int
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return self._with_hint(f"journal: record {self.record}: {self.field}: expected {self.expected}, got {self.got}")


@dataclass(eq=False)
class ArchiveBroken(JournalError):
    """Kept evidence is missing or was changed.  place: the file, and the entry in it."""

    code = "R450"
    place: str
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return self._with_hint(f"kept evidence: {self.place}: {self.field}: expected {self.expected}, got {self.got}")


@dataclass(eq=False)
class JournalUnreadable(JournalError):
    """Every record is authentic, and they make no state that this version knows."""

    code = "R453"
    reason: str

    def __str__(self) -> str:
        return self._with_hint(self.reason)


@dataclass(eq=False)
class BackupRefused(JournalError):
    """A backup cannot be used, or not here."""

    code = "R452"
    place: str
    expected: str
    got: str

    def __str__(self) -> str:
        return self._with_hint(f"{self.place}: expected {self.expected}, got {self.got}")


@dataclass(eq=False)
class Conflict(JournalError):
    """The storage has moved on under us.  expected, got: numbers of the last record, -1 for none."""

    code = "R404"
    place: str
    expected: int
    got: int

    def __str__(self) -> str:
        return self._with_hint(
            f"journal in {self.place}: expected record {self.expected} to be the last, got {self.got}"
        )


@dataclass(eq=False)
class StorageFailed(JournalError):
    """Reading or writing failed; nothing of the refused write is acknowledged."""

    code = "R405"
    place: str
    action: str
    reason: str

    def __str__(self) -> str:
        return self._with_hint(f"journal in {self.place}: cannot {self.action}: {self.reason}")


class WriteUncertain(StorageFailed):
    """A write failed, and whether its content was kept cannot be found out."""

    code = "R451"


class StorageInUse(StorageFailed):
    """Another process holds the storage."""

    code = "R406"


@dataclass(eq=False)
class Exchanged(JournalError):
    """What is stored is not what we left there, and nobody who may write has claimed it: an older state, most likely.

    expected, got: the claims' numbers and the last records', in words.
    """

    code = "R498"
    place: str
    expected: str
    got: str

    def __str__(self) -> str:
        what = f"journal in {self.place}: expected what this coordinator wrote last, {self.expected}, got {self.got}"
        return self._with_hint(what)


@dataclass(eq=False)
class JournalGone(JournalError):
    """There is no state where there was one.  journal: its id; sequence: the last record that was seen."""

    code = "R499"
    journal: str
    sequence: int

    def __str__(self) -> str:
        return self._with_hint(f"expected journal {self.journal}, seen up to record {self.sequence}, got none")


@dataclass(eq=False)
class WitnessFailed(JournalError):
    """Who remembers the last record does not answer, or remembers another one."""

    code = "R491"
    place: str
    reason: str

    def __str__(self) -> str:
        return self._with_hint(f"witness: {self.place}: {self.reason}")
