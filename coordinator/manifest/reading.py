"""What both readers share: limits, and the list of remarks."""

from typing import Final

from coordinator.manifest.document import Document, Member, Place
from coordinator.manifest.errors import Finding, Severity


class Unreadable(Exception):
    """Nothing behind this place can be read."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Reading:
    """One document being read.  compatible: accept what MarbleRun accepts, with warnings."""

    def __init__(self, document: Document, compatible: bool) -> None:
        self.document = document
        self.compatible = compatible
        self.findings: list[Finding] = []
        self._nodes = 0

    def error(self, code: str, place: Place, message: str, hint: str) -> Finding:
        """An error, not yet in the list."""
        return self.document.finding(Severity.ERROR, code, place, message, hint)

    def refuse(self, code: str, place: Place, message: str, hint: str) -> None:
        """An error in both modes."""
        self.findings.append(self.error(code, place, message, hint))

    def warn(self, code: str, place: Place, message: str, hint: str) -> None:
        """A warning in both modes."""
        self.findings.append(self.document.finding(Severity.WARNING, code, place, message, hint))

    def remark(self, code: str, place: Place, message: str, hint: str) -> None:
        """An error in strict mode, a warning in compatible mode."""
        severity = Severity.WARNING if self.compatible else Severity.ERROR
        self.findings.append(self.document.finding(severity, code, place, message, hint))

    def is_refused(self, pointer: str, *, below: bool = False) -> bool:
        """Whether there is an error at this place already (or below it), so that others would only follow from it."""
        errors = (finding.path for finding in self.findings if finding.severity is Severity.ERROR)
        return any(path == pointer or (below and path.startswith(pointer + "/")) for path in errors)

    def count(self, place: Place, depth: int) -> None:
        """One more value at this depth.  Raises Unreadable beyond the limits."""
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise Unreadable(self.error("E007", place, f"more than {MAX_DEPTH} levels of nesting", "flatten it"))
        if self._nodes > MAX_NODES:
            raise Unreadable(self.error("E007", place, f"more than {MAX_NODES} values", "split the deployment"))

    def duplicates(self, members: list[Member]) -> None:
        """A remark for each key that comes again."""
        seen: dict[str, Member] = {}
        for member in members:
            first = seen.setdefault(member.key, member)
            if first is not member:
                message = f'duplicate key "{member.key}" (first on line {first.place.line + 1})'
                self.remark("E002", member.place, message, "remove one of the two")


MAX_BYTES: Final = 8 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 1_000_000
