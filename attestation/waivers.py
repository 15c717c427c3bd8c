"""Waivers: a flaw of a platform that somebody accepts until a day, with a reason.

A waiver in use is a check of its own, `tcb.waiver`: passed while the waiver holds, with a warning in its last two
weeks, and failed from the day after its last day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from attestation.checks import Check, Status

WAIVED: Final = "V300"
WAIVER_ENDS: Final = "V301"
WAIVER_EXPIRED: Final = "V302"
WARN_BEFORE: Final = timedelta(days=14)

CODES: Final[Mapping[str, tuple[str, str]]] = {
    WAIVED: ("a flaw of the platform is accepted by a waiver", "update the platform, and remove the waiver"),
    WAIVER_ENDS: (
        "a waiver that is in use ends soon",
        "update the platform before its last day, or set a later day under Waivers in the manifest",
    ),
    WAIVER_EXPIRED: (
        "a waiver has expired",
        "update the platform, or set a later day under Waivers in the manifest",
    ),
}


@dataclass(frozen=True, slots=True)
class Waiver:
    """what: a TCB status or an advisory, in the vendor's words.  last_day: the last one on which it holds, in UTC.

    source: where it stands.
    """

    what: str
    last_day: date
    reason: str
    source: str

    def holds(self, as_of: datetime | None) -> bool:
        """Whether it holds at this time; at no time that nobody knows.  as_of: aware."""
        return as_of is not None and as_of.astimezone(UTC).date() <= self.last_day

    def check(self, as_of: datetime | None) -> Check:
        """The check of a waiver that is needed.  It has a message code also where it passed: it must be seen."""
        expected = f"{self.what} is waived until the end of {self.last_day}: {self.reason}"
        if as_of is None:
            found, code, status = "a time that is not known", WAIVER_EXPIRED, Status.FAILED
        else:
            left = self.last_day - as_of.astimezone(UTC).date()
            found = f"{as_of.astimezone(UTC):%Y-%m-%d}, {words(left)}"
            status = Status.PASSED if self.holds(as_of) else Status.FAILED
            code = WAIVER_EXPIRED if status is Status.FAILED else WAIVER_ENDS if left <= WARN_BEFORE else WAIVED
        return Check("tcb.waiver", status, expected, found, self.source, CODES[code][1], code)


def in_use(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """The checks of waivers without which this would have been refused."""
    return tuple(check for check in checks if check.code in (WAIVED, WAIVER_ENDS))


def words(left: timedelta) -> str:
    """How long a waiver still holds, in days."""
    if left.days < 0:
        return f"expired {-left.days} days ago" if left.days < -1 else "expired yesterday"
    return {0: "its last day", 1: "1 more day"}.get(left.days, f"{left.days} more days")
