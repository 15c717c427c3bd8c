"""YAML text to a positioned tree, by YAML 1.2 rules, and no words that YAML 1.1 tools would read differently.

Events come from libyaml; one document, no anchors, no tags; the tree is ours, so that depth and size are bounded.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import yaml

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, Scalar, ScalarNode, step
from coordinator.manifest.reading import Reading, Unreadable
from coordinator.manifest.yaml_events import NOTHING, first_document, is_plain, place_of, reading_yaml


class YamlReader:
    """Reads one YAML text."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._events: Iterator[Any] = iter(())

    def whole(self) -> Node:
        """The only document's value.  Raises Unreadable."""
        with reading_yaml(self._reading):
            return self._document()

    def _document(self) -> Node:
        self._events = first_document(self._reading.document.text)
        if (begin := next(self._events, None)) is None:
            return NOTHING
        root = self._node(begin, "", 0)
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            place = place_of(event, "")
            raise Unreadable(self._reading.error("E003", place, "a second document starts here", "keep one per file"))
        return root

    def _node(self, event: Any, pointer: str, depth: int) -> Node:
        place = place_of(event, pointer)
        self._reading.count(place, depth)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            message = "anchors and aliases are not allowed in a manifest"
            raise Unreadable(self._reading.error("E003", place, message, "write the value where it is used"))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if event.tag is not None:
            self._refuse_tag(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(event, step(pointer, len(items)), depth + 1))
            return ListNode(tuple(items), place)
        members: list[Member] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            members.append(self._member(event, pointer, depth))
        self._reading.duplicates(members)
        return MapNode(tuple(members), place)

    def _member(self, event: Any, pointer: str, depth: int) -> Member:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            raise Unreadable(
                self._reading.error("E003", place_of(event, pointer), "a key must be plain text", "quote it")
            )
        key = event.value
        child = step(pointer, key)
        key_place = place_of(event, child)
        if is_plain(event):
            if key == "<<":
                message = "merge keys are not allowed in a manifest"
                raise Unreadable(self._reading.error("E003", key_place, message, "write the keys out"))
            value, problem = resolve_plain(key)
            if problem or value is None or isinstance(value, bool):
                message = f"unquoted key {key or '(empty)'} is not text to every YAML tool"
                self._reading.refuse("E004", key_place, message, f'quote it: "{key}"')
        return Member(key, key_place, self._node(next(self._events), child, depth + 1))

    def _scalar(self, event: Any, place: Place) -> ScalarNode:
        style = event.style or ""
        if event.tag is not None and event.tag != _STR_TAG:
            if event.tag != "!" or is_plain(event):
                self._refuse_tag(event, place)
        elif is_plain(event) and event.tag is None:
            value, problem = resolve_plain(event.value)
            if problem:
                meant = ", or write true or false" if problem[0] == "E004" else ""
                self._reading.refuse(problem[0], place, problem[1], f'quote it: "{event.value}"{meant}')
            return ScalarNode(value, place, "")
        return ScalarNode(event.value, place, "" if style == "" else style)

    def _refuse_tag(self, event: Any, place: Place) -> None:
        message = f"the tag {event.tag} is not allowed in a manifest"
        raise Unreadable(self._reading.error("E003", place, message, "write the value without a tag"))


@lru_cache(maxsize=4096)
def resolve_plain(text: str) -> tuple[Scalar, tuple[str, str] | None]:
    """What an unquoted scalar means (YAML 1.2.2, 10.3.2), and, as code and message, where other YAML tools read it
    differently; it is then the text itself."""
    if text in _WORDS:
        return _WORDS[text], None
    if text.lower() in _YAML11_BOOLEANS:
        return text, ("E004", f"unquoted {text} is a boolean to Helm and kubectl, and text to YAML 1.2")
    if text[0] not in _NUMBERS_START:
        return text, None
    if _DECIMAL.fullmatch(text):
        if len(text) <= _MAX_DIGITS:
            return int(text), None
        return text, ("E006", f"unquoted {_short(text)} would be read as a number")
    if any(pattern.fullmatch(text) for pattern in _OTHER_INTEGERS):
        return text, ("E005", f"unquoted {_short(text)} is not the same number to every YAML tool")
    if _FLOAT.fullmatch(text) and ("e" in text.lower() or len(text) > _MAX_DIGITS):
        return text, ("E006", f"unquoted {_short(text)} would be read as the number {float(text)}")
    if _FLOAT.fullmatch(text):
        return float(text), None
    if text.lower() in _NOT_FINITE:
        return text, ("E006", f"unquoted {text} would be read as a number that is not finite")
    return text, None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:36] + "…"


_NUMBERS_START: Final = frozenset("+-.0123456789")
_STR_TAG: Final = "tag:yaml.org,2002:str"
_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_YAML11_BOOLEANS: Final = frozenset({"yes", "on", "y", "no", "off", "n"})
_NOT_FINITE: Final = frozenset({".inf", "-.inf", "+.inf", ".nan"})
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OTHER_INTEGERS: Final = (
    re.compile(r"[-+]?0[0-9]+"),
    re.compile(r"[-+]?0(?:x_*[0-9a-fA-F]|b_*[01]|o_*[0-7])[0-9a-fA-F_]*"),
    re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*"),
)
_MAX_DIGITS: Final = 20
