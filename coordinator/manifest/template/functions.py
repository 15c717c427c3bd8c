"""The functions of templates: MarbleRun's own (contract, 3.10) and Go's built-in ones that this version renders.

A function gets its arguments evaluated and returns a value; it raises FunctionError with a text for people.
"""

import base64
import html as html_module
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote_plus

from coordinator.manifest.template.errors import FunctionError
from coordinator.manifest.template.formatting import sprintf
from coordinator.manifest.template.printing import go_type, print_values
from coordinator.manifest.template.strings import bytes_of, is_byte, is_printable, text_of
from coordinator.manifest.template.values import Byte, CertificateValue, PrivateBytes, PublicBytes, SecretValue, Value
from pki.pem import pem_block

FunctionBody: TypeAlias = Callable[[Sequence[Value]], Value]


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
    if value is None:
        raise FunctionError("index of a value that does not exist")
    for index in arguments[1:]:
        if isinstance(value, Mapping):
            if not isinstance(index, str):
                raise FunctionError(f"a map is indexed by text, not by {go_type(index)}")
            value = value.get(index, _NO_SECRET)
        elif isinstance(value, tuple):
            value = value[_position(index, len(value) - 1)]
        elif isinstance(value, str | bytes):
            data = bytes_of(value) if isinstance(value, str) else value
            value = Byte(data[_position(index, len(data) - 1)])
        else:
            raise FunctionError(f"cannot index {go_type(value)}", "write its field as .Name")
    return value


def _slice(arguments: Sequence[Value]) -> Value:
    if not arguments:
        raise FunctionError("slice takes a value, a start and an end")
    value, *ends = arguments
    if not isinstance(value, str | bytes | tuple):
        raise FunctionError(f"cannot slice {go_type(value)}")
    if len(ends) > (2 if isinstance(value, str) else 3):
        raise FunctionError(f"too many ends to slice {go_type(value)}: {len(ends)}")
    length = len(bytes_of(value)) if isinstance(value, str) else len(value)
    places = [_position(end, length) for end in ends]
    start, end = (*places, *(0, length)[len(places) :])[:2]
    if start > end or sorted(places) != places:
        raise FunctionError("the slice ends before it starts")
    if isinstance(value, str):
        return text_of(bytes_of(value)[start:end])
    return value[start:end] if isinstance(value, tuple) else type(value)(value[start:end])


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
    first, *others = arguments
    return any(_equal(first, other) for other in others)


def _ne(arguments: Sequence[Value]) -> Value:
    left, right = _two(arguments, "ne")
    return not _equal(left, right)


def _equal(left: Value, right: Value) -> bool:
    """Basic kinds only, and both of the same one; nothing equals nothing."""
    if left is None or right is None:
        return left is right
    if not isinstance(left, _BASIC) or not isinstance(right, _BASIC):
        worse = right if isinstance(left, _BASIC) else left
        raise FunctionError(f"cannot compare {go_type(worse)}", "compare text, numbers or booleans")
    _same_kind(left, right)
    return left == right


def _ordered(name: str, holds: Callable[[int], bool]) -> FunctionBody:
    def compare(arguments: Sequence[Value]) -> Value:
        left, right = _two(arguments, name)
        for value in (left, right):
            if isinstance(value, bool) or not isinstance(value, _BASIC):
                raise FunctionError(f"{name} does not order {go_type(value)}", "compare text or numbers")
        _same_kind(left, right)
        if isinstance(left, str) and isinstance(right, str):
            one, two = bytes_of(left), bytes_of(right)
            return holds((one > two) - (one < two))
        assert isinstance(left, int | float)
        assert isinstance(right, int | float)
        return holds((left > right) - (left < right))

    return compare


def _two(arguments: Sequence[Value], name: str) -> tuple[Value, Value]:
    if len(arguments) != 2:
        raise FunctionError(f"{name} needs two values, got {len(arguments)}")
    return arguments[0], arguments[1]


def _same_kind(left: Value, right: Value) -> None:
    """Whole numbers of every type are of one kind."""
    if _kind(left) is not _kind(right):
        raise FunctionError(f"incompatible types for comparison: {go_type(left)} and {go_type(right)}")


def _kind(value: Value) -> type:
    return next(kind for kind in (bool, int, float, str) if isinstance(value, kind))


def _call(arguments: Sequence[Value]) -> Value:
    """No value here is a function, so there is nothing to call."""
    raise FunctionError(f"{go_type(arguments[0])} is no function" if arguments else "call takes a function")


def _print(arguments: Sequence[Value]) -> Value:
    return print_values(arguments, always_spaces=False)


def _println(arguments: Sequence[Value]) -> Value:
    return print_values(arguments, always_spaces=True) + "\n"


def _printf(arguments: Sequence[Value]) -> Value:
    if not arguments or not isinstance(arguments[0], str):
        raise FunctionError("printf needs a format text first")
    return sprintf(arguments[0], arguments[1:])


def _escapable(arguments: Sequence[Value]) -> str:
    """What the escaping functions work on: what print makes, but a missing value has a text here."""
    shown = ["<no value>" if argument is None else argument for argument in arguments]
    return print_values(shown, always_spaces=False)


def _html(arguments: Sequence[Value]) -> Value:
    text = _escapable(arguments).replace("\0", "\ufffd")
    return html_module.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _js(arguments: Sequence[Value]) -> Value:
    return "".join(_js_character(c) for c in _escapable(arguments))


def _js_character(character: str) -> str:
    if character in "\\'\"":
        return "\\" + character
    if character in "<>&=" or character < " ":
        return f"\\u{ord(character):04X}"
    if character > "~" and not is_printable(character) and not is_byte(character):
        return f"\\u{ord(character):04X}"
    return character


def _urlquery(arguments: Sequence[Value]) -> Value:
    return quote_plus(bytes_of(_escapable(arguments)))


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
    "call": _call,
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

# A key that a map of secrets does not have: Go gives the zero value of the map's elements.
_NO_SECRET: Final = SecretValue("")
_BASIC: Final = (bool, int, float, str)
