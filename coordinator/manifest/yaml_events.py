"""What both readers of YAML share: where a document begins, places of libyaml's events, and its errors as ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

from coordinator.manifest.document import Place, ScalarNode
from coordinator.manifest.reading import Reading, Unreadable

NOTHING: Final = ScalarNode(None, Place(0, 0, 1, ""), "")
"""The value of a text without a document."""


def first_document(text: str) -> Iterator[Any]:
    """libyaml's events, from the one that begins the first document's value; none where there is no document.

    They raise what `reading_yaml` takes.
    """
    events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
    next(events)
    return iter(()) if isinstance(next(events), yaml.StreamEndEvent) else events


@contextmanager
def reading_yaml(reading: Reading) -> Iterator[None]:
    """While a text is parsed: libyaml's errors as Unreadable, at their place."""
    try:
        yield
    except yaml.reader.ReaderError as cause:
        offset = cause.position if isinstance(cause.position, int) else 0
        line, column = reading.document.place(min(offset, len(reading.document.text)))
        message = "a character that YAML does not allow"
        stop = reading.error("E001", Place(line, column, 1, ""), message, "remove it, or use base64")
        raise Unreadable(stop) from None
    except yaml.MarkedYAMLError as cause:
        mark = cause.context_mark if _has_no_end(cause) else cause.problem_mark or cause.context_mark
        place = Place(mark.line, mark.column, 1, "") if mark else Place(0, 0, 1, "")
        message, hint = _in_words(reading, cause, place)
        raise Unreadable(reading.error("E001", place, message, hint)) from None
    except yaml.YAMLError:
        place = Place(0, 0, 1, "")
        raise Unreadable(reading.error("E001", place, "this is no YAML", "save it as UTF-8 text")) from None


def _in_words(reading: Reading, cause: yaml.MarkedYAMLError, place: Place) -> tuple[str, str]:
    """Message and hint.  libyaml says where it stumbled, which often is a line behind the mistake."""
    line_text, message = reading.document.line_text, cause.problem or "this is no YAML"
    if line_text(place.line)[place.column :].startswith("\t"):
        return "a tab stands where YAML takes only spaces", "indent with spaces"
    if _has_no_end(cause):
        return "this quoted text has no end", "close the quote"
    if (quote := _long_quote(reading.document.text, place)) is not None:
        return message, f"a quote opens in line {quote + 1} and ends in line {place.line + 1}: was it to end before?"
    if "mapping values" in message and place.line:
        before = next((n for n in range(place.line - 1, -1, -1) if _says_something(line_text(n))), 0)
        if not _KEY.search(line_text(before)):
            return message, f"line {before + 1} has no key: write a colon and a blank between key and value"
        return message, f"does this line begin in the same column as its neighbours, and line {before + 1} too?"
    return message, "check indentation and quotes"


def _has_no_end(cause: yaml.MarkedYAMLError) -> bool:
    return cause.context_mark is not None and "quoted scalar" in (cause.context or "")


def _long_quote(text: str, place: Place) -> int | None:
    """The line in which a quoted text begins that ends in the line of this place."""
    last = None
    try:
        for token in yaml.scan(text, Loader=yaml.CSafeLoader):
            if (token.start_mark.line, token.start_mark.column) > (place.line, place.column):
                break
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"') and token.end_mark.line <= place.line:
                last = token
    except yaml.YAMLError:
        pass
    if last is None or last.end_mark.line != place.line or last.start_mark.line == last.end_mark.line:
        return None
    return int(last.start_mark.line)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


_KEY: Final = re.compile(r":(\s|$)")


def is_plain(event: Any) -> bool:
    """Whether a scalar stands without quotes, and not in a block."""
    return not event.style


def place_of(event: Any, pointer: str) -> Place:
    """Where an event's text stands."""
    start, end = event.start_mark, event.end_mark
    line, column = start.line, start.column
    return Place(line, column, (end.column - column or 1) if end.line == line else 1, pointer)
