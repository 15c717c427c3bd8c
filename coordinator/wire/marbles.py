"""`GET /api/v2/marbles?limit=N&type=T`: which marbles have joined.  Bounded, however many there are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from coordinator.wire.v2 import BodyInvalid

MOST: Final = 1_000
"""Instances of an answer; and types whose number is said."""
_USUAL: Final = 100


class MarblesFormatError(ValueError):
    """This is no answer about marbles."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The last start of one marble.

    platform, package: what it proved itself on and as.  until_ms: when its certificate ends.  They are empty (0) where
    the journal is of before this was recorded.  step: of the history, whose intermediate signed the certificate.
    renewed_ms: when that was given to the marble, where it runs since before; 0: when it started.
    """

    marble: str
    uuid: str
    platform: str
    package: str
    activated_ms: int
    until_ms: int
    step: int
    renewed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the history.  manifest: in force after it, SHA-256, hexadecimal digits.

    trusted: marbles of today's hierarchy believe its certificates.  until_ms: the end of that; 0: no end is set.
    """

    number: int
    manifest: str
    trusted: bool
    until_ms: int


@dataclass(frozen=True, slots=True)
class Marbles:
    """total: instances that are remembered.  counts: of each type, those with most.  newest: the last start first.

    steps: of the newest.
    """

    total: int
    counts: Mapping[str, int]
    newest: tuple[Instance, ...]
    steps: tuple[Step, ...]


def decode_limit(text: str) -> int:
    """How many instances are wanted, at most MOST; 100 where nothing is said.  Raises BodyInvalid."""
    if not text:
        return _USUAL
    if len(text) > len(str(MOST)) or not text.isascii() or not text.isdigit() or int(text) > MOST:
        raise BodyInvalid(f"limit: expected a number from 0 to {MOST}, got '{text[:20]}'")
    return int(text)


def most_of(counts: Mapping[str, int]) -> Mapping[str, int]:
    """The types of most instances, as many as an answer names."""
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST])


def document(found: Marbles) -> dict[str, Any]:
    """The answer's data."""
    return {
        "total": found.total,
        "types": [{"type": marble, "count": count} for marble, count in found.counts.items()],
        "steps": [
            {
                "number": step.number,
                "manifest": step.manifest,
                "trusted": step.trusted,
                "trustedUntil": moment(step.until_ms),
            }
            for step in found.steps
        ],
        "instances": [
            {
                "type": one.marble,
                "uuid": one.uuid,
                "platform": one.platform,
                "package": one.package,
                "activated": moment(one.activated_ms),
                "renewed": moment(one.renewed_ms),
                "certificateUntil": moment(one.until_ms),
                "step": one.step,
            }
            for one in found.newest
        ],
    }


def parse_document(data: object) -> Marbles:
    """Read what `document` wrote.  Nothing in it is proven.  Raises MarblesFormatError."""
    try:
        if not isinstance(data, dict):
            raise MarblesFormatError(f"marbles: expected an object, got {type(data).__name__}")
        return Marbles(
            total=_number(data["total"]),
            counts={_text(one["type"]): _number(one["count"]) for one in _objects(data["types"])},
            newest=tuple(_instance(one) for one in _objects(data["instances"])),
            steps=tuple(
                Step(
                    _number(one["number"]),
                    _text(one["manifest"]),
                    one["trusted"] is True,
                    _milliseconds(one["trustedUntil"]),
                )
                for one in _objects(data["steps"])
            ),
        )
    except KeyError as cause:
        raise MarblesFormatError(f"marbles: expected the field {cause.args[0]}") from cause


def _instance(one: Mapping[str, Any]) -> Instance:
    return Instance(
        marble=_text(one["type"]),
        uuid=_text(one["uuid"]),
        platform=_text(one["platform"]),
        package=_text(one["package"]),
        activated_ms=_milliseconds(one["activated"]),
        until_ms=_milliseconds(one["certificateUntil"]),
        step=_number(one["step"]),
        renewed_ms=_milliseconds(one.get("renewed")),
    )


def _objects(value: object) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, list) or len(value) > MOST or not all(isinstance(one, dict) for one in value):
        raise MarblesFormatError(f"marbles: expected a list of at most {MOST} objects")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MarblesFormatError(f"marbles: expected a number, got {str(value)[:20]}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MarblesFormatError(f"marbles: expected a text, got {str(value)[:20]}")
    return value


def _milliseconds(value: object) -> int:
    if value is None:
        return 0
    try:
        moment = datetime.fromisoformat(_text(value))
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return int(moment.timestamp()) * 1000
    except (ValueError, OverflowError) as cause:
        raise MarblesFormatError(f"marbles: expected a time, got '{str(value)[:40]}'") from cause


def moment(time_ms: int) -> str | None:
    """RFC 3339 in whole seconds, UTC; None where there is no time."""
    if not time_ms:
        return None
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
