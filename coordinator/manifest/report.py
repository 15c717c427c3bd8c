"""Findings for people and for programs."""

from collections.abc import Iterable
from typing import Any, Final

from coordinator.manifest.errors import Finding, Severity


def render_findings(name: str, findings: Iterable[Finding]) -> str:
    """Each finding with its line, a caret below the place, and a hint; empty without findings.  No colours."""
    return "\n".join(_render(name, finding) for finding in findings)


def findings_json(name: str, findings: Iterable[Finding]) -> dict[str, Any]:
    """The document of `enclasp manifest check --output json` (design.md, 9)."""
    listed = [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "file": name,
            "line": finding.line,
            "column": finding.column,
            "path": finding.path,
            "message": finding.message,
            "hint": finding.hint,
        }
        for finding in findings
    ]
    return {"valid": all(entry["severity"] != Severity.ERROR.value for entry in listed), "findings": listed}


def _render(name: str, finding: Finding) -> str:
    margin = " " * len(str(finding.line))
    lines = [
        f"{finding.severity.value}[{finding.code}]: {_clean(finding.message)}",
        f"{margin}--> {_clean(name)}:{finding.line}:{finding.column}",
    ]
    if finding.source_line.strip():
        line, column = _window(finding.source_line, finding.column - 1)
        text = _clean(line)
        width = max(1, min(finding.width, len(text) - column))
        lines += [f"{margin} |", f"{finding.line} | {text}", f"{margin} | {' ' * column}{'^' * width}"]
    if finding.hint:
        lines.append(f"{margin} = hint: {_clean(finding.hint)}")
    return "\n".join(lines) + "\n"


def _window(line: str, column: int) -> tuple[str, int]:
    """The part of a long line around a column, and the column in it."""
    if len(line) <= _WIDTH:
        return line, column
    start = max(0, min(column - _BEFORE, len(line) - _WIDTH))
    end = start + _WIDTH
    head, tail = "…" if start else "", "…" if end < len(line) else ""
    return head + line[start:end] + tail, column - start + len(head)


def _clean(text: str) -> str:
    """Text that cannot move the cursor or change the terminal: the document is somebody else's."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "�" for c in text)


_WIDTH: Final = 100
_BEFORE: Final = 40
