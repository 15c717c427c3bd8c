"""`GET /api/v2/hierarchy`: intermediates that are trusted, and by name who still has a certificate of an old one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

MOST_UUIDS: Final = 20


def intermediate(number: int, until: datetime | None, marbles: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """One intermediate.  marbles: type and UUID of those that started last while it was in force."""
    end = None if until is None else until.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"number": number, "trustedUntil": end, "marbles": by_type(marbles)}


def document(trusted: Sequence[dict[str, Any]], cut_off: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The whole: the intermediate in force first, then those of before that are trusted still."""
    return {"intermediates": list(trusted), "cutOff": by_type(cut_off)}


def by_type(marbles: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Each marble type with its number of instances, and the newest of their UUIDs."""
    found: dict[str, list[str]] = {}
    for marble, uuid in marbles:
        found.setdefault(marble, []).append(uuid)
    return [
        {"type": marble, "count": len(uuids), "uuids": uuids[-MOST_UUIDS:]} for marble, uuids in sorted(found.items())
    ]
