"""Template text to tokens, by the rules of Go's text/template (its documentation, "Text and spaces", "Arguments").

Text is `str` with every byte that is not UTF-8 kept as a lone surrogate (PEP 383), so that any file can be a template.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from coordinator.manifest.template.errors import TemplateError


class Token(Enum):
    """What a piece of a template is."""

    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    SPACE = auto()
    FIELD = auto()
    DOT = auto()
    VARIABLE = auto()
    NAME = auto()
    NUMBER = auto()
    CHARACTER = auto()
    STRING = auto()
    RAW_STRING = auto()
    DECLARE = auto()
    ASSIGN = auto()
    COMMA = auto()
    PIPE = auto()
    LEFT = auto()
    RIGHT = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One token: its text as written, and where it starts."""

    token: Token
    text: str
    position: int


def lex(source: str) -> Iterator[Lexeme]:
    """Every token of a template, the last one being END.  Raises TemplateError at the first that is none."""
    at = 0
    trim = False
    while True:
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        lead = len(text)
        if trim:
            text = text.lstrip(_SPACES)
        lead -= len(text)
        if start < 0:
            if text:
                yield Lexeme(Token.TEXT, text, at + lead)
            yield Lexeme(Token.END, "", len(source))
            return
        inner = start + 2
        if source.startswith("-", inner) and source[inner + 1 : inner + 2] in _SPACE_SET:
            text = text.rstrip(_SPACES)
            inner += 2
        if text:
            yield Lexeme(Token.TEXT, text, at + lead)
        if source.startswith("/*", inner):
            at, trim = _after_comment(source, start, inner)
            continue
        yield Lexeme(Token.OPEN, "{{", start)
        at = inner
        while True:
            closing = _CLOSE.match(source, at)
            if closing:
                yield Lexeme(Token.CLOSE, "}}", closing.end() - 2)
                at, trim = closing.end(), closing.group(1) is not None
                break
            lexeme = _inside(source, at, start)
            yield lexeme
            at = lexeme.position + len(lexeme.text)


def _after_comment(source: str, start: int, inner: int) -> tuple[int, bool]:
    end = source.find("*/", inner + 2)
    if end < 0:
        raise TemplateError(start, "unclosed comment", "a comment ends with */}}")
    closing = _CLOSE.match(source, end + 2)
    if not closing:
        raise TemplateError(
            end, "comment ends before the closing braces", "a comment is an action of its own: {{/* … */}}"
        )
    return closing.end(), closing.group(1) is not None


def _inside(source: str, at: int, start: int) -> Lexeme:
    """The token at `at`, inside an action that began at `start`."""
    match = _TOKEN.match(source, at)
    if not match or match.lastgroup is None:
        if at >= len(source):
            raise TemplateError(
                start, "unclosed action", "an action ends with }}; write {{`{{`}} for literal braces", 2
            )
        if source[at] in "\"`'":
            raise TemplateError(at, "unterminated string or character", "close it in the same action")
        raise _unexpected(source, at)
    token = Token[match.lastgroup]
    if token in _NEED_TERMINATOR and not _TERMINATOR.match(source, match.end()):
        if match.end() >= len(source):
            raise TemplateError(start, "unclosed action", "an action ends with }}", 2)
        raise _unexpected(source, match.end())
    return Lexeme(token, match.group(), at)


def _unexpected(source: str, at: int) -> TemplateError:
    character = source[at]
    outside = 0xD800 <= ord(character) <= 0xDFFF
    shown = "outside UTF-8" if outside else f"U+{ord(character):04X} {character!r}"
    hint = 'names with other characters need index, like {{ hex (index .Secrets "a-b") }}' if character == "-" else ""
    return TemplateError(at, f"bad character {shown}", hint)


_SPACES: Final = " \t\r\n"
_SPACE_SET: Final = frozenset(_SPACES)
_CLOSE: Final = re.compile(r"([ \t\r\n]-)?\}\}")
_TOKEN: Final = re.compile(
    r"""
    (?P<SPACE>[ \t\r\n]+?(?=[ \t\r\n]-\}\})|[ \t\r\n]+)
    |(?P<NUMBER>[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]+)?|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?))
    |(?P<FIELD>\.[^\W\d]\w*)
    |(?P<DOT>\.)
    |(?P<VARIABLE>\$\w*)
    |(?P<NAME>[^\W\d]\w*)
    |(?P<STRING>"(?:[^"\\\n\ud800-\udfff]|\\[^\n])*")
    |(?P<RAW_STRING>`[^`\ud800-\udfff]*`)
    |(?P<CHARACTER>'(?:[^'\\\n\ud800-\udfff]|\\[^\n])+')
    |(?P<DECLARE>:=)|(?P<ASSIGN>=)|(?P<COMMA>,)|(?P<PIPE>\|)|(?P<LEFT>\()|(?P<RIGHT>\))
    """,
    re.VERBOSE,
)
_TERMINATOR: Final = re.compile(r"[ \t\r\n.,|:)(]|\}\}")
_NEED_TERMINATOR: Final = frozenset({Token.FIELD, Token.VARIABLE, Token.NAME, Token.NUMBER, Token.DOT})
