"""YAML with comments: what a person reads and completes, and every tool reads alike."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coordinator.manifest.document import Place, ScalarNode
from coordinator.manifest.undecided import is_open
from coordinator.manifest.words import printable
from coordinator.manifest.yaml_writer import write_entry, write_text

Value: TypeAlias = "str | int | bool | Map | Sequence[Value]"


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value.  above: comments on lines of their own; each is wrapped."""

    key: str
    value: Value
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Map:
    """Entries in their order."""

    entries: tuple[Entry, ...]


def write(entries: Iterable[Entry], indent: int = 0) -> Iterator[str]:
    """Lines of a map.  indent: columns before its keys."""
    pad = " " * indent
    for entry in entries:
        yield from comments(entry.above, indent)
        value = entry.value
        head = f"{pad}{write_text(entry.key)}:"
        if isinstance(value, Map):
            yield head if value.entries else f"{head} {{}}"
            yield from write(value.entries, indent + 2)
        elif isinstance(value, str | int):
            yield from write_entry(entry.key, ScalarNode(value, _NOWHERE, ""), indent)
        else:
            flow = f"{head} {_flow(value)}"
            if len(flow) <= _WIDTH or not value:
                yield flow
            else:
                yield head
                for item in value:
                    yield from _item(item, indent + 2)


def comments(texts: Iterable[str], indent: int = 0) -> Iterator[str]:
    """Lines of comments; a question goes on indented, so that it is read whole; text of others cannot begin a line."""
    for text in texts:
        wrapped = textwrap.wrap(
            printable(text),
            _WIDTH - indent,
            subsequent_indent="  " if is_open(text) else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (f"{' ' * indent}# {line}" for line in wrapped)


def _item(item: Value, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(item, Map):
        first, *rest = write(item.entries, indent + 2)
        yield f"{pad}- {first.lstrip()}"
        yield from rest
    else:
        yield f"{pad}- {_flow(item)}"


def _flow(value: Value) -> str:
    if isinstance(value, Map):
        return "{" + ", ".join(f"{write_text(entry.key)}: {_flow(entry.value)}" for entry in value.entries) + "}"
    if isinstance(value, str):
        return write_text(value)
    if isinstance(value, int):
        return str(value).lower()
    return "[" + ", ".join(map(_flow, value)) + "]"


_WIDTH = 116
_NOWHERE = Place(0, 0, 1, "")
