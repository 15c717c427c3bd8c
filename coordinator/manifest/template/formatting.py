"""fmt.Sprintf: verbs, flags, width, precision and argument indices, as Go's package fmt documents and prints them.

What Go would print from the names of its own types, or from a structure, is refused rather than guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from coordinator.manifest.go_float import general
from coordinator.manifest.template.errors import FunctionError
from coordinator.manifest.template.printing import show
from coordinator.manifest.template.strings import bytes_of, can_backquote, is_printable, quote, text_of
from coordinator.manifest.template.values import (
    BigNumber,
    Byte,
    NamedNumber,
    PrivateBytes,
    PublicBytes,
    Struct,
    Uint,
    Value,
)


def sprintf(layout: str, values: Sequence[Value]) -> str:
    """The text, with what is wrong in the layout as Go writes it (`%!d(string=hi)`).

    Raises FunctionError, NotPrintable.
    """
    return _Printer(layout, values).text()


@dataclass
class _Flags:
    """Of one verb.  is_go: `%#v`, a value as Go would be written.  width, precision: None where not given."""

    sharp: bool = False
    zero: bool = False
    plus: bool = False
    minus: bool = False
    space: bool = False
    is_go: bool = False
    width: int | None = None
    precision: int | None = None

    def pad(self, text: str, *, zeros: bool = True) -> str:
        """The text in its width, counted in characters."""
        missing = max(0, (self.width or 0) - len(text))
        if self.minus:
            return text + " " * missing
        return ("0" if self.zero and zeros else " ") * missing + text

    def cut(self, text: str) -> str:
        """No more characters than the precision."""
        return text if self.precision is None else text[: self.precision]


class _Printer:
    def __init__(self, layout: str, values: Sequence[Value]) -> None:
        self._layout = layout
        self._values = values
        self._next = 0
        self._at = 0
        self._reordered = False
        self._good_index = True

    def text(self) -> str:
        out: list[str] = []
        size = 0
        while True:
            start = self._layout.find("%", self._at)
            if start < 0:
                out.append(self._layout[self._at :])
                break
            out.append(self._layout[self._at : start])
            self._at = start + 1
            out.append(self._directive())
            size += len(out[-1])
            if size > MAX_TEXT:
                raise FunctionError(f"printf makes more than {MAX_TEXT} characters")
        if not self._reordered and self._next < len(self._values):
            extra = (
                f"{_type(value)}={_print(value, 'v', _Flags())}" if value is not None else "<nil>"
                for value in self._values[self._next :]
            )
            out.append(f"%!(EXTRA {', '.join(extra)})")
        return "".join(out)

    def _directive(self) -> str:
        flags = _Flags()
        self._good_index = True
        while self._at < len(self._layout) and self._layout[self._at] in _FLAGS:
            setattr(flags, _FLAGS[self._layout[self._at]], True)
            self._at += 1
        problem, after_index = "", self._index()
        if self._peek() == "*":
            self._at += 1
            width = self._count()
            if width is None:
                problem += "%!(BADWIDTH)"
            elif width < 0:
                flags.minus, flags.zero, width = True, False, -width
            flags.width = width
            after_index = False
        else:
            flags.width = self._number()
            if after_index and flags.width is not None:
                self._good_index = False
        if self._peek() == ".":
            self._at += 1
            if after_index:
                self._good_index = False
            after_index = self._index()
            if self._peek() == "*":
                self._at += 1
                precision = self._count()
                if precision is None or precision < 0:
                    precision, problem = None, problem + "%!(BADPREC)"
                flags.precision = precision
                after_index = False
            else:
                flags.precision = self._number() or 0
        if not after_index:
            self._index()
        if self._at >= len(self._layout):
            return problem + "%!(NOVERB)"
        verb = self._layout[self._at]
        self._at += 1
        return problem + self._verb(verb, flags)

    def _verb(self, verb: str, flags: _Flags) -> str:
        if verb == "%":
            return "%"
        if not self._good_index:
            return f"%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"%!{verb}(MISSING)"
        value = self._values[self._next]
        self._next += 1
        if verb == "v" and not isinstance(value, BigNumber):
            flags = replace(flags, sharp=False, plus=False, is_go=flags.sharp)
        return _print(value, verb, flags)

    def _peek(self) -> str:
        return self._layout[self._at : self._at + 1]

    def _number(self) -> int | None:
        match = _DIGITS.match(self._layout, self._at)
        if not match:
            return None
        self._at = match.end()
        return _bounded(int(match.group()[:10]))

    def _index(self) -> bool:
        """An argument index `[n]`, if one stands here."""
        if self._peek() != "[":
            return False
        self._reordered = True
        match = _INDEX.match(self._layout, self._at)
        end = self._layout.find("]", self._at)
        if match and 1 <= int(match.group(1)[:10]) <= len(self._values):
            self._next = int(match.group(1)) - 1
            self._at = match.end()
            return True
        self._good_index = False
        self._at = self._at + 1 if end < 0 else end + 1
        return end >= 0

    def _count(self) -> int | None:
        """A width or precision from the values."""
        if self._next >= len(self._values):
            return None
        value = self._values[self._next]
        self._next += 1
        if isinstance(value, bool) or not isinstance(value, int) or isinstance(value, NamedNumber):
            return None
        return value if abs(value) <= _MAX_WIDTH else None


def _print(value: Value, verb: str, flags: _Flags) -> str:
    if value is None:
        return flags.pad("<nil>") if verb in "vT" else f"%!{verb}(<nil>)"
    if verb == "T":
        return flags.pad(flags.cut(_type(value)))
    if verb == "p":
        raise FunctionError("printf %p shows an address in memory", "leave it out")
    if verb == "w":
        return _bad(value, verb, flags)
    if isinstance(value, BigNumber):
        return _big(value, verb, flags)
    if flags.is_go and not isinstance(value, str | bool | float | int):
        raise FunctionError("printf %#v shows Go's own names of types", "use %v")
    if isinstance(value, bool):
        return flags.pad("true" if value else "false") if verb in "tv" else _bad(value, verb, flags)
    if isinstance(value, NamedNumber | Struct) and verb in "vsxXq" and not flags.is_go:
        return _string(show(value), verb, flags)
    if isinstance(value, int):
        return _whole(value, verb, flags)
    if isinstance(value, float):
        return _float(value, verb, flags)
    if isinstance(value, str):
        return _string(value, verb, flags)
    if isinstance(value, bytes):
        return _bytes(value, verb, flags)
    if isinstance(value, tuple):
        return "[" + " ".join(_print(element, verb, flags) for element in value) + "]"
    raise FunctionError("printf cannot print a structure", "name a field of it")


def _bad(value: Value, verb: str, flags: _Flags) -> str:
    return f"%!{verb}({_type(value)}={_print(value, 'v', flags)})"


def _big(value: BigNumber, verb: str, flags: _Flags) -> str:
    """A number of any size prints itself (math/big)."""
    if verb not in "bodxXsv" or flags.sharp:
        raise FunctionError(f"printf cannot print such a number with %{verb} here", "use %v")
    return _digits(value.number, {"s": "d"}.get(verb, verb), flags)


def _whole(value: int, verb: str, flags: _Flags) -> str:
    unsigned = isinstance(value, Uint | Byte)
    if flags.is_go and unsigned:
        return _digits(value, "x", replace(flags, sharp=True))
    if verb in "vdbxXoO":
        return _digits(value, verb, flags)
    if verb == "c":
        return flags.pad(_character(value))
    if verb == "q":
        return flags.pad(quote(_character(value), "'", ascii_only=flags.plus))
    if verb == "U":
        return _code_point(value, flags)
    return _bad(value, verb, flags)


def _digits(value: int, verb: str, flags: _Flags) -> str:
    """A whole number in a base: precision is a number of digits, and `0` fills up to the width."""
    if flags.precision == 0 and value == 0:
        return " " * (flags.width or 0)
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    wanted = flags.precision or 0
    if flags.precision is None and flags.zero and not flags.minus and flags.width is not None:
        wanted = flags.width - len(sign)
    digits = format(abs(value), {"v": "d", "O": "o"}.get(verb, verb)).rjust(wanted, "0")
    if flags.sharp and verb == "o" and not digits.startswith("0"):
        digits = "0" + digits
    elif flags.sharp and verb in "bxX":
        digits = "0" + verb + digits
    if verb == "O":
        digits = "0o" + ("0" + digits if flags.sharp and not digits.startswith("0") else digits)
    return flags.pad(sign + digits, zeros=False)


def _character(code: int) -> str:
    """The character with this number; U+FFFD where there is none."""
    is_one = 0 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if is_one else "\ufffd"


def _code_point(value: int, flags: _Flags) -> str:
    number = value & 0xFFFFFFFFFFFFFFFF
    text = f"U+{number:0{max(4, flags.precision or 0)}X}"
    if flags.sharp and number <= 0x10FFFF and is_printable(chr(number)):
        text += f" '{chr(number)}'"
    return flags.pad(text, zeros=False)


def _float(value: float, verb: str, flags: _Flags) -> str:
    if verb in "bxX" or flags.sharp:
        raise FunctionError(
            f"printf cannot print a floating-point number with %{'#' * flags.sharp}{verb} here", "use %v"
        )
    if verb not in "veEfFgG":
        return _bad(value, verb, flags)
    if flags.precision is None and verb in "vgG":
        text = general(value).upper() if verb == "G" else general(value)
    else:
        form = {"F": "f", "v": "g"}.get(verb, verb)
        text = format(value, f".{6 if flags.precision is None else flags.precision}{form}")
        text = _EXPONENT.sub(lambda match: f"{match.group(1)}{match.group(2).rjust(2, '0')}", text)
    if not text.startswith("-"):
        text = ("+" if flags.plus else " " if flags.space else "") + text
    if flags.zero and not flags.minus and text[0] in "+- ":
        return text[0] + text[1:].rjust((flags.width or 0) - 1, "0")
    return flags.pad(text)


def _string(value: str, verb: str, flags: _Flags) -> str:
    if verb == "q" or flags.is_go:
        cut = flags.cut(value)
        if verb == "q" and flags.sharp and can_backquote(cut):
            return flags.pad(f"`{cut}`")
        return flags.pad(quote(cut, ascii_only=verb == "q" and flags.plus))
    if verb in "sv":
        return flags.pad(flags.cut(value))
    return _hex(bytes_of(value), verb, flags) if verb in "xX" else _bad(value, verb, flags)


def _bytes(value: bytes, verb: str, flags: _Flags) -> str:
    if verb in "sq":
        return _string(text_of(value), verb, flags)
    if verb in "xX":
        return _hex(value, verb, flags)
    return "[" + " ".join(_print(Byte(byte), verb, flags) for byte in value) + "]"


def _hex(value: bytes, verb: str, flags: _Flags) -> str:
    """Two digits for each byte, no more bytes than the precision; space and # put something between or before them."""
    value = value if flags.precision is None else value[: flags.precision]
    prefix = "0" + verb if flags.sharp else ""
    pairs = [f"{byte:02{verb}}" for byte in value]
    text = " ".join(prefix + pair for pair in pairs) if flags.space else prefix + "".join(pairs)
    return flags.pad(text if value else "")


def _type(value: Value) -> str:
    """Go's name of a type.  Raises FunctionError for those that have MarbleRun's own names."""
    if isinstance(value, PublicBytes | PrivateBytes | Struct | NamedNumber) or value is None:
        raise FunctionError("printf would show the name of one of Go's types", "give each value a verb that fits it")
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    if isinstance(value, tuple) and value and all(isinstance(element, str) for element in value):
        return "[]string"
    raise FunctionError("printf would show the name of one of Go's types", "give each value a verb that fits it")


def _bounded(number: int) -> int | None:
    return number if number <= _MAX_WIDTH else None


MAX_TEXT: Final = 8 << 20
# fmt takes no larger width or precision.
_MAX_WIDTH: Final = 1_000_000
_FLAGS: Final = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}
_DIGITS: Final = re.compile(r"[0-9]+")
_INDEX: Final = re.compile(r"\[([0-9]+)\]")
_EXPONENT: Final = re.compile(r"([eE][-+])([0-9]+)$")
_TYPES: Final = (
    (bool, "bool"),
    (Byte, "uint8"),
    (Uint, "uint"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (bytes, "[]uint8"),
)
