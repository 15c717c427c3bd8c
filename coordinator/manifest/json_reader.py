"""JSON text to a positioned tree (RFC 8259), strictly: no comments, no trailing commas, nothing after the value."""

import json
import re
from typing import Final

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, Scalar, ScalarNode, step
from coordinator.manifest.reading import Reading, Unreadable


class JsonReader:
    """Reads one JSON text."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._text = reading.document.text
        self._at = 0

    def whole(self) -> Node:
        """The only value of the text.  Raises Unreadable."""
        node = self._value("", 0)
        if self._next():
            raise self._stop("something follows the document's end", "a manifest is one JSON object")
        return node

    def _value(self, pointer: str, depth: int) -> Node:
        character = self._next()
        start = self._at
        if not self._reading.has_room(depth):
            raise self._reading.too_large(self._place(start, start + 1, pointer), depth)
        if character == "{":
            return self._map(pointer, depth)
        if character == "[":
            return self._list(pointer, depth)
        if character == '"':
            text = self._string(pointer)
            return ScalarNode(text, self._place(start, self._at, pointer), '"')
        match = _WORD.match(self._text, start)
        if not match:
            raise self._stop("expected a JSON value", "JSON knows no comments, single quotes or trailing commas")
        self._at = match.end()
        place = self._place(start, self._at, pointer)
        return ScalarNode(self._scalar(match.group(), place), place, "")

    def _scalar(self, word: str, place: Place) -> Scalar:
        if word in _WORDS:
            return _WORDS[word]
        if not _NUMBER.fullmatch(word):
            hint = "write text in double quotes"
            raise Unreadable(self._reading.error("E001", place, f'"{word[:40]}" is no JSON value', hint))
        if _INTEGER.fullmatch(word) and len(word) <= _MAX_DIGITS:
            return int(word)
        number = float(word)
        if number in (float("inf"), float("-inf")):
            raise Unreadable(self._reading.error("E006", place, "this number is too large", "write it as text"))
        return number

    def _map(self, pointer: str, depth: int) -> MapNode:
        place = self._place(self._at, self._at + 1, pointer)
        members: list[Member] = []
        follows = self._open("}")
        while follows != "}":
            if self._next() != '"':
                raise self._stop("expected a key in double quotes", "remove a trailing comma, or quote the key")
            start = self._at
            key = self._string(pointer)
            child = step(pointer, key)
            key_place = self._place(start, self._at, child)
            if self._next() != ":":
                raise self._stop('expected ":" after the key', 'write "key": value')
            self._at += 1
            members.append(Member(key, key_place, self._value(child, depth + 1)))
            follows = self._next()
            if follows != "," and follows != "}":
                raise self._stop('expected "," or "}"', "members are separated by commas")
            self._at += 1
        self._reading.duplicates(members)
        return MapNode(tuple(members), place)

    def _list(self, pointer: str, depth: int) -> ListNode:
        place = self._place(self._at, self._at + 1, pointer)
        items: list[Node] = []
        follows = self._open("]")
        while follows != "]":
            items.append(self._value(step(pointer, len(items)), depth + 1))
            follows = self._next()
            if follows != "," and follows != "]":
                raise self._stop('expected "," or "]"', "elements are separated by commas")
            self._at += 1
        return ListNode(tuple(items), place)

    def _open(self, end: str) -> str:
        """Step behind a bracket, and behind `end` if that follows at once; `end` or what else follows."""
        self._at += 1
        follows = self._next()
        if follows == end:
            self._at += 1
        return follows

    def _string(self, pointer: str) -> str:
        start = self._at
        match = _STRING.match(self._text, start)
        if not match:
            raise self._stop("this text has no end on its line", "close the double quote; write \\n for a line break")
        self._at = match.end()
        token = match.group()
        if "\\" not in token:
            return token[1:-1]
        try:
            text = json.loads(token)
        except json.JSONDecodeError as cause:
            self._at = start + cause.pos
            raise self._stop("this escape is no JSON escape", "write \\\\ for a backslash") from None
        if not isinstance(text, str):
            raise self._stop("expected text", "write it in double quotes")
        if _LONE_SURROGATE.search(text):
            place = self._place(start, self._at, pointer)
            self._reading.remark("E001", place, "this text has half of a surrogate pair", "write the character itself")
            return _LONE_SURROGATE.sub("\ufffd", text)
        return text

    def _next(self) -> str:
        """The next character that is no space, to which the reader steps; empty at the end."""
        found = self._text[self._at : self._at + 1]
        if found in _SPACES and (match := _SPACE.match(self._text, self._at)):
            self._at = match.end()
            return self._text[self._at : self._at + 1]
        return found

    def _place(self, start: int, end: int, pointer: str) -> Place:
        line, column = self._reading.document.place(start)
        return Place(line, column, end - start, pointer)

    def _stop(self, message: str, hint: str) -> Unreadable:
        if self._at >= len(self._text):
            message, hint = "the document ends too early", "a bracket, brace or quote is not closed"
        return Unreadable(self._reading.error("E001", self._place(self._at, self._at + 1, ""), message, hint))


_SPACES: Final = frozenset(" \t\r\n")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"')
_WORD: Final = re.compile(r"[^\s,:\[\]{}\"]+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?[0-9]+")
_MAX_DIGITS: Final = 30
_WORDS: Final[dict[str, Scalar]] = {"true": True, "false": False, "null": None}
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
