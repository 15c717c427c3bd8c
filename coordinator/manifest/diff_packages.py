"""Two definitions of a package: may another program be it, or the same one on worse platforms?"""

from collections.abc import Iterator, Mapping
from datetime import date

from attestation.claims import ReferenceValues, TcbPolicy
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.document import step
from coordinator.manifest.model import Package


def package_changes(path: str, old: Package, new: Package, users: str) -> Iterator[Change]:
    """What may prove the same package differently.  users: the marbles that it is, in words."""
    olds, news = ({values.kind.value: values for values in package.alternatives} for package in (old, new))
    for kind in sorted({*olds, *news}):
        before, after = olds.get(kind), news.get(kind)
        here = step(path, kind.upper())
        if before is None:
            yield Change(Gravity.WEAKENS, here, f"{users} may now also be proven by {kind}")
        elif after is None:
            yield Change(Gravity.NARROWS, here, f"{users} may not be proven by {kind} any more")
        else:
            yield from _values(here, before, after, users)


def same_program(one: ReferenceValues, other: ReferenceValues) -> bool:
    """Whether two demands are the same, wherever they stand."""
    return not list(_values("", one, other, "")) and one.kind == other.kind


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
        yield from _debug(path, old.debug, new.debug, users)
        yield from _tcb(path, old.tcb, new.tcb, users)


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


def _tcb(path: str, old: TcbPolicy, new: TcbPolicy, users: str) -> Iterator[Change]:
    yield from _waivers(step(path, "Waivers"), old, new, users)
    yield from _revoked(step(path, "RevokedPPIDs"), old, new, users)
    key, least = "MinimumTCBEvaluationDataNumber", (old.minimum_evaluation or 0, new.minimum_evaluation or 0)
    if least[0] != least[1]:
        gravity = Gravity.NARROWS if least[1] > least[0] else Gravity.WEAKENS
        meaning = f"platforms of {users} must be judged by Intel's evaluation {least[1] or 'of any number'} or later"
        yield Change(gravity, step(path, key), meaning, _shown(old.minimum_evaluation), _shown(new.minimum_evaluation))
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
