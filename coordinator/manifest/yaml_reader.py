"""YAML text to a positioned tree, by YAML 1.2 rules, and no words that YAML 1.1 tools would read differently.

Events come from libyaml; one document, no anchors, no tags; the tree is ours, so that depth and size are bounded.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import yaml

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, Scalar, ScalarNode, step
from coordinator.manifest.reading import Reading, Unreadable


class YamlReader:
    """Reads one YAML text."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._events: Iterator[Any] = iter(())

    def whole(self) -> Node:
        """The only document's value.  Raises Unreadable."""
        try:
            return self._document()
        except yaml.reader.ReaderError as cause:
            place = self._offset_place(cause.position if isinstance(cause.position, int) else 0)
            message = "a character that YAML does not allow"
            raise Unreadable(self._reading.error("E001", place, message, "remove it, or use base64")) from None
        except yaml.MarkedYAMLError as cause:
            mark = cause.problem_mark or cause.context_mark
            place = Place(mark.line, mark.column, 1, "") if mark else Place(0, 0, 1, "")
            message = cause.problem or "this is no YAML"
            raise Unreadable(self._reading.error("E001", place, message, "check indentation and quotes")) from None
        except yaml.YAMLError:
            place = Place(0, 0, 1, "")
            raise Unreadable(self._reading.error("E001", place, "this is no YAML", "save it as UTF-8 text")) from None

    def _document(self) -> Node:
        self._events = yaml.parse(self._reading.document.text, Loader=yaml.CSafeLoader)
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return ScalarNode(None, Place(0, 0, 1, ""), "")
        root = self._node(next(self._events), "", 0)
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            place = _place(event, "")
            raise Unreadable(self._reading.error("E003", place, "a second document starts here", "keep one per file"))
        return root

    def _node(self, event: Any, pointer: str, depth: int) -> Node:
        place = _place(event, pointer)
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
                self._reading.error("E003", _place(event, pointer), "a key must be plain text", "quote it")
            )
        key = event.value
        child = step(pointer, key)
        key_place = _place(event, child)
        if _is_plain(event):
            if key == "<<":
                message = "merge keys are not allowed in a manifest"
                raise Unreadable(self._reading.error("E003", key_place, message, "write the keys out"))
            value, problem = resolve_plain(key)
            if problem or value is None or isinstance(value, bool):
                message = f"unquoted key {key or '(empty)'} is not text to every YAML tool"
                self._reading.remark("E004", key_place, message, f'quote it: "{key}"')
        return Member(key, key_place, self._node(next(self._events), child, depth + 1))

    def _scalar(self, event: Any, place: Place) -> ScalarNode:
        style = event.style or ""
        if event.tag is not None and event.tag != _STR_TAG:
            if event.tag != "!" or _is_plain(event):
                self._refuse_tag(event, place)
        elif _is_plain(event) and event.tag is None:
            value, problem = resolve_plain(event.value)
            if problem:
                code, message, other = problem
                self._reading.remark(code, place, message, f'quote it: "{event.value}"')
                value = other if self._reading.compatible else event.value
            return ScalarNode(value, place, "")
        return ScalarNode(event.value, place, "" if style == "" else style)

    def _refuse_tag(self, event: Any, place: Place) -> None:
        message = f"the tag {event.tag} is not allowed in a manifest"
        raise Unreadable(self._reading.error("E003", place, message, "write the value without a tag"))

    def _offset_place(self, offset: int) -> Place:
        line, column = self._reading.document.place(min(offset, len(self._reading.document.text)))
        return Place(line, column, 1, "")


@lru_cache(maxsize=4096)
def resolve_plain(text: str) -> tuple[Scalar, tuple[str, str, Scalar] | None]:
    """What an unquoted scalar means (YAML 1.2.2, 10.3.2), and where other YAML tools read it differently:
    (code, message, what MarbleRun's command line reads)."""
    if text in _WORDS:
        return _WORDS[text], None
    if text.lower() in _YAML11_BOOLEANS:
        other = _YAML11_BOOLEANS[text.lower()]
        return text, ("E004", f"unquoted {text} is a boolean to Helm and kubectl, and text to YAML 1.2", other)
    if _DECIMAL.fullmatch(text):
        if len(text) <= _MAX_DIGITS:
            return int(text), None
        return text, ("E006", f"unquoted {_short(text)} would be read as a number", text)
    for pattern, read in _OTHER_INTEGERS:
        if pattern.fullmatch(text):
            return text, ("E005", f"unquoted {_short(text)} is not the same number to every YAML tool", read(text))
    if _FLOAT.fullmatch(text) and ("e" in text.lower() or len(text) > _MAX_DIGITS):
        return text, ("E006", f"unquoted {_short(text)} would be read as the number {float(text)}", _number(text))
    if _FLOAT.fullmatch(text):
        return float(text), None
    if text.lower() in _NOT_FINITE:
        return text, ("E006", f"unquoted {text} would be read as a number that is not finite", text)
    return text, None


def _number(text: str) -> Scalar:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return text
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:36] + "…"


def _octal(text: str) -> Scalar:
    """Leading zeros: octal if it can be, else decimal (go-yaml, as MarbleRun's command line uses it)."""
    return int(text, 8) if set(text) <= set("+-01234567") else int(text)


def _prefixed(text: str) -> Scalar:
    try:
        return int(text.replace("_", ""), 0)
    except ValueError:
        return text


def _underscored(text: str) -> Scalar:
    return int(text.replace("_", "").lstrip("0") or "0") if text.strip("+-_") else text


def _is_plain(event: Any) -> bool:
    return not event.style


def _place(event: Any, pointer: str) -> Place:
    start, end = event.start_mark, event.end_mark
    line, column = start.line, start.column
    return Place(line, column, (end.column - column or 1) if end.line == line else 1, pointer)


_STR_TAG: Final = "tag:yaml.org,2002:str"
_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_YAML11_BOOLEANS: Final = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
_NOT_FINITE: Final = frozenset({".inf", "-.inf", "+.inf", ".nan"})
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OTHER_INTEGERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Scalar]], ...]] = (
    (re.compile(r"[-+]?0[0-9]+"), _octal),
    (re.compile(r"[-+]?0(?:x_*[0-9a-fA-F]|b_*[01]|o_*[0-7])[0-9a-fA-F_]*"), _prefixed),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*"), _underscored),
)
_MAX_DIGITS: Final = 20
