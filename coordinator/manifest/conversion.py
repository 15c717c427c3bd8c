"""The bytes that MarbleRun's command line would send for a document (contract, 6.3): they decide the fingerprint.

A document that is JSON is sent as it is; any other one is YAML, and becomes compact JSON with sorted keys.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from coordinator.manifest.document import YAML_LINE_BREAK, Document, ListNode, Node, Scalar, ScalarNode
from coordinator.manifest.errors import Finding, ManifestInvalid
from coordinator.manifest.go_float import json_number
from coordinator.manifest.reader import decode
from coordinator.manifest.reading import Reading, Unreadable
from coordinator.manifest.yaml_compatible import CompatibleYamlReader


@dataclass(frozen=True, slots=True)
class Converted:
    """raw: what is sent.  is_as_given: these are the bytes of the document itself.  findings: what YAML tools read
    differently, and so deserves a word."""

    raw: bytes
    is_as_given: bool
    findings: tuple[Finding, ...] = ()


def convert(raw: bytes, *, name: str) -> Converted:
    """What MarbleRun's command line sends for this document.  Raises ManifestInvalid where it would refuse it."""
    reading = Reading(Document(name, "", YAML_LINE_BREAK), True)
    try:
        text = decode(raw.removeprefix(_BYTE_ORDER_MARK), reading)
        if _is_json(raw):
            return Converted(raw, True)
        reading.document = Document(name, text, YAML_LINE_BREAK)
        converted = "".join(_encoded(CompatibleYamlReader(reading).whole())).encode("utf-8")
    except Unreadable as stop:
        raise ManifestInvalid(name, (*reading.findings, stop.finding)) from None
    return Converted(converted, False, tuple(reading.findings))


def _is_json(raw: bytes) -> bool:
    """Whether Go's library takes the bytes for JSON: any single value, repeated keys and all."""
    try:
        json.loads(raw.decode("utf-8", "surrogateescape"), parse_int=str, parse_float=str, parse_constant=_no_constants)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constants(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _encoded(node: Node) -> Iterator[str]:
    if isinstance(node, ScalarNode):
        yield _scalar(node.value)
    elif isinstance(node, ListNode):
        yield "["
        for number, item in enumerate(node.items):
            yield "," if number else ""
            yield from _encoded(item)
        yield "]"
    else:
        yield "{"
        for number, member in enumerate(sorted(node.members, key=lambda member: member.key)):
            yield ("," if number else "") + quoted(member.key) + ":"
            yield from _encoded(member.node)
        yield "}"


def _scalar(value: Scalar) -> str:
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return quoted(value)
    return json_number(value) if isinstance(value, float) else str(value)


def quoted(text: str) -> str:
    """A JSON string as Go's encoding/json writes it, safe inside HTML."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in _SHORT:
        return _SHORT[character]
    if 0xD800 <= ord(character) <= 0xDFFF:
        return "\\ufffd"
    return f"\\u{ord(character):04x}"


_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ESCAPED: Final = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029\ud800-\udfff]')
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
