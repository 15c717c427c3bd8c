"""The activation event log (contract 8.2): one JSON array, `null` while it is empty."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One activation.  quote: as the marble sent it."""

    time_ms: int
    marble: str
    uuid: str
    quote: bytes


def encode(entries: Sequence[Entry]) -> bytes:
    """The answer of `GET /events`; entries: oldest first."""
    document = [
        {
            "time": _time(entry.time_ms),
            "activation": {
                "marbleType": entry.marble,
                "uuid": entry.uuid,
                "quote": base64.b64encode(entry.quote).decode() or None,
            },
        }
        for entry in entries
    ]
    return (json.dumps(document or None, separators=(",", ":")) + "\n").encode()


def _time(time_ms: int) -> str:
    """RFC 3339 in UTC, fractions as Go's RFC3339Nano writes them: without zeros at the end."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    fraction = f".{time_ms % 1000:03}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
