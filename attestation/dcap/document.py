"""A signed JSON document, member by member: every reader names the place, what it expected and what it got."""

import json
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from attestation.errors import EndorsementFormatError

E = TypeVar("E", bound=Enum)
T = TypeVar("T")
_REQUIRED = object()


class JsonObject:
    """An object of the document.  Members that nobody asks for are ignored: the vendor adds some at times."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise EndorsementFormatError(f"{place}: expected an object, got {type(value).__name__}")
        self._members: dict[object, object] = value
        self._place = place

    @classmethod
    def parse(cls, raw: bytes, place: str) -> "JsonObject":
        """Read the document's bytes.  Raises EndorsementFormatError."""
        try:
            return cls(json.loads(raw), place)
        except (ValueError, RecursionError) as error:
            raise EndorsementFormatError(f"{place}: expected JSON, got {error}") from error

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def text(self, name: str, default: object = _REQUIRED) -> str:
        """A string."""
        return self._member(name, str, default)

    def number(self, name: str, most: int, default: object = _REQUIRED) -> int:
        """A whole number from 0 to `most`."""
        value = self._member(name, int, default)
        if isinstance(value, bool) or not 0 <= value <= most:
            raise EndorsementFormatError(f"{self._place}/{name}: expected 0 to {most}, got {value!r:.20}")
        return value

    def hex(self, name: str) -> bytes:
        """Bytes as hex digits."""
        text = self.text(name)
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise EndorsementFormatError(f"{self._place}/{name}: expected hex digits, got {text!r:.40}") from error

    def moment(self, name: str) -> datetime:
        """A moment in RFC 3339 with its offset."""
        text = self.text(name)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise EndorsementFormatError(f"{self._place}/{name}: expected a moment, got {text!r:.40}") from error
        if moment.tzinfo is None:
            raise EndorsementFormatError(f"{self._place}/{name}: expected a moment with its offset, got {text!r:.40}")
        return moment.astimezone(UTC)

    def one_of(self, name: str, choices: type[E]) -> E:
        """One of an enumeration's values."""
        text = self.text(name)
        try:
            return choices(text)
        except ValueError as error:
            known = ", ".join(str(choice.value) for choice in choices)
            raise EndorsementFormatError(f"{self._place}/{name}: expected one of {known}, got {text!r:.40}") from error

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; absent: none."""
        values = self._member(name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise EndorsementFormatError(f"{self._place}/{name}: expected a list of strings")
        return tuple(values)

    def member(self, name: str) -> "JsonObject":
        """An object."""
        return JsonObject(self._members.get(name), f"{self._place}/{name}")

    def objects(self, name: str, default: object = _REQUIRED) -> "tuple[JsonObject, ...]":
        """A list of objects."""
        values = self._member(name, list, default)
        return tuple(JsonObject(value, f"{self._place}/{name}/{index}") for index, value in enumerate(values))

    def _member(self, name: str, kind: type[T], default: object) -> T:
        value = self._members.get(name)
        if value is None and default is not _REQUIRED:
            value = default
        if not isinstance(value, kind):
            raise EndorsementFormatError(f"{self._place}/{name}: expected {kind.__name__}, got {type(value).__name__}")
        return value
