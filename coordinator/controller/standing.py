"""How a Manifest object stands, and how that is written into its status.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

_LONGEST_MESSAGE: Final = 4096
"""Characters of a condition's message; the API's own convention allows 32768."""


class Phase(StrEnum):
    """What a person looks at first.  PENDING: it may become active without a change of the document."""

    PENDING = "Pending"
    ACTIVE = "Active"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Condition:
    """kind: DocumentValid, CoordinatorVerified, ApprovalsValid or Active.  reason: a code, or a word."""

    kind: str
    met: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """fingerprint: SHA-256 of the document in hexadecimal digits.  approved_by, missing: users of the manifest.

    missing_approvals: how many are wanted still.  simulated: the coordinator's evidence proves nothing.
    """

    phase: Phase
    fingerprint: str
    conditions: tuple[Condition, ...]
    approved_by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    missing_approvals: int = 0
    simulated: bool = field(default=False)

    @property
    def said(self) -> Condition:
        """The condition that explains the phase: the first that is not met, else the last."""
        return next((each for each in self.conditions if not each.met), self.conditions[-1])


def status_of(standing: Standing, before: Mapping[str, Any], generation: int, *, now: datetime) -> dict[str, Any]:
    """The object's status.  before: the one that it has; a condition that stays keeps its time of transition."""
    times = {
        (each.get("type"), each.get("status")): each.get("lastTransitionTime")
        for each in before.get("conditions") or ()
        if isinstance(each, dict)
    }
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = []
    for each in standing.conditions:
        status = "True" if each.met else "False"
        conditions.append(
            {
                "type": each.kind,
                "status": status,
                "reason": each.reason,
                "message": each.message[:_LONGEST_MESSAGE],
                "lastTransitionTime": times.get((each.kind, status)) or moment,
                "observedGeneration": generation,
            }
        )
    return {
        "phase": standing.phase.value,
        "fingerprint": standing.fingerprint,
        "observedGeneration": generation,
        "approvedBy": list(standing.approved_by),
        "missing": list(standing.missing),
        "missingApprovals": standing.missing_approvals,
        "simulated": standing.simulated,
        "conditions": conditions,
    }
