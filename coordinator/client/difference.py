"""Where two documents differ, for people who agreed on exact bytes."""

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """line: from 1, of the first line that differs; yours, active: its text, None where the document has ended.

    unified: the whole difference, line by line, in the form of `diff -u`.
    only_line_ends: the lines are the same, and end otherwise (LF, CRLF, or nothing in the last one).
    """

    line: int
    yours: str | None
    active: str | None
    unified: tuple[str, ...]
    only_line_ends: bool = False


def differing_lines(yours: bytes, active: bytes, *, name: str) -> Difference | None:
    """The first line in which two documents differ, and the whole difference; None if they are the same bytes."""
    if yours == active:
        return None
    ours, theirs = yours.splitlines(keepends=True), active.splitlines(keepends=True)
    pairs = enumerate(zip(ours, theirs, strict=False))
    index = next((i for i, (one, other) in pairs if one != other), min(len(ours), len(theirs)))
    left, right = [_line_text(line) for line in ours], [_line_text(line) for line in theirs]
    unified = tuple(difflib.unified_diff(left, right, f"yours: {name}", "active", lineterm=""))
    return Difference(
        index + 1,
        left[index] if index < len(left) else None,
        right[index] if index < len(right) else None,
        unified,
        yours.splitlines() == active.splitlines(),
    )


def _line_text(line: bytes) -> str:
    """A line for people.  Other ends than a plain newline, and bytes that are no text, are spelled out."""
    try:
        text = line.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        return ascii(line)
    if not line.endswith((b"\n", b"\r")):
        return text + " (no newline at the end)"
    return text if text.replace("\t", "").isprintable() else ascii(line)
