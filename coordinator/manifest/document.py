"""A document as a tree in which every value knows its place.  Nothing here knows what a manifest is."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from coordinator.manifest.errors import Finding, Severity

Scalar: TypeAlias = str | int | float | bool | None


class Document:
    """The text of one document.  name: what people call it, usually the file's name."""

    def __init__(self, name: str, text: str, line_break: re.Pattern[str]) -> None:
        self.name = name
        self.text = text
        self._line_break = line_break
        self._lines: dict[int, str] = {}  # those that were asked for: a thousand findings may share one of 8 MiB

    @property
    def is_yaml(self) -> bool:
        """YAML, which may have comments, or JSON."""
        return self._line_break is YAML_LINE_BREAK

    @cached_property
    def starts(self) -> list[int]:
        """Offset of each line's first character."""
        return [0, *(match.end() for match in self._line_break.finditer(self.text))]

    def line_text(self, line: int) -> str:
        """A line, counted from 0, without its line break."""
        if line >= len(self.starts):
            return ""
        if line not in self._lines:
            end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
            self._lines[line] = self._line_break.sub("", self.text[self.starts[line] : end])
        return self._lines[line]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 0, of an offset."""
        line = bisect_right(self.starts, offset) - 1
        return line, offset - self.starts[line]

    def finding(self, severity: Severity, code: str, place: "Place", message: str, hint: str) -> Finding:
        """A remark about a place of this document."""
        line_text = self.line_text(place.line)
        width = max(1, min(place.width, len(line_text) - place.column))
        return Finding(code, severity, place.line + 1, place.column + 1, place.pointer, message, hint, width, line_text)


class Place(NamedTuple):
    """Where something stands: line and column from 0, width in characters, JSON pointer (RFC 6901)."""

    line: int
    column: int
    width: int
    pointer: str


class ScalarNode(NamedTuple):
    """A single value.  style: JSON text and YAML double quotes `"`, `'`, `|`, `>`, and empty for plain."""

    value: Scalar
    place: Place
    style: str


class ListNode(NamedTuple):
    """A sequence."""

    items: tuple["Node", ...]
    place: Place


class Member(NamedTuple):
    """A key with its value; place: of the key."""

    key: str
    place: Place
    node: "Node"


class MapNode(NamedTuple):
    """A mapping, in the order of the text; keys may repeat until the reader of it says otherwise."""

    members: tuple[Member, ...]
    place: Place

    def by_key(self) -> Mapping[str, Member]:
        """The last member of each key."""
        return {member.key: member for member in self.members}


Node: TypeAlias = ScalarNode | ListNode | MapNode


def step(pointer: str, key: str | int) -> str:
    """The JSON pointer of a child (RFC 6901, section 3)."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


@dataclass(frozen=True, slots=True)
class ScalarOrigin:
    """A text value's place, for what is found inside it.  exact: the value is written as it stands, not encoded."""

    document: Document
    node: ScalarNode
    exact: bool

    @property
    def pointer(self) -> str:
        """JSON pointer of the value."""
        return self.node.place.pointer

    def locate(self, offset: int) -> tuple[int, int, str]:
        """Line and column, from 1, and the line's text, of a character of the value; at worst of its start."""
        line, column = self._exactly(offset) if self.exact else self._start()
        return line + 1, column + 1, self.document.line_text(line)

    def _start(self) -> tuple[int, int]:
        return self.node.place.line, self.node.place.column

    def _exactly(self, offset: int) -> tuple[int, int]:
        line, column = self._start()
        if self.node.style == "|":
            return self._in_block(offset) or (line, column)
        text = self.document.text
        if line >= len(self.document.starts):
            return line, column
        at = self.document.starts[line] + column
        unit = {'"': _DOUBLE, "'": _SINGLE, "": _PLAIN}.get(self.node.style)
        if unit is None:
            return line, column
        at += len(self.node.style)
        for _ in range(offset):
            match = unit.match(text, at)
            if not match:
                return line, column
            at = match.end()
        return self.document.place(at)

    def _in_block(self, offset: int) -> tuple[int, int] | None:
        before = str(self.node.value)[:offset]
        header = self.document.line_text(self.node.place.line)[self.node.place.column :]
        if any(character.isdigit() for character in header.split("#")[0]):
            return None
        number = self.node.place.line + 1
        while number < len(self.document.starts) and not self.document.line_text(number).strip(" "):
            number += 1
        first = self.document.line_text(number)
        indent = len(first) - len(first.lstrip(" "))
        return self.node.place.line + 1 + before.count("\n"), indent + len(before) - before.rfind("\n") - 1


JSON_LINE_BREAK: Final = re.compile(r"\r\n|\n|\r")
YAML_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_DOUBLE: Final = re.compile(
    r"""\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}
    |\\U[0-9a-fA-F]{8}|\\[^\r\n]|[^"\\\r\n]""",
    re.VERBOSE,
)
_SINGLE: Final = re.compile(r"''|[^'\r\n]")
_PLAIN: Final = re.compile(r"[^\r\n]")
