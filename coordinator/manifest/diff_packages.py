"""Two definitions of a package: may another program be it, or the same one on worse platforms?"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Final

from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.claims import ReferenceValues, TcbPolicy
from attestation.composite.claims import CompositeReferenceValues
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.demands import Demand, Rule, demands, section
from coordinator.manifest.document import step
from coordinator.manifest.model import Package
from coordinator.manifest.proof import identity


def package_changes(path: str, old: Package, new: Package, users: str) -> Iterator[Change]:
    """What may prove the same package differently.  users: the marbles that it is, in words."""
    befores = [values for values in old.alternatives if not any(same_program(values, it) for it in new.alternatives)]
    afters = [values for values in new.alternatives if not any(same_program(values, it) for it in old.alternatives)]
    for kind in sorted({values.kind for values in (*befores, *afters)}):
        before, after = ([values for values in side if values.kind is kind] for side in (befores, afters))
        here = step(path, section(kind))
        if len(before) == len(after) == 1:
            yield from _values(here, before[0], after[0], users)
            continue
        for values in after:
            yield Change(Gravity.WEAKENS, here, f"{users} may now also be proven by {_named(values)}")
        for values in before:
            yield Change(Gravity.NARROWS, here, f"{users} may not be proven by {_named(values)} any more")


def _named(values: ReferenceValues) -> str:
    return f"{values.kind.value} {identity(values)}".strip()


def same_program(one: ReferenceValues, other: ReferenceValues) -> bool:
    """Whether two demands are the same, wherever they stand."""
    return one.kind == other.kind and not list(_values("", one, other, ""))


def _values(path: str, old: ReferenceValues, new: ReferenceValues, users: str) -> Iterator[Change]:
    if isinstance(old, SgxReferenceValues) and isinstance(new, SgxReferenceValues):
        identity = {"MRENCLAVE": (old.mrenclave, new.mrenclave), "MRSIGNER": (old.mrsigner, new.mrsigner)}
        yield from _identity(path, identity, users)
        if old.isvprodid != new.isvprodid:
            yield _demand(step(path, "ISVProdID"), "product number", old.isvprodid, new.isvprodid, users)
        # Versions of different products cannot be compared.
        same_product = (old.mrsigner, old.isvprodid) == (new.mrsigner, new.isvprodid)
        if old.isvsvn != new.isvsvn and (same_product or new.isvsvn is None):
            lower = new.isvsvn is None or (old.isvsvn is not None and new.isvsvn < old.isvsvn)
            what = "older versions, with the holes that were repaired since," if lower else "only newer versions"
            gravity = Gravity.WEAKENS if lower else Gravity.NARROWS
            meaning = f"{what} may be {users}"
            yield Change(gravity, step(path, "ISVSVN"), meaning, _shown(old.isvsvn), _shown(new.isvsvn))
        yield from _debug(path, old.debug, new.debug, users)
        yield from _tcb(path, old.tcb, new.tcb, users)
    elif isinstance(old, TdxReferenceValues) and isinstance(new, TdxReferenceValues):
        identity = {
            "MRTD": (old.mrtd, new.mrtd),
            **{f"RTMR{index}": (old.rtmrs.get(index), new.rtmrs.get(index)) for index in range(4)},
            "MRConfigID": (old.mrconfigid, new.mrconfigid),
            "MROwner": (old.mrowner, new.mrowner),
            "MROwnerConfig": (old.mrownerconfig, new.mrownerconfig),
        }
        yield from _identity(path, identity, users)
        yield from _service(step(path, "MRServiceTD"), old.mrservicetd, new.mrservicetd, users)
        yield from _debug(path, old.debug, new.debug, users)
        yield from _tcb(path, old.tcb, new.tcb, users)
    elif isinstance(old, CompositeReferenceValues) and isinstance(new, CompositeReferenceValues):
        yield from _together(path, old.all_of, new.all_of, users)
    else:
        for before, after in zip(demands(old), demands(new), strict=True):
            if before.value != after.value:
                yield _changed(step(path, before.key), before, after, users)
        if isinstance(old, SevSnpReferenceValues) and isinstance(new, SevSnpReferenceValues):
            yield from _tcb(path, old.tcb, new.tcb, users, revoked="RevokedChipIDs")
        if isinstance(old, AzureVtpmReferenceValues) and isinstance(new, AzureVtpmReferenceValues):
            yield from _together(path, (old.hardware,), (new.hardware,), users)


def _together(
    path: str, old: tuple[ReferenceValues, ...], new: tuple[ReferenceValues, ...], users: str
) -> Iterator[Change]:
    """Parts that prove themselves together; parts of one kind are compared in their order."""
    for kind in sorted({values.kind for values in (*old, *new)}):
        before, after = ([values for values in side if values.kind is kind] for side in (old, new))
        here = step(path, section(kind))
        for one, other in zip(before, after, strict=False):
            yield from _values(here, one, other, users)
        for values in before[len(after) :]:
            yield Change(Gravity.WEAKENS, here, f"{users} need not be proven by {_named(values)} any more")
        for values in after[len(before) :]:
            yield Change(Gravity.NARROWS, here, f"{users} must also be proven by {_named(values)}")


def _changed(path: str, old: Demand, new: Demand, users: str) -> Change:
    """One demand that is another one now: does it let more in?"""
    key = new.key
    if not new.is_given:
        gravity, meaning = Gravity.WEAKENS, f"{key} is not demanded of {users} any more"
    elif not old.is_given:
        gravity, meaning = Gravity.NARROWS, f"{key} is demanded of {users} now"
    elif new.rule is Rule.EXACT and new.is_identity:
        gravity, meaning = Gravity.REPLACES, f"another program may be {users}"
    elif new.rule is Rule.EXACT:
        gravity, meaning = Gravity.CHANGES, f"{key} must be another one for {users}"
    elif new.rule is Rule.AT_LEAST:
        lower = new.value < old.value
        gravity = Gravity.WEAKENS if lower else Gravity.NARROWS
        meaning = f"{key}: {'less' if lower else 'more'} than before is demanded of {users}"
    else:
        more_in = new.value - old.value if new.rule is Rule.ONE_OF else old.value - new.value
        gravity = Gravity.WEAKENS if more_in else Gravity.NARROWS
        meaning = f"{key} allows {'more' if more_in else 'less'} for {users}"
    return Change(gravity, path, meaning, old.shown, new.shown)


def _service(path: str, old: bytes | None, new: bytes | None, users: str) -> Iterator[Change]:
    """None demands that no service may move the machine elsewhere."""
    if old != new:
        gravity = Gravity.REPLACES if old and new else Gravity.WEAKENS if new else Gravity.NARROWS
        words = "another service" if old and new else "a service" if new else "no service"
        yield Change(gravity, path, f"{words} may move {users} to another machine", _none(old), _none(new))


def _none(value: bytes | None) -> str:
    return value.hex() if value else "none"


def _identity(path: str, fields: Mapping[str, tuple[bytes | None, bytes | None]], users: str) -> Iterator[Change]:
    for field, (old, new) in fields.items():
        if old != new:
            yield _demand(step(path, field), field, old, new, users)


def _demand(path: str, what: str, old: bytes | int | None, new: bytes | int | None, users: str) -> Change:
    if new is None:
        meaning = f"{what} is not demanded any more: more programs may be {users}"
        return Change(Gravity.WEAKENS, path, meaning, _shown(old), _shown(new))
    if old is None:
        return Change(Gravity.NARROWS, path, f"{what} is demanded of {users} now", _shown(old), _shown(new))
    return Change(Gravity.REPLACES, path, f"another program may be {users}", _shown(old), _shown(new))


def _debug(path: str, old: bool, new: bool, users: str) -> Iterator[Change]:
    if old != new:
        meaning = (
            f"{users} {'must be a debug program, whose memory the host reads' if new else 'must not be debuggable'}"
        )
        gravity = Gravity.WEAKENS if new else Gravity.NARROWS
        yield Change(gravity, step(path, "Debug"), meaning, str(old).lower(), str(new).lower())


def _tcb(path: str, old: TcbPolicy, new: TcbPolicy, users: str, *, revoked: str = "RevokedPPIDs") -> Iterator[Change]:
    """revoked: the key that revoked machines stand under."""
    yield from _revoked(step(path, revoked), old, new, users)
    yield from _waivers(step(path, "Waivers"), old, new, users)
    key, least = "MinimumTCBEvaluationDataNumber", (old.minimum_evaluation or 0, new.minimum_evaluation or 0)
    if least[0] != least[1]:
        gravity = Gravity.NARROWS if least[1] > least[0] else Gravity.WEAKENS
        meaning = f"platforms of {users} must be judged by Intel's evaluation {least[1] or 'of any number'} or later"
        yield Change(gravity, step(path, key), meaning, _shown(old.minimum_evaluation), _shown(new.minimum_evaluation))
    dates = (old.minimum_date or _NO_DATE, new.minimum_date or _NO_DATE)
    if dates[0] != dates[1]:
        gravity = Gravity.NARROWS if dates[1] > dates[0] else Gravity.WEAKENS
        meaning = f"platforms of {users} must be patched as of another day"
        shown = tuple(f"{day:%Y-%m-%d}" if day != _NO_DATE else "any day" for day in dates)
        yield Change(gravity, step(path, "MinimumTCBDate"), meaning, *shown)
    if old.machines != new.machines:
        more = new.machines is None or (old.machines is not None and bool(new.machines - old.machines))
        meaning = f"{users} may run on {'more' if more else 'fewer'} machines"
        shown = tuple("all" if some is None else str(len(some)) for some in (old.machines, new.machines))
        yield Change(Gravity.WEAKENS if more else Gravity.NARROWS, step(path, "PPIDs"), meaning, *shown)
    statuses = step(path, "AcceptedTCBStatuses")
    for status in sorted(new.accepted_statuses - old.accepted_statuses):
        yield Change(Gravity.WEAKENS, statuses, f"{users} may run on platforms that are {status.value}")
    for status in sorted(old.accepted_statuses - new.accepted_statuses):
        yield Change(Gravity.NARROWS, statuses, f"{users} may not run on platforms that are {status.value} any more")
    before, after = old.accepted_advisories, new.accepted_advisories
    path = step(path, "AcceptedAdvisories")
    if before is not None and after is None:
        yield Change(Gravity.WEAKENS, path, f"{users} may run on platforms with any advisory", _names(before), "all")
    elif before is None and after is not None:
        yield Change(
            Gravity.NARROWS, path, f"{users} may run on platforms with these advisories only", "all", _names(after)
        )
    elif before is not None and after is not None and before != after:
        gravity = Gravity.WEAKENS if after - before else Gravity.NARROWS
        meaning = f"the advisories that platforms of {users} may have are others"
        yield Change(gravity, path, meaning, _names(before), _names(after))


def _waivers(path: str, old: TcbPolicy, new: TcbPolicy, users: str) -> Iterator[Change]:
    """The last day of each flaw counts; a waiver whose reason alone changed is the same."""
    before, after = _last_days(old), _last_days(new)
    for what in sorted({*before, *after}):
        was, now = before.get(what), after.get(what)
        if was == now:
            continue
        if now is None:
            meaning = f"{users} may not run on platforms with {what} any more, which was accepted for some time"
        else:
            meaning = f"{users} may run on platforms with {what} until the end of {now}"
        weaker = now is not None and (was is None or now > was)
        shown = tuple("not waived" if day is None else f"until {day}" for day in (was, now))
        yield Change(Gravity.WEAKENS if weaker else Gravity.NARROWS, path, meaning, *shown)


def _last_days(policy: TcbPolicy) -> Mapping[str, date]:
    days: dict[str, date] = {}
    for waiver in policy.waivers:
        days[waiver.what] = max(waiver.last_day, days.get(waiver.what, date.min))
    return days


def _revoked(path: str, old: TcbPolicy, new: TcbPolicy, users: str) -> Iterator[Change]:
    for machine in sorted(old.revoked_machines - new.revoked_machines):
        yield Change(Gravity.WEAKENS, path, f"{users} may run on machine {machine} again, which was revoked")
    for machine in sorted(new.revoked_machines - old.revoked_machines):
        yield Change(Gravity.NARROWS, path, f"{users} may not run on machine {machine} any more")


def _shown(value: bytes | int | None) -> str:
    if value is None:
        return "anything"
    return value.hex() if isinstance(value, bytes) else str(value)


def _names(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "none"


_NO_DATE: Final = datetime.min.replace(tzinfo=UTC)
