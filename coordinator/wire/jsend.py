"""The envelope of every REST answer (contract 1.2): Go's JSON with HTML escapes and one newline at the end."""

import json
from typing import Any

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def encode(document: Any) -> bytes:
    """Compact JSON as Go's encoder writes it; the order of keys is the caller's."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)
    return text.encode("utf-8", "replace") + b"\n"


def success(data: Any) -> bytes:
    """HTTP 200, `application/json`."""
    return encode({"status": "success", "data": data})


def error(message: str) -> bytes:
    """HTTP >= 400, `text/plain; charset=utf-8`; without a message the key is absent."""
    body: dict[str, Any] = {"status": "error", "data": None}
    return encode(body | {"message": message} if message else body)


def fail(message: str, data: Any = None) -> bytes:
    """REST v2 only: the client's fault, HTTP 400 or 401, `application/json`."""
    return encode({"status": "fail", "data": data, "message": message})
