"""What an unquoted YAML scalar is to MarbleRun's command line, whose library reads YAML 1.1 in Go's way.

Measured rules: contract, 6.3.  What that library made of many documents stands in
tests/vectors/manifest/yaml_go.json.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite, isinf
from typing import Final

from coordinator.manifest.document import Scalar
from coordinator.manifest.go_float import general, json_number


class NotReadable(ValueError):
    """MarbleRun's command line refuses this scalar; the text says why."""


def resolve(text: str, tag: str | None) -> Scalar:
    """The value of an unquoted scalar (tag None), or of one with a tag.  Raises NotReadable."""
    if tag == _YAML + "binary":
        return _binary(text)
    if tag is None:
        return _plain(text)[1]
    wanted = tag.removeprefix(_YAML)
    if wanted == "str" or tag not in _RESOLVED:
        return text
    kind, value = _plain(text)
    if kind == "int" and wanted == "float" and isinstance(value, int) and value < 2**63:
        return float(value)
    if kind != wanted and not (wanted == "timestamp" and kind == "str" and _is_moment(text)):
        raise NotReadable(f"it is no {wanted}")
    return value


def key_text(value: Scalar) -> str:
    """A key as it stands in JSON.  Raises NotReadable for a kind that no key has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, float):
        text = general(value, bits=32)
        return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text)
    raise NotReadable("null is no key" if value is None else f"{value} is no key")


def _plain(text: str) -> tuple[str, Scalar]:
    """What kind of value an unquoted scalar is, and the value."""
    for kind, words in _WORDS.items():
        if text in words:
            return kind, words[text]
    if text[0] not in _STARTS_NUMBER:
        return "str", text
    digits = text if text[0] == "." else text.replace("_", "")
    whole = _whole(digits) if text[0] != "." else None
    if whole is not None:
        return "int", whole
    number = float(digits) if _FLOAT.fullmatch(digits) else float("inf")
    return ("str", text) if isinf(number) else ("float", number)


def _whole(digits: str) -> int | None:
    """A whole number of at most 64 bits, as strconv.ParseInt reads it with base 0; None where it is none."""
    match = _INTEGER.fullmatch(digits)
    if match is None:
        return None
    sign, binary, octal, prefixed, hexadecimal, decimal = match.groups()
    for body, base in ((binary, 2), (octal, 8), (prefixed, 8), (hexadecimal, 16), (decimal, 10)):
        if body is not None and len(body) <= _MOST_DIGITS:
            number = int(f"{sign}{body}", base)
            unsigned = not sign and number < 2**64
            return number if -(2**63) <= number < 2**63 or unsigned else None
    return None


def as_in_json(value: Scalar) -> Scalar:
    """A value as it comes back from JSON: a number that is written whole is whole."""
    if not isinstance(value, float) or not isfinite(value):
        return value
    text = json_number(value)
    return int(text) if text.lstrip("-").isdecimal() and text != "-0" else value


def _is_moment(text: str) -> bool:
    """Whether Go's library takes this for a date, with a time or without."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return False
    try:
        numbers = [*(int(part) for part in match.groups() if part is not None), 0, 0, 0]
        datetime(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
    except ValueError:
        return False
    return True


def _binary(text: str) -> str:
    """The bytes as text; what is not UTF-8 becomes lone surrogates, which JSON gets as U+FFFD."""
    try:
        joined = text.replace("\r", "").replace("\n", "").encode("ascii")
        return base64.b64decode(joined, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, UnicodeEncodeError) as cause:
        raise NotReadable("it is no base64") from cause


_YAML: Final = "tag:yaml.org,2002:"
_RESOLVED: Final = frozenset(_YAML + kind for kind in ("str", "bool", "int", "float", "null", "timestamp"))
_WORDS: Final[Mapping[str, Mapping[str, Scalar]]] = {
    "bool": {
        **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
        **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    },
    "null": dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    "float": {
        **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
        **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
        **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    },
}
_STARTS_NUMBER: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0[bB]([01]+)|0[oO]([0-7]+)|0([0-7]+)|0[xX]([0-9a-fA-F]+)|(0|[1-9][0-9]*))", re.ASCII
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_TIME: Final = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?"
_MOMENT: Final = re.compile(rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?: {_TIME}|[Tt]{_TIME}(?:Z|[-+]\d\d:\d\d))?", re.ASCII)
# Far more than a whole number of 64 bits has in binary.
_MOST_DIGITS: Final = 4000
