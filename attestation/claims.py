"""What Claims of every kind have in common, and what Reference Values of every kind can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from attestation import codes
from attestation.checks import Check, settled
from attestation.kinds import Kind


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
    details: further claims of the platform, for people and JSON.
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


@dataclass(frozen=True, slots=True)
class TcbPolicy:
    """Which platforms are good enough.

    accepted_statuses: besides UpToDate.  accepted_advisories: None accepts every advisory of an accepted status.
    minimum_date: the patch level's date (Intel's tcbDate), whatever the status; aware.
    machines: hardware ids that are allowed, lower-case hex; None for all.
    """

    accepted_statuses: frozenset[TcbStatus] = frozenset()
    accepted_advisories: frozenset[str] | None = None
    minimum_date: datetime | None = None
    machines: frozenset[str] | None = None

    def appraise(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        """Every demand on the platform.  sources: of the Reference Values; keys `tcb`, `minimum_date`, `machines`."""
        return (
            *self._status(claims, source_of(sources, "tcb")),
            *self._date(claims, sources),
            *self._machine(claims, sources),
        )

    def _status(self, claims: Claims, source: str) -> tuple[Check, ...]:
        """Status and, where the status is not UpToDate, every advisory.  Advisories compare without case."""
        accepted, words = _accepted(self.accepted_statuses)
        status = settled(
            claims.tcb_status in accepted,
            "tcb.status",
            words,
            claims.tcb_status.value if claims.tcb_status else "unknown",
            source,
            codes.TCB_STATUS,
        )
        if self.accepted_advisories is None or claims.tcb_status is TcbStatus.UP_TO_DATE:
            return (status,)
        known = {advisory.casefold() for advisory in self.accepted_advisories}
        others = [advisory for advisory in claims.advisories if advisory.casefold() not in known]
        advisories = settled(
            not others,
            "tcb.advisories",
            "only " + (", ".join(sorted(self.accepted_advisories)) or "none"),
            ", ".join(claims.advisories) or "none",
            source,
            codes.ADVISORY,
        )
        return status, advisories

    def _date(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        if self.minimum_date is None:
            return ()
        found, source = claims.tcb_date, source_of(sources, "minimum_date")
        holds, words = found is not None and found >= self.minimum_date, f"{found:%Y-%m-%d}" if found else "unknown"
        return (settled(holds, "tcb.date", f"{self.minimum_date:%Y-%m-%d} or later", words, source, codes.TCB_DATE),)

    def _machine(self, claims: Claims, sources: Mapping[str, str]) -> tuple[Check, ...]:
        if self.machines is None:
            return ()
        expected, source = f"one of {len(self.machines)} allowed machines", source_of(sources, "machines")
        found = claims.hardware_id or "not told"
        holds = claims.hardware_id in self.machines
        return (settled(holds, "machine.allowed", expected, found, source, codes.MACHINE),)


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
