"""Errors that say what to do next: each kind has a code of `enclasp explain`, and a hint stands beside that code."""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

RoomCodes: TypeAlias = Mapping[str, tuple[str, str]]
"""A room's message codes: code -> (title, hint)."""


class CodedError(Exception):
    """Base of a room's errors.  codes: the room's table.  code: of this kind of error, one of the table."""

    codes: ClassVar[RoomCodes]
    code: ClassVar[str]

    @property
    def hint(self) -> str:
        """What to do next."""
        return self.codes[self.code][1]

    def _with_hint(self, what: str) -> str:
        """The text of an error that is read where nobody else adds the hint: in a log, or by an operator."""
        return f"{what}\n  hint: {self.hint}"
