"""The values of literals: strings, characters and numbers (Go specification, "Lexical elements")."""

import re
from typing import Final

from coordinator.manifest.template.errors import TemplateError
from coordinator.manifest.template.lexer import Lexeme, Token
from coordinator.manifest.template.strings import bytes_of, text_of


def constant(lexeme: Lexeme) -> str | int | float:
    """The value of a literal.  Raises TemplateError."""
    text = lexeme.text
    match lexeme.token:
        case Token.RAW_STRING:
            return text[1:-1].replace("\r", "")
        case Token.STRING:
            return text_of(b"".join(_bytes(part, lexeme) for part in _PART.findall(text[1:-1])))
        case Token.CHARACTER:
            parts = _PART.findall(text[1:-1])
            if len(parts) != 1:
                raise TemplateError(lexeme.position, f"malformed character constant {text}", width=len(text))
            return _code(parts[0], lexeme)
    return _number(text, lexeme)


def _number(text: str, lexeme: Lexeme) -> int | float:
    error = TemplateError(lexeme.position, f'bad number syntax "{text}"', width=len(text))
    digits = text.replace("_", "")
    unsigned = digits.lstrip("+-").lower()
    is_hex = unsigned.startswith("0x")
    if (_HEX_UNDERSCORE if is_hex else _UNDERSCORE).search(text):
        raise error
    try:
        if any(mark in unsigned for mark in ((".", "p") if is_hex else (".", "e"))):
            if is_hex and "p" not in unsigned:
                raise error
            value: int | float = float.fromhex(digits) if is_hex else float(digits)
            if value in (float("inf"), float("-inf")):
                raise error
            return value
        if len(unsigned) > 1 and unsigned[0] == "0" and unsigned.isdecimal():
            value = int(digits, 8)
        else:
            value = int(digits, 0)
    except (ValueError, OverflowError):
        raise error from None
    if not -(2**63) <= value < 2**63:
        raise TemplateError(lexeme.position, f"{text} does not fit into 64 bits", width=len(text))
    return value


def _bytes(part: str, lexeme: Lexeme) -> bytes:
    """A character or an escape of a string; `\\x` and octal escapes are bytes, the others characters."""
    if part[0] == "\\" and part[1] in "x01234567":
        return bytes([_code(part, lexeme)])
    return bytes_of(chr(_code(part, lexeme)))


def _code(part: str, lexeme: Lexeme) -> int:
    """The number of a character or an escape."""
    if part[0] != "\\":
        return ord(part)
    escape = part[1:]
    if escape in _ESCAPES or escape == lexeme.text[0]:
        return ord(_ESCAPES.get(escape, escape))
    code = -1
    if escape[0] in "xuU" and len(escape) > 1:
        code = int(escape[1:], 16)
    elif len(escape) == 3 and int(escape, 8) < 256:
        code = int(escape, 8)
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        hint = r"use \n, \t, \\, \" or \u…"
        raise TemplateError(lexeme.position, f"{part} is no escape", hint, len(lexeme.text))
    return code


_PART: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\\]", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\"}
# An underscore stands between two digits, or behind the base.
_UNDERSCORE: Final = re.compile(r"_(?![0-9])|(?<![0-9bBoO])_")
_HEX_UNDERSCORE: Final = re.compile(r"_(?![0-9a-fA-F])|(?<![0-9a-fA-FxX])_")
