"""Characters that a reviewer cannot see: two names that look alike, or text that reads in another order than it runs.

Source: Boucher and Anderson, "Trojan Source: Invisible Vulnerabilities" (2021); Unicode, UAX #9 and #44.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from coordinator.manifest.document import ListNode, MapNode, Node, Place, ScalarNode


def hidden(node: Node) -> Iterator[tuple[Place, str, str]]:
    """Place, where the text stands (`name` or `value`), and the character's name, for each text that has one.

    In names every control or format character counts; in values only those that change the order of what is read.
    """
    if isinstance(node, MapNode):
        for member in node.members:
            if found := _first(member.key, everything=True):
                yield member.place, "name", found
            yield from hidden(member.node)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from hidden(item)
    elif (
        isinstance(node, ScalarNode) and isinstance(node.value, str) and (found := _first(node.value, everything=False))
    ):
        yield node.place, "value", found


def _first(text: str, *, everything: bool) -> str:
    """The name of the first such character; empty without one."""
    if text.isascii() and text.isprintable():
        return ""
    for character in text:
        if character in _ORDER or (everything and unicodedata.category(character) in _UNSEEN):
            return unicodedata.name(character, f"character U+{ord(character):04X}")
    return ""


_ORDER: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
