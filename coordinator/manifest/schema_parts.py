"""What the schemas are made of: the few forms that values of a manifest have, each with its words for people.

`x-expected` words a pattern for people; `x-named` marks a field that takes several values with names, `x-new` one that
MarbleRun does not have.
"""

from typing import Any, Final

Schema = dict[str, Any]

UINT64: Final = 2**64 - 1
UINT32: Final = 2**32 - 1


def hex_text(count: int, what: str, *, may_be_empty: bool = False) -> Schema:
    """Exactly `count` bytes in hex."""
    digits = f"[0-9a-fA-F]{{{count * 2}}}"
    return {
        "type": "string",
        "pattern": f"^({digits})?$" if may_be_empty else f"^{digits}$",
        "description": f"{what}, {count * 2} hex digits.",
        "examples": [_example(count)],
        "x-expected": f"{count * 2} hex digits",
    }


def hash_text(what: str) -> Schema:
    """A hash in hex: SHA-256, SHA-384 or SHA-512, as the platform chose."""
    counts = [32, 48, 64]
    return {
        "type": "string",
        "pattern": "^(" + "|".join(f"[0-9a-fA-F]{{{count * 2}}}" for count in counts) + ")$",
        "description": f"{what}, 64, 96 or 128 hex digits (SHA-256, SHA-384, SHA-512).",
        "examples": [_example(counts[0])],
        "x-expected": "64, 96 or 128 hex digits",
    }


def octets(maximum: int, what: str) -> Schema:
    """From 1 to `maximum` bytes in hex."""
    return {
        "type": "string",
        "pattern": f"^([0-9a-fA-F]{{2}}){{1,{maximum}}}$",
        "description": f"{what}, in hex, 1 to {maximum} bytes.",
        "examples": [_example(8)],
        "x-expected": f"hex digits of 1 to {maximum} bytes",
    }


def named(value: Schema) -> Schema:
    """One value, or several with names: a release and its successor."""
    alone = {key: value[key] for key in ("type", "pattern", "x-expected")}
    return {
        "description": f"{value['description']}  Or several with names.",
        "anyOf": [alone, {"type": "object", "additionalProperties": alone, "minProperties": 1}],
        "examples": value["examples"],
        "x-named": True,
    }


def form(pattern: str, expected: str, what: str, example: str) -> Schema:
    """A text of this pattern."""
    return {"type": "string", "pattern": pattern, "description": what, "examples": [example], "x-expected": expected}


def whole(maximum: int, what: str, *, null: bool = False) -> Schema:
    """A number from 0 to `maximum`."""
    kinds: Any = ["integer", "null"] if null else "integer"
    return {"type": kinds, "minimum": 0, "maximum": maximum, "description": what}


def switch(what: str, *, default: bool | None = None) -> Schema:
    """A boolean.  default None: not demanded where it is absent."""
    schema: Schema = {"type": "boolean", "description": what}
    if default is not None:
        schema["default"] = default
    return schema


def texts(what: str, items: Schema | None = None) -> Schema:
    """A list; MarbleRun reads null as an empty one."""
    return {"type": ["array", "null"], "items": items or {"type": "string"}, "description": what}


def allow_list(what: str, items: Schema) -> Schema:
    """A list of what is allowed.  Null is refused here and an empty list by the reader: who allows nothing says so
    by mistake."""
    return {"type": "array", "items": items, "description": what}


def any_case(*words: str) -> Schema:
    """One of these words, in any letter case."""
    pattern = "|".join("".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)
    return {"type": "string", "anyOf": [{"enum": list(words)}, {"pattern": f"^({pattern})$"}]}


def map_of(values: Schema, what: str) -> Schema:
    """Values by names that the author chooses."""
    entry = {**values, "type": "object"} if values.get("type") == ["object", "null"] else values
    return {"type": ["object", "null"], "additionalProperties": entry, "description": what}


def struct(what: str, properties: Schema, *, required: list[str] | None = None) -> Schema:
    """A map of known fields; null is an empty one."""
    schema: Schema = {
        "type": ["object", "null"],
        "description": what,
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return schema


def ours(schema: Schema) -> Schema:
    """A field that MarbleRun does not have: a document that uses it is in our own style (design.md, 7)."""
    return {**schema, "x-new": True}


def part(what: str, properties: Schema) -> Schema:
    """A map of known fields, at least one of which is given."""
    return {**struct(what, properties), "type": "object", "minProperties": 1}


def _example(count: int) -> str:
    return ("0123456789abcdef" * (count // 8 + 1))[: count * 2]
