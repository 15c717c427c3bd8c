"""The functions of templates: MarbleRun's own (contract, 3.10) and Go's built-in ones that this version renders.

A function gets its arguments evaluated and returns a value; it raises FunctionError with a text for people.
"""

import base64
import html as html_module
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote_plus

from coordinator.manifest.template.printing import go_type, print_values, show
from coordinator.manifest.template.values import CertificateValue, PrivateBytes, PublicBytes, SecretValue, Value
from pki.pem import pem_block

FunctionBody: TypeAlias = Callable[[Sequence[Value]], Value]


class FunctionError(ValueError):
    """A function refuses its arguments; it never shows them."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def text_of(data: bytes) -> str:
    """Bytes as a Go string: what is not UTF-8 stays, as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def truth(value: Value) -> bool:
    """What `if` makes of a value (text/template, IsTrue)."""
    if value is None:
        return False
    if isinstance(value, bool | int | float):
        return value != 0
    if isinstance(value, str | bytes | tuple | Mapping):
        return len(value) > 0
    return True


# MarbleRun's


def _pem(arguments: Sequence[Value]) -> Value:
    value = _only(arguments)
    if isinstance(value, CertificateValue):
        label, data = "CERTIFICATE", value.der
        if not data:
            raise FunctionError("this secret has no certificate", "symmetric keys have .Private")
        return "".join(pem_block(label, der) for der in (data, *value.along))
    elif isinstance(value, PublicBytes):
        label, data = "PUBLIC KEY", bytes(value)
    elif isinstance(value, PrivateBytes):
        label, data = "PRIVATE KEY", bytes(value)
    elif value is None:
        raise FunctionError("the secret does not exist")
    elif isinstance(value, SecretValue):
        raise FunctionError("pem takes a part of a secret", "use .Cert, .Public or .Private of it")
    else:
        raise FunctionError(f"pem cannot take {go_type(value)}", "use .Cert, .Public or .Private of a secret")
    return pem_block(label, _filled(data))


def _hex(arguments: Sequence[Value]) -> Value:
    return _secret_bytes(arguments, "hex").hex()


def _base64(arguments: Sequence[Value]) -> Value:
    return base64.b64encode(_secret_bytes(arguments, "base64")).decode()


def _raw(arguments: Sequence[Value]) -> Value:
    return text_of(_secret_bytes(arguments, "raw"))


def _string(arguments: Sequence[Value]) -> Value:
    value = _only(arguments)
    if value is None:
        raise FunctionError("the secret does not exist")
    if not isinstance(value, SecretValue) or value.type not in ("plain", "generated-password"):
        message = "string takes only a whole secret of type plain or generated-password"
        raise FunctionError(message, "use hex or base64 for keys")
    if b"\0" in _filled(value.public):
        raise FunctionError("the secret has NUL bytes, which no environment variable can hold", "use base64 or hex")
    return text_of(value.public)


def _secret_bytes(arguments: Sequence[Value], function: str) -> bytes:
    value = _only(arguments)
    if isinstance(value, SecretValue):
        return _filled(value.public)
    if isinstance(value, CertificateValue):
        return _filled(value.der)
    if isinstance(value, bytes):
        return _filled(bytes(value))
    if value is None:
        raise FunctionError("the secret does not exist")
    raise FunctionError(f"{function} cannot take {go_type(value)}", "it takes a secret or a part of one")


def _filled(data: bytes) -> bytes:
    if not data:
        raise FunctionError("the secret has no value here", "a user-defined secret must be set before a marble uses it")
    return data


# Go's


def _index(arguments: Sequence[Value]) -> Value:
    if not arguments:
        raise FunctionError("index takes a value and its indices")
    value = arguments[0]
    for index in arguments[1:]:
        if isinstance(value, Mapping):
            if not isinstance(index, str):
                raise FunctionError(f"a map is indexed by text, not by {go_type(index)}")
            value = value.get(index)
        elif isinstance(value, tuple | bytes):
            value = value[_position(index, len(value) - 1)]
        elif isinstance(value, str):
            value = bytes_of(value)[_position(index, len(bytes_of(value)) - 1)]
        elif value is None:
            raise FunctionError("index of a value that does not exist")
        else:
            raise FunctionError(f"cannot index {go_type(value)}", "write its field as .Name")
    return value


def _slice(arguments: Sequence[Value]) -> Value:
    if not 1 <= len(arguments) <= 3:
        raise FunctionError(f"slice takes a value, a start and an end, got {len(arguments)} arguments")
    value = arguments[0]
    if not isinstance(value, str | bytes | tuple):
        raise FunctionError(f"cannot slice {go_type(value)}")
    length = len(bytes_of(value)) if isinstance(value, str) else len(value)
    end = _position(arguments[2], length) if len(arguments) > 2 else length
    start = _position(arguments[1], length) if len(arguments) > 1 else 0
    if start > end:
        raise FunctionError("the slice ends before it starts")
    return text_of(bytes_of(value)[start:end]) if isinstance(value, str) else value[start:end]


