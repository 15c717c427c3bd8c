"""Kubernetes YAML as people have it: many documents in a text, anchors, Helm's comments; every value knows its line.

Nothing here knows Kubernetes' kinds.  Scalars stay text as written: who reads a field knows whether it is a number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, ScalarNode


class NotReadable(Exception):
    """A text is no YAML, or larger than anybody writes.  where: FILE:LINE."""

    def __init__(self, where: str, message: str, hint: str) -> None:
        self.where = where
        self.hint = hint
        super().__init__(f"{where}: {message}")


@dataclass(frozen=True, slots=True)
class Source:
    """A text.  has_lines: False for what a cluster answered, where lines mean nothing to people."""

    name: str
    raw: bytes
    has_lines: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """A value and its place.  An absent one is empty, so that a path into an object needs no checks."""

    source: Source
    node: Node | None
    line: int

    def at(self, *path: str) -> "Field":
        """The value behind these keys; the line of the last one that exists."""
        field = self
        for key in path:
            member = field.node.by_key().get(key) if isinstance(field.node, MapNode) else None
            field = Field(self.source, member.node if member else None, member.place.line + 1 if member else field.line)
        return field

    @property
    def exists(self) -> bool:
        """Whether the value is there, and not null."""
        return self.node is not None and not (isinstance(self.node, ScalarNode) and self.node.value is None)

    @property
    def text(self) -> str:
        """A scalar's text; empty for everything else."""
        return str(self.node.value) if isinstance(self.node, ScalarNode) and self.node.value is not None else ""

    def number(self, default: int) -> int:
        """A whole number, at most six digits."""
        return int(self.text) if re.fullmatch("[0-9]{1,6}", self.text) else default

    def items(self) -> tuple["Field", ...]:
        """Elements of a list."""
        nodes = self.node.items if isinstance(self.node, ListNode) else ()
        return tuple(Field(self.source, node, node.place.line + 1) for node in nodes)

    def entries(self) -> tuple[tuple[str, "Field"], ...]:
        """Keys and values of a map."""
        members = self.node.by_key().values() if isinstance(self.node, MapNode) else ()
        return tuple((member.key, Field(self.source, member.node, member.place.line + 1)) for member in members)

    @property
    def where(self) -> str:
        """FILE:LINE."""
        return f"{self.source.name}:{self.line}" if self.source.has_lines else self.source.name


def read_stream(source: Source) -> Iterator[Field]:
    """Each document of a text.  Raises NotReadable."""
    try:
        text = source.raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = source.raw.count(b"\n", 0, cause.start) + 1
        raise NotReadable(f"{source.name}:{line}", "this is not UTF-8 text", "save it as UTF-8") from None
    try:
        yield from _Reader(source, text).documents()
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        where = f"{source.name}:{mark.line + 1}" if mark else source.name
        hint = _TEMPLATE if "{{" in text else "check indentation and quotes"
        message = f"this is no YAML: {getattr(cause, 'problem', None) or 'a character that YAML does not allow'}"
        raise NotReadable(where, message, hint) from None


class _Reader:
    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._values = 0

    def documents(self) -> Iterator[Field]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                node = self._node(next(self._events), 0)
                if not (isinstance(node, ScalarNode) and node.value is None):
                    yield Field(self._source, node, node.place.line + 1)

    def _node(self, event: Any, depth: int) -> Node:
        before = self._values
        self._count(event, 1, depth)
        if isinstance(event, yaml.AliasEvent):
            anchored = self._anchors.get(str(event.anchor))
            if anchored is None:
                raise self._refused(event, f"*{event.anchor} stands before &{event.anchor}", "define it first")
            self._count(event, anchored[1], depth)
            return anchored[0]
        if isinstance(event, yaml.ScalarEvent):
            is_null = not event.style and event.tag is None and event.value in _NULL
            node: Node = ScalarNode(None if is_null else event.value, _place(event), event.style or "")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = ListNode(tuple(self._items(depth)), _place(event))
        else:
            node = MapNode(tuple(self._members(depth)), _place(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._values - before)
        return node

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _members(self, depth: int) -> Iterator[Member]:
        merged: list[Member] = []
        own: list[Member] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, ScalarNode):
                raise self._refused(event, "a key that is no text", _TEMPLATE)
            if key.value == "<<" and not key.style:
                for part in value.items if isinstance(value, ListNode) else (value,):
                    merged += part.members if isinstance(part, MapNode) else ()
            else:
                own.append(Member(str(key.value or ""), key.place, value))
        yield from (*merged, *own)

    def _count(self, event: Any, weight: int, depth: int) -> None:
        self._values += weight
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            raise self._refused(event, f"more than {MAX_DEPTH} levels or {MAX_VALUES} values", "give fewer objects")

    def _refused(self, event: Any, message: str, hint: str) -> NotReadable:
        return NotReadable(f"{self._source.name}:{event.start_mark.line + 1}", message, hint)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line, event.start_mark.column, 1, "")


_TEMPLATE: Final = "a chart has to be rendered first: helm template CHART | enclasp manifest init --from-kubernetes -"
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 500_000
