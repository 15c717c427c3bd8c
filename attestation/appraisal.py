"""Wanted?  Verified Claims against Reference Values; and the Verdict that people and JSON see."""

from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import Any, TypeAlias

from attestation import codes
from attestation.checks import Check, Status, missing, settled
from attestation.claims import Claims, ReferenceValues, TcbStatus
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.verification import Attested, Verification

_DEFAULT_POLICY = "default policy"
_WARNED_STATUSES = frozenset(
    {
        TcbStatus.SW_HARDENING_NEEDED,
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
    }
)


@dataclass(frozen=True, slots=True)
class Appraisal:
    """checks: of the alternative that was met; of all that were tried where none was."""

    accepted: bool
    checks: tuple[Check, ...]


class Outcome(StrEnum):
    """The four words of a verdict (EAR's trustworthiness tiers)."""

    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """Judge without Reference Values: genuine, no debug, and a platform that is up to date."""


Policy: TypeAlias = tuple[ReferenceValues, ...] | DefaultPolicy


@dataclass(frozen=True, slots=True)
class Verdict:
    """genuine: the hardware said it.  outcome: whether that is enough."""

    outcome: Outcome
    genuine: bool
    platform: str
    simulated: bool
    claims: Claims
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        """The document of `evidence verify -o json` (design.md, 9): keys are stable, binary values are hex."""
        claims = self.claims
        return {
            "verdict": self.outcome.value,
            "genuine": self.genuine,
            "platform": self.platform,
            "simulated": self.simulated,
            "claims": {
                "debuggable": claims.debuggable,
                "tcb_status": claims.tcb_status.value if claims.tcb_status else None,
                "tcb_date": f"{claims.tcb_date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if claims.tcb_date else None,
                "advisories": list(claims.advisories),
                "hardware_id": claims.hardware_id,
                "report_data": claims.report_data.hex(),
                "measurements": {name: value.hex() for name, value in claims.measurements.items()},
                **claims.details,
            },
            "checks": [
                {
                    "name": check.name,
                    "status": check.status.value,
                    "expected": check.expected,
                    "found": check.found,
                    "source": check.source,
                    "hint": check.hint,
                    "code": check.code,
                }
                for check in self.checks
            ],
        }


def appraise(attested: Attested, alternatives: tuple[ReferenceValues, ...]) -> Appraisal:
    """Compare with each alternative of the Evidence's kind; one that is met in full is enough.

    No alternatives at all, or none of this kind, accept nothing.
    """
    return _appraise(attested.claims, alternatives)


def judge(verification: Verification, policy: Policy) -> Verdict:
    """The verdict: `none` where endorsements are missing and nothing speaks against the Evidence."""
    appraisal = _default(verification) if isinstance(policy, DefaultPolicy) else _appraise(verification.claims, policy)
    if any(check.status is Status.FAILED for check in verification.checks if not _is_tcb_level(check)):
        outcome = Outcome.CONTRAINDICATED
    elif not verification.complete:
        outcome = Outcome.NONE
    elif not verification.genuine:
        outcome = Outcome.CONTRAINDICATED
    elif appraisal.accepted:
        outcome = Outcome.AFFIRMING
    elif isinstance(policy, DefaultPolicy) and _only_warns(verification.claims):
        outcome = Outcome.WARNING
    else:
        outcome = Outcome.CONTRAINDICATED
    return Verdict(
        outcome=outcome,
        genuine=verification.genuine,
        platform=verification.evidence.kind.value,
        simulated=verification.simulated,
        claims=verification.claims,
        checks=(*verification.checks, *appraisal.checks),
    )


def _appraise(claims: Claims, alternatives: tuple[ReferenceValues, ...]) -> Appraisal:
    tried: list[Check] = []
    for alternative in alternatives:
        if alternative.kind is claims.kind and claims.measurements:
            checks = alternative.appraise(claims)
            if all(check.status is Status.PASSED for check in checks):
                return Appraisal(True, checks)
            tried += checks
    if not tried:
        tried.append(_another_kind(claims.kind, alternatives))
    return Appraisal(False, tuple(tried))


def wanted_kind(evidence: Evidence, alternatives: tuple[ReferenceValues, ...]) -> Check | None:
    """None for Evidence that may be wanted; else the check that says which kinds are.

    Asked before Evidence of strangers is verified: what nobody wants costs nothing.
    """
    wanted = any(alternative.kind is evidence.kind for alternative in alternatives)
    return None if wanted else _another_kind(evidence.kind, alternatives)


def _another_kind(found: Kind, alternatives: tuple[ReferenceValues, ...]) -> Check:
    kinds = " or ".join(sorted({a.kind.value for a in alternatives})) or "no kind: no reference values are given"
    return settled(False, "evidence.kind", kinds, found.value, "reference values", codes.KIND)


def _default(verification: Verification) -> Appraisal:
    claims = verification.claims
    debug = settled(
        not claims.debuggable,
        "policy.debug",
        "not debuggable",
        "debuggable" if claims.debuggable else "not debuggable",
        _DEFAULT_POLICY,
        codes.DEBUG,
    )
    name, wanted = "policy.tcb-status", TcbStatus.UP_TO_DATE
    if claims.tcb_status is None:
        status = missing(name, wanted.value, "unknown without endorsements", _DEFAULT_POLICY, codes.NO_ENDORSEMENTS)
    elif claims.tcb_status is TcbStatus.NOT_APPLICABLE:
        status = settled(True, name, "no status: the platform has none", "none", _DEFAULT_POLICY, codes.TCB_STATUS)
    else:
        holds = claims.tcb_status is wanted
        status = settled(holds, name, wanted.value, claims.tcb_status.value, _DEFAULT_POLICY, codes.TCB_STATUS)
    checks = (debug, status)
    return Appraisal(all(check.status is Status.PASSED for check in checks), checks)


def _is_tcb_level(check: Check) -> bool:
    """Which is for policy to judge; in composite evidence the name of a part stands before it."""
    return check.name.rpartition("/")[2] == "tcb.level"


def _only_warns(claims: Claims) -> bool:
    return not claims.debuggable and claims.tcb_status in _WARNED_STATUSES
