"""What both readers of YAML share: where a document begins, places of libyaml's events, and its errors as ours."""

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
        mark = cause.problem_mark or cause.context_mark
        place = Place(mark.line, mark.column, 1, "") if mark else Place(0, 0, 1, "")
        message, hint = cause.problem or "this is no YAML", "check indentation and quotes"
        if reading.document.line_text(place.line)[place.column :].startswith("\t"):
            message, hint = "a tab stands where YAML takes only spaces", "indent with spaces"
        raise Unreadable(reading.error("E001", place, message, hint)) from None
    except yaml.YAMLError:
        place = Place(0, 0, 1, "")
        raise Unreadable(reading.error("E001", place, "this is no YAML", "save it as UTF-8 text")) from None


def is_plain(event: Any) -> bool:
    """Whether a scalar stands without quotes, and not in a block."""
    return not event.style


def place_of(event: Any, pointer: str) -> Place:
    """Where an event's text stands."""
    start, end = event.start_mark, event.end_mark
    line, column = start.line, start.column
    return Place(line, column, (end.column - column or 1) if end.line == line else 1, pointer)
