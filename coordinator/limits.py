"""How much one caller may cost the front door: what an operator can set."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestLimits:
    """Bounds of the front door.  Times in seconds, sizes in bytes.  Source: design.md, 10.

    request_seconds: for a header, from its first byte; and again from its end to the answer.
    idle_seconds: without a request.  answer_seconds: how long a request is still answered when we stop.
    header: of a request, all lines together.  bodies: of requests that are not answered yet, all together.
    answers: those of more than 64 KiB that their callers have not taken yet, all together.
    """

    request_seconds: float = 30.0
    idle_seconds: float = 120.0
    answer_seconds: float = 10.0
    header: int = 16 * 1024
    bodies: int = 16 * 1024 * 1024
    answers: int = 128 * 1024 * 1024
