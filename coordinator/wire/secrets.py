"""JSON shapes of secrets in REST v1 and v2 (contract 1.11): what users send, and what they read.

Read as Go's decoder does (contract 10.1): the first JSON value only, names of fields in any letter case, the later of
two counts, null is the zero value, bytes are base64 or a list of numbers.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coordinator.wire.v2 import BodyInvalid


@dataclass(frozen=True, slots=True)
class UserSecret:
    """What a user sends for one secret.  certificate: DER; private: as sent.  What is absent is empty."""

    key: bytes = field(default=b"", repr=False)
    certificate: bytes = b""
    private: bytes = field(default=b"", repr=False)


def decode_v1(body: bytes) -> Mapping[str, UserSecret]:
    """`{name: UserSecret}`.  Raises BodyInvalid; its text holds nothing of the body's values."""
    return _secrets(_first_value(body))


def decode_v2(body: bytes) -> Mapping[str, UserSecret]:
    """`{"secrets": {name: UserSecret}}`.  Raises BodyInvalid; its text holds nothing of the body's values."""
    document = _first_value(body)
    if not isinstance(document, dict):
        raise BodyInvalid(f'body: expected an object with "secrets", got {_kind(document)}')
    return _secrets(_fields(document).get("secrets"))


def secret_document(
    *,
    kind: str,
    size: int,
    shared: bool,
    user_defined: bool,
    certificate: bytes,
    valid_days: int,
    private: bytes,
    public: bytes,
) -> dict[str, Any]:
    """One secret as users read it, the same in v1 and v2; null is what has no value."""
    return {
        "Type": kind,
        "Size": size,
        "Shared": shared,
        "UserDefined": user_defined,
        "Cert": _base64(certificate),
        "ValidFor": valid_days,
        "Private": _base64(private),
        "Public": _base64(public),
    }


def _secrets(document: object) -> Mapping[str, UserSecret]:
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise BodyInvalid(f"body: expected an object of secrets by name, got {_kind(document)}")
    return {name: _secret(name, entry) for name, entry in document.items()}


def _secret(name: str, document: object) -> UserSecret:
    if document is None:
        return UserSecret()
    if not isinstance(document, dict):
        raise BodyInvalid(f"secret '{name[:100]}': expected an object, got {_kind(document)}")
    fields = _fields(document)
    key, certificate, private = (_bytes(name, key, fields.get(key.lower())) for key in ("Key", "Cert", "Private"))
    return UserSecret(key, certificate, private)


def _bytes(name: str, key: str, value: object) -> bytes:
    where = f"secret '{name[:100]}': {key}"
    if value is None:
        return b""
    if isinstance(value, list):
        if all(type(number) is int and 0 <= number <= 255 for number in value):
            return bytes(value)
        raise BodyInvalid(f"{where}: expected numbers from 0 to 255")
    if not isinstance(value, str):
        raise BodyInvalid(f"{where}: expected base64 text, got {_kind(value)}")
    try:
        return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise BodyInvalid(f"{where}: expected standard base64 with padding") from cause


def _first_value(body: bytes) -> Any:
    try:
        value, _ = json.JSONDecoder().raw_decode(body.decode("utf-8").lstrip(" \t\r\n"))
    except UnicodeDecodeError as cause:
        raise BodyInvalid("body: expected JSON in UTF-8") from cause
    except json.JSONDecodeError as cause:
        raise BodyInvalid(f"body: expected JSON, got an error at character {cause.pos}: {cause.msg}") from None
    except (ValueError, RecursionError) as cause:
        raise BodyInvalid("body: expected JSON with numbers and nesting of a sensible size") from cause
    return value


def _fields(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """By name in lower case; the later of two counts."""
    return {key.casefold(): value for key, value in document.items()}


def _base64(value: bytes) -> str | None:
    return base64.b64encode(value).decode() if value else None


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )
