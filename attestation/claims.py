"""What Claims of every kind have in common, and what Reference Values of every kind can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol

from attestation import codes
from attestation.checks import Check, settled
from attestation.kinds import Kind
from attestation.waivers import Waiver


class TcbStatus(StrEnum):
    """Intel's TCB statuses (Intel PCS API, TCB info); ours for "no level matches", and for platforms without levels."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"
    NOT_SUPPORTED = "NotSupported"
    NOT_APPLICABLE = "NotApplicable"


@dataclass(frozen=True, slots=True)
class Claims:
    """Common part of every kind's Claims.

    report_data: 64 bytes.  hardware_id: the vendor's stable identity of the machine, lower-case hex (PPID).
    tcb_status is None where no endorsement told it.  measurements: vendor's names in lower case to bytes.
    details: further claims of the platform, for people and JSON.  as_of: the time, aware, at which the vendor's
    endorsements were found to say this of the platform; None where none did.
    """

    kind: Kind
    debuggable: bool
    report_data: bytes
    measurements: Mapping[str, bytes]
    tcb_status: TcbStatus | None
    advisories: tuple[str, ...]
    tcb_date: datetime | None
    hardware_id: str
    details: Mapping[str, str | int | bool] = field(default_factory=dict)
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class TcbPolicy:
    """Which platforms are good enough.

    accepted_statuses: besides UpToDate.  accepted_advisories: None accepts every advisory of an accepted status,
    unless a waiver names advisories: then only those that are named.
    minimum_date: the patch level's date (Intel's tcbDate), whatever the status; aware.
    minimum_evaluation: least number of the vendor's evaluation of its TCB levels (tcbEvaluationDataNumber).
    machines: hardware ids that are allowed, lower-case hex; None for all.  revoked_machines: those that are not.
    waivers: statuses and advisories that are accepted for some time.
    """

    accepted_statuses: frozenset[TcbStatus] = frozenset()
    accepted_advisories: frozenset[str] | None = None
    minimum_date: datetime | None = None
    machines: frozenset[str] | None = None
    minimum_evaluation: int | None = None
    revoked_machines: frozenset[str] = frozenset()
    waivers: tuple[Waiver, ...] = ()

    def appraise(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        """Every demand on the platform.

        sources: of the Reference Values; keys `tcb`, `minimum_date`, `minimum_evaluation`, `machines`,
        `revoked_machines`.
        """
        return (
            *self._status(claims, source_of(sources, "tcb")),
            *self._advisories(claims, source_of(sources, "tcb")),
            *self._date(claims, sources),
            *self._evaluation(claims, sources),
            *self._machine(claims, sources),
        )

    def _status(self, claims: Claims, source: str) -> tuple[Check, ...]:
        """The status, and the waiver that it needs."""
        accepted, words = _accepted(self.accepted_statuses)
        found = claims.tcb_status.value if claims.tcb_status else "unknown"
        if claims.tcb_status in accepted:
            return (settled(True, "tcb.status", words, found, source, codes.TCB_STATUS),)
        waiver = self._waiver(found)
        if waiver is None:
            code = codes.TCB_STATUS if claims.tcb_status else codes.NO_ENDORSEMENTS
            return (settled(False, "tcb.status", words, found, source, code),)
        holds, expected = waiver.holds(claims.as_of), f"{words} (or {found}, by a waiver)"
        return (
            settled(holds, "tcb.status", expected, found, source, codes.TCB_STATUS),
            waiver.check(claims.as_of),
        )

    def _advisories(self, claims: Claims, source: str) -> tuple[Check, ...]:
        """Where the status is not UpToDate, every advisory, and the waivers that they need.  Case does not count."""
        named_by_waivers = any(waiver.what not in _STATUSES for waiver in self.waivers)
        unlimited = self.accepted_advisories is None and not named_by_waivers
        if unlimited or claims.tcb_status is TcbStatus.UP_TO_DATE:
            return ()
        named = self.accepted_advisories or frozenset()
        known = {advisory.casefold() for advisory in named}
        others = [advisory.casefold() for advisory in claims.advisories if advisory.casefold() not in known]
        needed = [waiver for advisory in others if (waiver := self._waiver(advisory)) is not None]
        holds = len(needed) == len(others) and all(waiver.holds(claims.as_of) for waiver in needed)
        words = "only " + (", ".join(sorted(named)) or "none")
        expected = f"{words} (or {', '.join(waiver.what for waiver in needed)}, by a waiver)" if needed else words
        found = ", ".join(claims.advisories) or "none"
        return (
            settled(holds, "tcb.advisories", expected, found, source, codes.ADVISORY),
            *(waiver.check(claims.as_of) for waiver in needed),
        )

    def _waiver(self, what: str) -> Waiver | None:
        """The waiver for a status or advisory: the one that holds longest."""
        fitting = [waiver for waiver in self.waivers if waiver.what.casefold() == what.casefold()]
        return max(fitting, key=lambda waiver: waiver.last_day, default=None)

    def _date(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        if self.minimum_date is None:
            return ()
        found, source = claims.tcb_date, source_of(sources, "minimum_date")
        holds, words = found is not None and found >= self.minimum_date, f"{found:%Y-%m-%d}" if found else "unknown"
        return (settled(holds, "tcb.date", f"{self.minimum_date:%Y-%m-%d} or later", words, source, codes.TCB_DATE),)

    def _evaluation(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        if self.minimum_evaluation is None:
            return ()
        found, source = claims.details.get("tcb_evaluation_data_number"), source_of(sources, "minimum_evaluation")
        holds = isinstance(found, int) and found >= self.minimum_evaluation
        words = "unknown" if found is None else str(found)
        name, expected = "tcb.evaluation-data-number", f">= {self.minimum_evaluation}"
        return (settled(holds, name, expected, words, source, codes.TCB_EVALUATION),)

    def _machine(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        """A machine that the Evidence does not name is neither allowed nor known not to be revoked."""
        checks, found = [], claims.hardware_id or "not told"
        if self.machines is not None:
            expected, source = f"one of {len(self.machines)} allowed machines", source_of(sources, "machines")
            holds = claims.hardware_id in self.machines
            checks.append(settled(holds, "machine.allowed", expected, found, source, codes.MACHINE))
        if self.revoked_machines:
            expected = f"none of {len(self.revoked_machines)} revoked machines"
            source = source_of(sources, "revoked_machines")
            holds = bool(claims.hardware_id) and claims.hardware_id not in self.revoked_machines
            checks.append(settled(holds, "machine.revoked", expected, found, source, codes.REVOKED_MACHINE))
        return tuple(checks)


_STATUSES: Final = frozenset(status.value for status in TcbStatus)


@lru_cache(maxsize=256)
def _accepted(besides: frozenset[TcbStatus]) -> tuple[frozenset[TcbStatus], str]:
    """The statuses that are good enough, and the same in words."""
    accepted = besides | {TcbStatus.UP_TO_DATE}
    return accepted, " or ".join(status.value for status in TcbStatus if status in accepted)


def source_of(sources: Mapping[str, str], field_name: str) -> str:
    """Where a demand stands: the field's own place, else the place of the whole, else words that say so."""
    return sources.get(field_name) or sources.get("") or "reference values"


class ReferenceValues(Protocol):
    """What a manifest demands of Claims of one kind."""

    @property
    def kind(self) -> Kind:
        """The kind of Evidence that can meet these values."""

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome; met when all have passed."""
