"""A positioned tree to YAML that every tool reads alike: what could be read as something else is quoted."""

import re
from collections.abc import Iterator
from typing import Final

from coordinator.manifest.document import ListNode, MapNode, Node, ScalarNode
from coordinator.manifest.yaml_reader import resolve_plain


def write_entry(key: str, node: Node, indent: int) -> Iterator[str]:
    """Lines of `key: value`.  indent: columns before the key."""
    yield from _after(f"{' ' * indent}{write_text(key)}:", node, indent)


def _after(head: str, node: Node, indent: int) -> Iterator[str]:
    """A value behind its key or its dash."""
    if isinstance(node, ScalarNode):
        if isinstance(node.value, str) and _is_block(node.value):
            yield f"{head} |"
            yield from (f"{' ' * (indent + 2)}{line}" if line else "" for line in node.value[:-1].split("\n"))
        else:
            yield f"{head} {_scalar(node)}"
    elif isinstance(node, MapNode):
        yield head if node.members else f"{head} {{}}"
        for member in node.members:
            yield from write_entry(member.key, member.node, indent + 2)
    else:
        yield head if node.items else f"{head} []"
        yield from _items(node, indent + 2)


def _items(node: ListNode, indent: int) -> Iterator[str]:
    for item in node.items:
        yield from _after(f"{' ' * indent}-", item, indent)


def _scalar(node: ScalarNode) -> str:
    value = node.value
    if isinstance(value, str):
        return write_text(value)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def write_text(text: str) -> str:
    """A text on one line: plain where every tool reads it as the same text, else in quotes."""
    if _PLAIN.fullmatch(text) and resolve_plain(text) == (text, None):
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    """YAML 1.2.2, 5.7."""
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return f"\\u{number:04x}" if number > 0xFF else f"\\x{number:02x}"


def _is_block(text: str) -> bool:
    """Whether a text is the same as a literal block (YAML 1.2.2, 8.1.2) with one line break at its end."""
    lines = text[:-1].split("\n")
    return (
        text.endswith("\n")
        and len(lines) > 1
        and bool(lines[-1].strip())
        and lines[0][:1] not in ("", " ")
        and all(line.isprintable() for line in lines)
        and all(line.strip() or not line for line in lines)
    )


_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
