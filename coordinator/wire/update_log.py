"""The update log's JSON shapes (contract 1.10 and 8.4): each entry is compact JSON text of its own."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec


def entry(time_ms: int, update: str, details: Mapping[str, str | int | tuple[str, ...]]) -> str:
    """One entry.  time_ms: milliseconds since 1970, UTC."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return _encoder.encode({"time": f"{time}Z", "update": update, **details}).decode()


def v1(entries: Iterable[str]) -> str:
    """`GET /update`: every entry ends with a newline."""
    return "".join(f"{text}\n" for text in entries)


def v2(entries: Iterable[str]) -> dict[str, Any]:
    """`GET /api/v2/update`."""
    return {"updateLog": list(entries)}


_encoder = msgspec.json.Encoder()