def _position(value: Value, last: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FunctionError(f"a position is a whole number, not {go_type(value)}")
    if not 0 <= value <= last:
        raise FunctionError("index out of range")
    return value


def _len(arguments: Sequence[Value]) -> Value:
    value = _only(arguments)
    if isinstance(value, str):
        return len(bytes_of(value))
    if isinstance(value, bytes | tuple | Mapping):
        return len(value)
    raise FunctionError(f"{go_type(value)} has no length")


def _not(arguments: Sequence[Value]) -> Value:
    return not truth(_only(arguments))


def _eq(arguments: Sequence[Value]) -> Value:
    if len(arguments) < 2:
        raise FunctionError("eq needs two or more values")
    first, *others = (_comparable(value) for value in arguments)
    for other in others:
        _same_kind(first, other)
        if first == other:
            return True
    return False


def _ne(arguments: Sequence[Value]) -> Value:
    left, right = _pair(arguments, "ne")
    return left != right


def _ordered(name: str, holds: Callable[[int], bool]) -> FunctionBody:
    def compare(arguments: Sequence[Value]) -> Value:
        left, right = _pair(arguments, name)
        if isinstance(left, bool) or isinstance(right, bool):
            raise FunctionError(f"{name} does not order booleans")
        if isinstance(left, str) and isinstance(right, str):
            one, two = bytes_of(left), bytes_of(right)
            return holds((one > two) - (one < two))
        if isinstance(left, int | float) and isinstance(right, int | float):
            return holds((left > right) - (left < right))
        raise FunctionError(f"{name} cannot compare {go_type(left)} with {go_type(right)}")

    return compare


def _pair(arguments: Sequence[Value], name: str) -> tuple[bool | int | float | str, bool | int | float | str]:
    if len(arguments) != 2:
        raise FunctionError(f"{name} needs two values, got {len(arguments)}")
    left, right = _comparable(arguments[0]), _comparable(arguments[1])
    _same_kind(left, right)
    return left, right


def _comparable(value: Value) -> bool | int | float | str:
    if isinstance(value, bool | int | float | str):
        return value
    raise FunctionError(f"cannot compare {go_type(value)}", "compare text, numbers or booleans")


def _same_kind(left: Value, right: Value) -> None:
    if type(left) is not type(right):
        raise FunctionError(f"incompatible types for comparison: {go_type(left)} and {go_type(right)}")


def _print(arguments: Sequence[Value]) -> Value:
    return print_values(arguments, always_spaces=False)


def _println(arguments: Sequence[Value]) -> Value:
    return print_values(arguments, always_spaces=True) + "\n"


def _printf(arguments: Sequence[Value]) -> Value:
    """fmt.Sprintf for %s, %d, %v and %t without flags; others are refused rather than guessed."""
    if not arguments or not isinstance(arguments[0], str):
        raise FunctionError("printf needs a format text first")
    layout, values = arguments[0], list(arguments[1:])
    out: list[str] = []
    at = 0
    for match in _VERB.finditer(layout):
        out.append(layout[at : match.start()])
        at = match.end()
        verb = match.group(1)
        if verb == "%":
            out.append("%")
        elif verb not in _VERBS:
            raise FunctionError(f"printf verb %{verb or ' '} is not supported here", "use %s, %d, %v or %t")
        elif not values:
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(_formatted(verb, values.pop(0)))
    out.append(layout[at:])
    if values:
        extra = ", ".join(f"{_basic_type(value)}={show(value)}" for value in values)
        out.append(f"%!(EXTRA {extra})")
    return "".join(out)


def _formatted(verb: str, value: Value) -> str:
    if verb == "v" or (verb == "s" and not isinstance(value, bool | int | float | bytes | tuple)):
        if value is None:
            raise FunctionError("printf of a value that does not exist")
        return show(value)
    if verb == "s" and isinstance(value, bytes):
        return text_of(value)
    if verb == "d" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if verb == "t" and isinstance(value, bool):
        return show(value)
    return f"%!{verb}({_basic_type(value)}={show(value)})"


def _basic_type(value: Value) -> str:
    """Go's name of a type that has only one here; whole numbers can be int or uint in Go, so they are refused."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return "float64"
    raise FunctionError(f"printf cannot describe {go_type(value)} here", "give each value a verb that fits it")


def _html(arguments: Sequence[Value]) -> Value:
    text = print_values(arguments, always_spaces=False).replace("\0", "\ufffd")
    return html_module.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _js(arguments: Sequence[Value]) -> Value:
    return "".join(_js_character(c) for c in print_values(arguments, always_spaces=False))


def _js_character(character: str) -> str:
    if character in "\\'\"":
        return "\\" + character
    if character in "<>&=" or character < " ":
        return f"\\u{ord(character):04X}"
    if character > "~" and not character.isprintable():
        raise FunctionError("js cannot escape this character here", "use base64")
    return character


def _urlquery(arguments: Sequence[Value]) -> Value:
    return quote_plus(bytes_of(print_values(arguments, always_spaces=False)))


def _only(arguments: Sequence[Value]) -> Value:
    if len(arguments) != 1:
        raise FunctionError(f"wrong number of arguments: want 1, got {len(arguments)}")
    return arguments[0]


COMMON: Final[Mapping[str, FunctionBody]] = {
    "pem": _pem,
    "hex": _hex,
    "base64": _base64,
    "index": _index,
    "slice": _slice,
    "len": _len,
    "not": _not,
    "eq": _eq,
    "ne": _ne,
    "lt": _ordered("lt", lambda order: order < 0),
    "le": _ordered("le", lambda order: order <= 0),
    "gt": _ordered("gt", lambda order: order > 0),
    "ge": _ordered("ge", lambda order: order >= 0),
    "print": _print,
    "println": _println,
    "printf": _printf,
    "html": _html,
    "js": _js,
    "urlquery": _urlquery,
}
FILE: Final[Mapping[str, FunctionBody]] = {**COMMON, "raw": _raw}
ENVIRONMENT: Final[Mapping[str, FunctionBody]] = {**COMMON, "string": _string}
# and, or: evaluated by the interpreter, since they stop at the first value that decides.
LAZY: Final = frozenset({"and", "or"})

_VERB: Final = re.compile(r"%(.|\Z)", re.DOTALL)
_VERBS: Final = frozenset("sdvt")
