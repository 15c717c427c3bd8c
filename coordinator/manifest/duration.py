"""Times as people write them: 30m, 12h, 90d."""

import re
from datetime import timedelta
from typing import Final

from coordinator.manifest.schema_parts import Schema, form


def duration_text(what: str, example: str) -> Schema:
    """A field of this form."""
    return form(f"^{_FORM}$", "a time as 30m, 12h or 90d", what, example)


def is_duration(text: str) -> bool:
    """Whether a text is of the form."""
    return re.fullmatch(_FORM, text) is not None


def parse_duration(text: str) -> timedelta:
    """The time that a text of the form says."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


_FORM: Final = "[1-9][0-9]{0,5}(m|h|d)"
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
