"""One object of a document of Reference Values, read strictly: what is misread is a demand that nobody makes."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeAlias

from attestation.claims import TcbPolicy, TcbStatus

Fields: TypeAlias = Mapping[str, Any]
_FIELDS: Final = {
    "UniqueID": "mrenclave",
    "SignerID": "mrsigner",
    "ProductID": "isvprodid",
    "SecurityVersion": "isvsvn",
    "AcceptedTCBStatuses": "tcb",
    "HostData": "host_data",
    "IDKeyDigest": "id_key_digest",
    "AuthorKeyDigest": "author_key_digest",
}


class ReferenceFormatError(Exception):
    """The document is no set of Reference Values: the message says where, what was expected, and what was found."""


class Section:
    """One object of the document, with its place for messages."""

    def __init__(self, value: object, name: str, pointer: str) -> None:
        self._name = name
        self._pointer = pointer
        if not isinstance(value, dict):
            self.refuse("", "an object", type(value).__name__)
        self._fields: Fields = value

    def refuse(self, key: str, expected: str, got: str) -> NoReturn:
        """Raises ReferenceFormatError for a key, or for the whole object."""
        place = f"{self._pointer}/{key}" if key else self._pointer or "/"
        raise ReferenceFormatError(f"{self._name} {place}: expected {expected}, got {got}")

    def known(self, keys: frozenset[str]) -> Fields:
        """The fields.  Raises ReferenceFormatError if there is another."""
        if unknown := sorted(self._fields.keys() - keys):
            self.refuse(unknown[0], f"one of {', '.join(sorted(keys))}", "an unknown key")
        return self._fields

    def refuse_both(self, key: str, other: str) -> None:
        """Raises ReferenceFormatError if both are there."""
        if key in self._fields and other in self._fields:
            self.refuse(other, f"{key} or {other}", "both")

    def measurement(self, key: str, *lengths: int) -> bytes | None:
        """Bytes in hex, of one of these lengths; None if they are not there."""
        text = self._fields.get(key)
        if text is None:
            return None
        fits = isinstance(text, str) and len(text) in [2 * length for length in lengths]
        if not fits or not set(text.lower()) <= set("0123456789abcdef"):
            self.refuse(key, f"{' or '.join(map(str, lengths))} bytes in hex", ascii(text)[:120])
        return bytes.fromhex(text)

    def registers(self, names: Mapping[int, str], length: int) -> dict[int, bytes]:
        """Number to value, of those that are there."""
        found = ((number, self.measurement(name, length)) for number, name in names.items())
        return {number: value for number, value in found if value is not None}

    def sections(self, key: str) -> "list[Section]":
        """A list of objects inside.  Raises ReferenceFormatError if it is none."""
        items = self._fields.get(key)
        if not isinstance(items, list):
            self.refuse(key, "a list of objects", type(items).__name__)
        return [Section(item, self._name, f"{self._pointer}/{key}/{index}") for index, item in enumerate(items)]

    def section(self, key: str) -> "Section":
        """An object inside."""
        return Section(self._fields.get(key), self._name, f"{self._pointer}/{key}")

    def number(self, key: str) -> int | None:
        """From 0 to 65535; None if it is not there."""
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 0xFFFF:
            self.refuse(key, "a number from 0 to 65535", ascii(value)[:120])
        return value

    def tcb_policy(self, default: frozenset[TcbStatus]) -> TcbPolicy:
        """default: statuses that are accepted where none are named."""
        statuses = self._texts("AcceptedTCBStatuses")
        advisories = self._texts("AcceptedAdvisories")
        legal = {status.value: status for status in TcbStatus}
        for status in statuses:
            if status not in legal:
                self.refuse("AcceptedTCBStatuses", f"some of {', '.join(legal)}", ascii(status))
        return TcbPolicy(
            accepted_statuses=frozenset(legal[status] for status in statuses) or default,
            accepted_advisories=frozenset(advisories) or None,
        )

    def _texts(self, key: str) -> list[str]:
        value = self._fields.get(key) or []
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            self.refuse(key, "a list of texts", ascii(value)[:120])
        return value

    def sources(self, fields: Fields) -> Mapping[str, str]:
        """Where each demand stands; "" is the whole section."""
        places = {_FIELDS.get(key, key.lower()): f"{self._name} {self._pointer}/{key}" for key in fields}
        return {"": f"{self._name} {self._pointer or '/'}", **places}
