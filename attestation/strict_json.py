"""JSON that says the same to every reader: no member twice, no constant that JSON does not have (RFC 8259, 4 and 6)."""

import json
from typing import Any, NoReturn


def parse_json(raw: bytes | str) -> Any:
    """The document.  Raises ValueError, which says what is wrong with it."""
    try:
        return json.loads(raw, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError as cause:
        raise ValueError("it is nested too deep") from cause


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return members


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
