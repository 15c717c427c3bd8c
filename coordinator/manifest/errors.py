"""What is wrong with a document, where, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error refuses the document; a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark.  line, column: from 1, of the place in the source; path: JSON pointer; width: caret length.

    source_line: the text of that line, so that a report can show it without the file.
    """

    code: str
    severity: Severity
    line: int
    column: int
    path: str
    message: str
    hint: str
    width: int = 1
    source_line: str = ""


class ManifestInvalid(Exception):
    """The document is refused; `findings` has every error and warning, in the order of the text."""

    def __init__(self, name: str, findings: tuple[Finding, ...]) -> None:
        self.name = name
        self.findings = findings
        errors = [f for f in findings if f.severity is Severity.ERROR]
        super().__init__("\n".join(f"{name}:{f.line}:{f.column}: {f.code} {f.message}" for f in errors))
