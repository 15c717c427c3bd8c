"""What may be demanded of a processor and its GPUs together?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from attestation import codes as common
from attestation.checks import Check, Status
from attestation.claims import Claims, ReferenceValues, TcbStatus, source_of
from attestation.composite.codes import LEFT_OUT
from attestation.composite.steps import settled
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

    all_of: every one is met by a part of its own, so two of a kind demand two devices; and every part meets one of its
    kind, so nothing stays unappraised.  Several equal devices may meet one demand.
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
        labels = labels_of(parts)
        tried = [
            [under(label, wanted.appraise(part)) if _comparable(wanted, part) else () for wanted in self.all_of]
            for label, part in zip(labels, parts, strict=True)
        ]
        met_by = {number: _met_by(number, tried) for number in range(len(self.all_of))}
        chosen = _one_for_each(met_by)
        checks: list[Check] = []
        for part, (label, outcomes) in enumerate(zip(labels, tried, strict=True)):
            number = next((n for n, each in chosen.items() if each == part), None)
            if number is None:
                number = next((n for n, able in met_by.items() if part in able), None)
            shown = [check for found in outcomes for check in found] if number is None else outcomes[number]
            checks += shown or [_left_out(f"reference values for {label}", "none", source)]
        for number, wanted in enumerate(self.all_of):
            if number not in chosen:
                kinds = " ".join(labels) or claims.kind.value
                checks.append(_left_out(f"a part of its own that meets the values for {wanted.kind}", kinds, source))
        return tuple(checks)


def _comparable(wanted: ReferenceValues, part: Claims) -> bool:
    return wanted.kind is part.kind and bool(part.measurements)


def _met_by(number: int, tried: Sequence[Sequence[tuple[Check, ...]]]) -> tuple[int, ...]:
    """The parts that meet a demand in full."""
    return tuple(
        part
        for part, outcomes in enumerate(tried)
        if outcomes[number] and all(check.status is Status.PASSED for check in outcomes[number])
    )


def _one_for_each(met_by: Mapping[int, Sequence[int]]) -> Mapping[int, int]:
    """A part of its own for as many demands as can have one: a maximum matching, by augmenting paths.

    Whichever order demands and parts have, all demands have one if that is possible at all.
    """
    holder: dict[int, int] = {}

    def find(demand: int, asked: set[int]) -> bool:
        for part in met_by[demand]:
            if part not in asked:
                asked.add(part)
                if part not in holder or find(holder[part], asked):
                    holder[part] = demand
                    return True
        return False

    for demand in met_by:
        find(demand, set())
    return {demand: part for part, demand in holder.items()}


def under(label: str, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """The same checks under the name of their part."""
    return tuple(Check(f"{label}/{c.name}", c.status, c.expected, c.found, c.source, c.hint, c.code) for c in checks)


def _left_out(expected: str, found: str, source: str) -> Check:
    return settled(False, "composite.parts", expected, found, source, LEFT_OUT)
