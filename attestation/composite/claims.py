"""What may be demanded of a processor and its GPUs together?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation import codes as common
from attestation.checks import Check, Status, failed, settled
from attestation.claims import Claims, ReferenceValues, TcbStatus, source_of
from attestation.composite.codes import CODES, LEFT_OUT
from attestation.kinds import Kind

# From the best to the worst; platforms without patch levels are as good as the others say.
_WORSE: Final = (
    TcbStatus.NOT_APPLICABLE,
    TcbStatus.UP_TO_DATE,
    TcbStatus.SW_HARDENING_NEEDED,
    TcbStatus.CONFIGURATION_NEEDED,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TcbStatus.OUT_OF_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    TcbStatus.NOT_SUPPORTED,
    TcbStatus.REVOKED,
)


@dataclass(frozen=True, slots=True)
class CompositeClaims(Claims):
    """parts: the processor's Claims first, then each GPU's.

    The common fields are the processor's where there can be one only, and else the worst of all parts.
    """

    parts: tuple[Claims, ...] = ()


def claims_of(parts: tuple[Claims, ...]) -> CompositeClaims:
    """The Claims of all parts; measurements and details bear the name of their part (`tdx.mrtd`)."""
    cpu = parts[0]
    labels = labels_of(parts)
    statuses = [part.tcb_status for part in parts]
    known = [status for status in statuses if status is not None]
    details: dict[str, str | int | bool] = {"parts": " ".join(labels)}
    for label, part in zip(labels, parts, strict=True):
        details |= {f"{label}.{name}": value for name, value in part.details.items()}
    return CompositeClaims(
        kind=Kind.COMPOSITE,
        debuggable=any(part.debuggable for part in parts),
        report_data=cpu.report_data,
        measurements={
            f"{label}.{name}": value
            for label, part in zip(labels, parts, strict=True)
            for name, value in part.measurements.items()
        },
        tcb_status=max(known, key=_WORSE.index) if len(known) == len(statuses) else None,
        advisories=tuple(dict.fromkeys(advisory for part in parts for advisory in part.advisories)),
        tcb_date=min((part.tcb_date for part in parts if part.tcb_date is not None), default=None),
        hardware_id=cpu.hardware_id,
        details=details,
        parts=parts,
    )


def labels_of(parts: tuple[Claims, ...]) -> tuple[str, ...]:
    """A name for each part: its kind; with a number for the second of a kind and those after it."""
    labels: list[str] = []
    for part in parts:
        number = 1 + sum(label.partition("#")[0] == part.kind for label in labels)
        labels.append(part.kind.value if number == 1 else f"{part.kind.value}#{number}")
    return tuple(labels)


@dataclass(frozen=True, slots=True)
class CompositeReferenceValues:
    """What a manifest demands of a processor and its GPUs: all of it.

    all_of: every one is met by a part, and every part meets one of its kind: nothing stays unappraised.
    sources: "" to where the demand stands.
    """

    all_of: tuple[ReferenceValues, ...]
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Composite."""
        return Kind.COMPOSITE

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome, under the part's name (`tdx/tdx.mrtd`).  Without demands, nothing is met."""
        source = source_of(self.sources, "")
        if not self.all_of:
            expected = "reference values for the processor and its GPUs"
            return (settled(False, "composite.identity", expected, "none", source, common.NOTHING_DEMANDED),)
        parts = claims.parts if isinstance(claims, CompositeClaims) else ()
        checks: list[Check] = []
        met: set[int] = set()
        for label, part in zip(labels_of(parts), parts, strict=True):
            tried: list[Check] = []
            for number, wanted in enumerate(self.all_of):
                if wanted.kind is part.kind and part.measurements:
                    found = under(label, wanted.appraise(part))
                    if all(check.status is Status.PASSED for check in found):
                        met.add(number)
                        tried = list(found)
                        break
                    tried += found
            checks += tried or [_left_out(f"reference values for {label}", "none", source)]
        for number, wanted in enumerate(self.all_of):
            if number not in met:
                kinds = " ".join(labels_of(parts)) or claims.kind.value
                checks.append(_left_out(f"a part that meets the values for {wanted.kind}", kinds, source))
        return tuple(checks)


def under(label: str, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """The same checks under the name of their part."""
    return tuple(Check(f"{label}/{c.name}", c.status, c.expected, c.found, c.source, c.hint, c.code) for c in checks)


def _left_out(expected: str, found: str, source: str) -> Check:
    return failed("composite.parts", expected, found, source, CODES[LEFT_OUT][1], LEFT_OUT)
