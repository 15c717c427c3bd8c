"""What both readers share: limits, and the list of remarks."""

from collections import Counter
from dataclasses import replace
from typing import Final

from coordinator.manifest.document import Document, Member, Place
from coordinator.manifest.errors import Finding, Severity


class Unreadable(Exception):
    """Nothing behind this place can be read, or is worth it."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Reading:
    """One document being read.  compatible: accept what MarbleRun accepts, with warnings.

    is_new_style: a field that MarbleRun does not have was met, so that our own defaults hold (design.md, 7).
    """

    def __init__(self, document: Document, compatible: bool) -> None:
        self.document = document
        self.compatible = compatible
        self.findings: list[Finding] = []
        self.is_new_style = False
        self._nodes = 0
        self._refused: set[str] = set()
        self._refused_below: set[str] = set()
        self._counts: Counter[Severity] = Counter()

    def error(self, code: str, place: Place, message: str, hint: str) -> Finding:
        """An error, not yet in the list."""
        return self.document.finding(Severity.ERROR, code, place, message, hint)

    def refuse(self, code: str, place: Place, message: str, hint: str) -> None:
        """An error in both modes.  Raises Unreadable when there are too many."""
        self._add(Severity.ERROR, code, place, message, hint)

    def warn(self, code: str, place: Place, message: str, hint: str) -> None:
        """A warning in both modes."""
        self._add(Severity.WARNING, code, place, message, hint)

    def remark(self, code: str, place: Place, message: str, hint: str) -> None:
        """An error in strict mode, a warning in compatible mode.  Raises Unreadable when there are too many errors."""
        self._add(Severity.WARNING if self.compatible else Severity.ERROR, code, place, message, hint)

    def hide_line(self) -> None:
        """Keep the text of the last remark's line out of reports: it holds a secret."""
        self.findings[-1] = replace(self.findings[-1], source_line="")

    def is_refused(self, pointer: str, *, below: bool = False) -> bool:
        """Whether there is an error at this place already (or below it), so that others would only follow from it."""
        return pointer in self._refused or (below and pointer in self._refused_below)

    def _add(self, severity: Severity, code: str, place: Place, message: str, hint: str) -> None:
        if severity is Severity.ERROR:
            self._refused.add(place.pointer)
            parent = place.pointer
            while parent:
                parent = parent.rpartition("/")[0]
                self._refused_below.add(parent)
        self._counts[severity] += 1
        if severity is Severity.ERROR and self._counts[severity] == MAX_FINDINGS:
            raise Unreadable(self.error("E007", place, f"{MAX_FINDINGS} errors, or more", "mend the others first"))
        if self._counts[severity] <= MAX_FINDINGS:
            self.findings.append(self.document.finding(severity, code, place, message, hint))

    def is_full(self) -> bool:
        """Whether further warnings are dropped, so that nobody need word them."""
        return self._counts[Severity.WARNING] >= MAX_FINDINGS

    def count(self, place: Place, depth: int) -> None:
        """One more value at this depth.  Raises Unreadable beyond the limits."""
        if not self.has_room(depth):
            raise self.too_large(place, depth)

    def has_room(self, depth: int) -> bool:
        """Whether one more value at this depth is within the limits; it is counted."""
        self._nodes += 1
        return depth <= MAX_DEPTH and self._nodes <= MAX_NODES

    def too_large(self, place: Place, depth: int) -> Unreadable:
        """Why there is no room for this value."""
        if depth > MAX_DEPTH:
            return Unreadable(self.error("E007", place, f"more than {MAX_DEPTH} levels of nesting", "flatten it"))
        return Unreadable(self.error("E007", place, f"more than {MAX_NODES} values", "split the deployment"))

    def duplicates(self, members: list[Member]) -> None:
        """A remark for each key that comes again."""
        seen: dict[str, Member] = {}
        for member in members:
            first = seen.setdefault(member.key, member)
            if first is not member:
                message = f'duplicate key "{member.key}" (first on line {first.place.line + 1})'
                self.remark("E002", member.place, message, "remove one of the two")


# Of each severity; nobody reads more, and a hostile document shall not make us hold more.
MAX_FINDINGS: Final = 1000
MAX_BYTES: Final = 8 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 500_000
