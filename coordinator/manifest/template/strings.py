"""Go's strings: bytes and back, and between quotes as Go's strconv writes them.

Text is `str` with every byte that is not UTF-8 kept as a lone surrogate (PEP 383).
"""

from typing import Final


def text_of(data: bytes) -> str:
    """Bytes as a Go string: what is not UTF-8 stays, as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def quote(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """strconv.Quote, or QuoteToASCII; mark `'` makes a character (QuoteRune)."""
    return mark + "".join(_escaped(character, mark, ascii_only) for character in text) + mark


def can_backquote(text: str) -> bool:
    """Whether the text stands unchanged between back quotes (strconv.CanBackquote)."""
    return not any(c in "`\x7f\ufeff" or (c < " " and c != "\t") or is_byte(c) for c in text)


def is_printable(character: str) -> bool:
    """Go's unicode.IsPrint: what is seen, and the ASCII space."""
    return character.isprintable() and not is_byte(character)


def _escaped(character: str, mark: str, ascii_only: bool) -> str:
    if character == mark or character == "\\":
        return "\\" + character
    if is_byte(character):
        return f"\\x{ord(character) & 0xFF:02x}"
    if is_printable(character) and (not ascii_only or character < "\x80"):
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def is_byte(character: str) -> bool:
    """Whether this stands for a byte outside UTF-8."""
    return 0xDC80 <= ord(character) <= 0xDCFF


_SHORT: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
