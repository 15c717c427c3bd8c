"""May a request of HTTP/2 have these header fields?  Source: RFC 9113, 8.2 and 8.3.

Names and values as bytes; what they mean for a call is read elsewhere (calls.py).
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]


class FieldsMalformed(Exception):
    """No request or trailer of HTTP/2 has these fields; the text names the first that is wrong."""


def check_request(fields: Fields) -> int | None:
    """How many bytes of body the request announces, if it does.  Raises FieldsMalformed."""
    announced = None
    pseudo: set[bytes] = set()
    regular = False
    for name, value in fields:
        if name[:1] != b":":
            regular = True
            _check(name, value)
            if name == b"content-length":
                announced = _content_length(value, announced)
        elif regular or name in pseudo or name not in _PSEUDO or not value or not _VALUE.fullmatch(value):
            raise FieldsMalformed(f"pseudo-header field {name[:_SHOWN]!r}: unknown, empty, misplaced or there twice")
        else:
            pseudo.add(name)
    if missing := _REQUIRED - pseudo:
        raise FieldsMalformed(f"request: expected pseudo-header fields {sorted(missing)}, got none")
    return announced


def check_trailers(fields: Fields) -> None:
    """Raises FieldsMalformed."""
    for name, value in fields:
        _check(name, value)


def _check(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name) or name in _OF_CONNECTION or (name == b"te" and value != b"trailers"):
        raise FieldsMalformed(f"header field {name[:_SHOWN]!r}: not allowed in HTTP/2")
    if not _VALUE.fullmatch(value):
        raise FieldsMalformed(f"header field {name[:_SHOWN]!r}: its value has bytes that are not allowed")


def _content_length(value: bytes, before: int | None) -> int:
    if not _NUMBER.fullmatch(value) or (before is not None and before != int(value)):
        raise FieldsMalformed(f"content-length: expected one number, got {value[:_SHOWN]!r}")
    return int(value)


_PSEUDO: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
_REQUIRED: Final = _PSEUDO - {b":authority"}
_OF_CONNECTION: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_NAME: Final = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
_SHOWN: Final = 40
