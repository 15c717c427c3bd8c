"""Reading JSON as Go's decoder does (contract 10.1).

The first value only, names of fields in any letter case, the later of two counts, null is the zero value, bytes are
base64 or a list of numbers.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from coordinator.wire.v2 import BodyInvalid


def first_value(body: bytes) -> Any:
    """The first JSON value in a body.  Raises BodyInvalid, whose text holds nothing of the body's values."""
    try:
        value, _ = json.JSONDecoder().raw_decode(body.decode("utf-8").lstrip(" \t\r\n"))
    except UnicodeDecodeError as cause:
        raise BodyInvalid("body: expected JSON in UTF-8") from cause
    except json.JSONDecodeError as cause:
        raise BodyInvalid(f"body: expected JSON, got an error at character {cause.pos}: {cause.msg}") from None
    except (ValueError, RecursionError) as cause:
        raise BodyInvalid("body: expected JSON with numbers and nesting of a sensible size") from cause
    return value


def fields_of(where: str, document: object) -> Mapping[str, Any]:
    """An object's fields by name in lower case; the later of two counts.  Raises BodyInvalid, which names `where`."""
    if not isinstance(document, dict):
        raise BodyInvalid(f"{where}: expected an object, got {kind(document)}")
    return {key.casefold(): value for key, value in document.items()}


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )


def bytes_field(where: str, value: object) -> bytes:
    """Bytes as Go reads them: base64, a list of numbers, or null for none.  Raises BodyInvalid, which names `where`."""
    if value is None:
        return b""
    if isinstance(value, list):
        if all(type(number) is int and 0 <= number <= 255 for number in value):
            return bytes(value)
        raise BodyInvalid(f"{where}: expected numbers from 0 to 255")
    if not isinstance(value, str):
        raise BodyInvalid(f"{where}: expected base64 text, got {kind(value)}")
    try:
        return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise BodyInvalid(f"{where}: expected standard base64 with padding") from cause
