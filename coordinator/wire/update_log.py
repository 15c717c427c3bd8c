"""The update log's JSON shapes (contract 1.10 and 8.4): each entry is compact JSON text of its own."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any


def entry(time_ms: int, update: str, details: Mapping[str, str | int | tuple[str, ...]]) -> str:
    """One entry.  time_ms: milliseconds since 1970, UTC."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": time, "update": update, **details}, separators=(",", ":"), ensure_ascii=False)


def v1(entries: Iterable[str]) -> str:
    """`GET /update`: every entry ends with a newline."""
    return "".join(f"{text}\n" for text in entries)


def v2(entries: Iterable[str]) -> dict[str, Any]:
    """`GET /api/v2/update`."""
    return {"updateLog": list(entries)}
