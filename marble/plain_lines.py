"""What do a few plain lines of YAML say?  Two levels of `Key: value`, comments, and lists in brackets; nothing else.

    TDX:                                  # a section
      MRTD: 5cd0…                         # its fields, all with the same indentation
      AcceptedTCBStatuses: [SWHardeningNeeded]

Whatever this reads, YAML reads in the same way; whatever else YAML has is refused.
"""

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

Value: TypeAlias = str | int | bool | list[str]
Document: TypeAlias = dict[str, Value | dict[str, Value]]

_LINE: Final = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):(?: +(?P<value>\S.*?))? *(?: #.*)?", re.ASCII)
_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PLAIN: Final = re.compile(_WORD, re.ASCII)
_QUOTED: Final = re.compile(rf"(?P<quote>[\"'])(?P<text>{_WORD})(?P=quote)", re.ASCII)
_LIST: Final = re.compile(rf"\[ *(?P<items>(?:{_WORD}(?: *, *{_WORD})*)?) *\]", re.ASCII)
_SMALL_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def parse_plain_lines(text: str) -> Document:
    """Read the lines.  Short decimal numbers become int, `true` and `false` bool, everything else stays text.

    Raises ValueError, which names the line, for anything that is not in the module's description.
    """
    document: Document = {}
    section: dict[str, Value] | None = None
    section_indent = 0
    for number, indent, key, value in _lines(text):
        if indent == 0:
            _refuse_second(document, key, number)
            section, section_indent = ({}, 0) if value is None else (None, 0)
            document[key] = section if section is not None else _value(value or "", number)
        elif section is None or value is None or section_indent not in (0, indent):
            raise ValueError(f"line {number}: expected a field of a section, in line with its neighbours")
        else:
            _refuse_second(section, key, number)
            section_indent = indent
            section[key] = _value(value, number)
    return document


def _lines(text: str) -> Iterator[tuple[int, int, str, str | None]]:
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.removesuffix("\r")
        found = _LINE.fullmatch(bare)
        if bare.isprintable() and (not bare.strip(" ") or bare.lstrip(" ").startswith("#")):
            continue
        if found is None or not bare.isprintable():
            raise ValueError(f"line {number}: expected 'Key: value', got {bare[:60]!a}")
        yield number, len(found["indent"]), found["key"], found["value"]


def _value(text: str, number: int) -> Value:
    if listed := _LIST.fullmatch(text):
        return [item.strip() for item in listed["items"].split(",") if item.strip()]
    if quoted := _QUOTED.fullmatch(text):
        return quoted["text"]
    if text in ("true", "false"):
        return text == "true"
    if _SMALL_NUMBER.fullmatch(text):
        return int(text)
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"line {number}: expected one word, number or [list], got {text[:60]!a}")
    return text


def _refuse_second(found: dict[str, Value] | Document, key: str, number: int) -> None:
    if key in found:
        raise ValueError(f"line {number}: '{key}' stands there twice")
