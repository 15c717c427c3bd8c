"""The history of a deployment as verifiers get it: entries as exact texts, which the links are made of.

An entry is compact JSON with sorted keys in ASCII; who reads it hashes the text as it came and never writes it anew.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

SET: Final = "manifest set"
UPDATED: Final = "manifest updated"
RAISED: Final = "security versions raised"
KINDS: Final = (SET, UPDATED, RAISED)


@dataclass(frozen=True, slots=True)
class ApprovalEntry:
    """A user's approval.  key: SHA-256 of the key's SubjectPublicKeyInfo.  signature: detached, or empty where the
    coordinator vouches for the user's connection."""

    user: str
    time_ms: int
    key: bytes
    signature: bytes

    def as_json(self) -> dict[str, Any]:
        """Its part of an entry."""
        return {
            "key": self.key.hex(),
            "signature": base64.b64encode(self.signature).decode(),
            "time": self.time_ms,
            "user": self.user,
        }


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """number: from 1.  digest: SHA-256 of the document that was agreed on; manifest: of the manifest in force after it.

    needed: how many approvals were wanted.  versions: package to security version, of RAISED.
    """

    number: int
    kind: str
    time_ms: int
    digest: bytes
    manifest: bytes
    needed: int
    approvals: tuple[ApprovalEntry, ...]
    versions: Mapping[str, int]

    def text(self) -> str:
        """The entry's exact text."""
        document = {
            "approvals": [approval.as_json() for approval in self.approvals],
            "digest": self.digest.hex(),
            "kind": self.kind,
            "manifest": self.manifest.hex(),
            "needed": self.needed,
            "number": self.number,
            "time": self.time_ms,
            "versions": dict(self.versions),
        }
        return json.dumps(document, separators=(",", ":"), sort_keys=True)


class HistoryFormatError(ValueError):
    """This is no entry of a history."""


def parse_entry(text: str) -> HistoryEntry:
    """Read an entry's text.  Nothing in it is proven yet.  Raises HistoryFormatError."""
    try:
        document = json.loads(text)
        approvals = tuple(
            ApprovalEntry(
                _text(item["user"]),
                _number(item["time"]),
                _digest(item["key"]),
                base64.b64decode(_text(item["signature"]), validate=True),
            )
            for item in _list(document["approvals"])
        )
        entry = HistoryEntry(
            number=_number(document["number"]),
            kind=_text(document["kind"]),
            time_ms=_number(document["time"]),
            digest=_digest(document["digest"]),
            manifest=_digest(document["manifest"]),
            needed=_number(document["needed"]),
            approvals=approvals,
            versions={_text(name): _number(version) for name, version in document["versions"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise HistoryFormatError("history: expected an entry with the fields of its format") from cause
    if entry.kind not in KINDS:
        raise HistoryFormatError(f"history: expected one of {', '.join(KINDS)}, got '{entry.kind[:40]}'")
    return entry


def history_document(entries: Sequence[str], documents: Iterable[bytes]) -> dict[str, Any]:
    """`GET /api/v2/history`: oldest first; a document that is not kept any more is null."""
    pairs = zip(entries, documents, strict=True)
    return {
        "history": [
            {"entry": entry, "document": base64.b64encode(raw).decode() if raw else None} for entry, raw in pairs
        ]
    }


def parse_history(data: object) -> tuple[tuple[str, bytes], ...]:
    """What `history_document` made: entries with their documents (empty where not kept).  Raises HistoryFormatError."""
    if not isinstance(data, dict):
        raise HistoryFormatError("history: expected an object")
    try:
        return tuple(
            (_text(item["entry"]), base64.b64decode(item["document"] or "", validate=True))
            for item in _list(data["history"])
        )
    except (ValueError, KeyError, TypeError) as cause:
        raise HistoryFormatError("history: expected a list of entries with their documents") from cause


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(value)
    return value


def _digest(value: object) -> bytes:
    raw = bytes.fromhex(_text(value))
    if len(raw) != 32:
        raise ValueError(value)
    return raw


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value
