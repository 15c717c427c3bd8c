"""How Manifest and Approval objects stand, and how that is written into their status.  Pure.

Conditions follow the API's conventions, and Ready, Reconciling and Stalled those of kstatus, so that `kubectl wait` and
GitOps tools read them: exactly one of the three is true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

_LONGEST_MESSAGE: Final = 4096
"""Characters of a condition's message; the API's own convention allows 32768."""
READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"


class Phase(StrEnum):
    """What a person looks at first.  PENDING: it may become active without a change of the document."""

    PENDING = "Pending"
    ACTIVE = "Active"
    REFUSED = "Refused"


class Word(StrEnum):
    """What became of an Approval.  WAITING: it is not given to the coordinator yet.  NOT_NEEDED: others sufficed."""

    WAITING = "Waiting"
    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    NOT_NEEDED = "NotNeeded"


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
        if self.phase is Phase.ACTIVE:
            return self.conditions[-1]
        return next((each for each in self.conditions if not each.met), self.conditions[-1])


@dataclass(frozen=True, slots=True)
class ApprovalStanding:
    """fingerprint: what is signed, in hexadecimal digits.  user: of the manifest in force.  Both empty if not known.

    reason: a code, or a word.
    """

    word: Word
    reason: str
    message: str
    fingerprint: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Population:
    """Marbles of the coordinator: how many are remembered, and of each type."""

    total: int
    counts: Mapping[str, int]


def manifest_status(
    standing: Standing, population: Population | None, before: Mapping[str, Any], generation: int, *, now: datetime
) -> dict[str, Any]:
    """The status of a Manifest.  before: the one that it has; what is not known now stays as it was there.

    population: None if the coordinator was not asked.
    """
    conditions = [
        *standing.conditions,
        *_summary(standing.phase is Phase.ACTIVE, standing.phase is Phase.REFUSED, standing.said),
    ]
    marbles = {name: before[name] for name in _POPULATION if name in before}
    if population is not None:
        types = [{"type": marble, "count": count} for marble, count in population.counts.items()]
        marbles = {"marbleCount": population.total, "marbles": types[:_MOST_TYPES]}
    return {
        "phase": standing.phase.value,
        "fingerprint": standing.fingerprint,
        "observedGeneration": generation,
        "approvedBy": list(standing.approved_by),
        "missing": list(standing.missing),
        "missingApprovals": standing.missing_approvals,
        "simulated": standing.simulated,
        **marbles,
        "conditions": _written(conditions, before, generation, now),
    }


def approval_status(
    standing: ApprovalStanding, before: Mapping[str, Any], generation: int, *, now: datetime
) -> dict[str, Any]:
    """The status of an Approval."""
    said = Condition("", True, standing.reason, standing.message)
    done = standing.word in (Word.ACCEPTED, Word.NOT_NEEDED)
    return {
        "phase": standing.word.value,
        "fingerprint": standing.fingerprint,
        "user": standing.user,
        "observedGeneration": generation,
        "conditions": _written(_summary(done, standing.word is Word.REFUSED, said), before, generation, now),
    }


def told(status: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a status is worth an event when it changes: the phase, and why."""
    ready = next((each for each in _conditions(status) if each.get("type") == READY), {})
    return status.get("phase"), ready.get("reason"), ready.get("message")


def _summary(done: bool, refused: bool, said: Condition) -> list[Condition]:
    states = {READY: done, RECONCILING: not done and not refused, STALLED: refused}
    return [Condition(kind, met, said.reason, said.message) for kind, met in states.items()]


def _written(
    conditions: Sequence[Condition], before: Mapping[str, Any], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """A condition that stays keeps its time of transition."""
    times = {(each.get("type"), each.get("status")): each.get("lastTransitionTime") for each in _conditions(before)}
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    written = []
    for each in conditions:
        status = "True" if each.met else "False"
        written.append(
            {
                "type": each.kind,
                "status": status,
                "reason": each.reason,
                "message": each.message[:_LONGEST_MESSAGE],
                "lastTransitionTime": times.get((each.kind, status)) or moment,
                "observedGeneration": generation,
            }
        )
    return written


def _conditions(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in status.get("conditions") or () if isinstance(each, dict)]


_POPULATION: Final = ("marbleCount", "marbles")
_MOST_TYPES: Final = 100
"""Marble types whose number stands in a status."""
