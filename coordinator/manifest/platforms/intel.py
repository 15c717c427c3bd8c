"""SGX and TDX in Intel's words."""

from datetime import UTC, date, datetime, time
from functools import partial

from attestation.claims import ReferenceValues, TcbPolicy, TcbStatus
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from attestation.waivers import Waiver
from coordinator.manifest.platforms.fields import Fields, combinations
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import PLATFORMS
from coordinator.manifest.shape import named
from coordinator.manifest.view import View


def read_sgx(reading: Reading, view: View) -> list[ReferenceValues]:
    """Enclaves, by measurement or by signer."""
    if view.has("MRENCLAVE") and view.has("UniqueID"):
        reading.refuse("E021", view.place("UniqueID"), "MRENCLAVE and UniqueID are the same value", "keep MRENCLAVE")
        return []
    signed = ("MRSIGNER", "ISVProdID", "ISVSVN")
    if not view.has("MRENCLAVE") and not view.has("UniqueID") and not all(map(view.has, signed)):
        given = [key for key in signed if view.has(key)]
        message = f"{named(view.owner.pointer)} does not identify an enclave"
        message += f" by {', '.join(given)}" if given else ""
        reading.refuse("E021", view.owner, message, "name MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN")
        return []
    if not platform_fits(reading, view):
        return []
    enclave = "MRENCLAVE" if view.has("MRENCLAVE") else "UniqueID"
    keys = {"mrenclave": enclave, "mrsigner": "MRSIGNER", "isvprodid": "ISVProdID", "isvsvn": "ISVSVN", **_PLATFORM}
    return [
        SgxReferenceValues(
            mrenclave=fields.octets(enclave),
            mrsigner=fields.octets("MRSIGNER"),
            isvprodid=view.number("ISVProdID"),
            isvsvn=view.number("ISVSVN"),
            tcb=_platform(fields),
            sources=fields.sources(keys),
        )
        for fields in combinations(reading, view, PLATFORMS["SGX"])
    ]


def read_tdx(reading: Reading, view: View) -> list[ReferenceValues]:
    """Virtual machines, by their firmware and what it measured."""
    if not identifies_td(reading, view):
        return []
    return [tdx_values(fields) for fields in combinations(reading, view, PLATFORMS["TDX"])]


def identifies_td(reading: Reading, view: View) -> bool:
    """Whether a section names a virtual machine; where it does not, a finding says so."""
    if not view.has("MRTD"):
        message = f"{named(view.owner.pointer)} has no MRTD, so it does not identify a virtual machine"
        reading.refuse("E021", view.owner, message, "name MRTD, and the RTMRs that your image fixes")
        return False
    return platform_fits(reading, view)


def tdx_values(fields: Fields) -> TdxReferenceValues:
    """The reference values of one combination of a section that identifies a virtual machine."""
    registers = fields.numbered("RTMR", range(4))
    keys = {"mrtd": "MRTD", **{f"rtmr{index}": f"RTMR{index}" for index in registers}}
    keys |= {name.lower(): name for name in ("MRConfigID", "MROwner", "MROwnerConfig", "MRServiceTD")}
    return TdxReferenceValues(
        mrtd=fields.octets("MRTD"),
        rtmrs=registers,
        mrconfigid=fields.octets("MRConfigID"),
        mrowner=fields.octets("MROwner"),
        mrownerconfig=fields.octets("MROwnerConfig"),
        mrservicetd=fields.octets("MRServiceTD"),
        tcb=_platform(fields),
        sources=fields.sources({**keys, **_PLATFORM}),
    )


def platform_fits(reading: Reading, view: View) -> bool:
    """Whether MinimumTCBDate and Waivers, if given, say something that can be; where not, findings say so."""
    problems = [_is_day(reading, view, "MinimumTCBDate"), *map(partial(_waiver_fits, reading), _waivers(view))]
    return all(problems)


def _waiver_fits(reading: Reading, waiver: View) -> bool:
    whole = named(waiver.owner.pointer)
    if waiver.has("Status") == waiver.has("Advisory"):
        message = f"{whole} names {'both Status and Advisory' if waiver.has('Status') else 'no Status and no Advisory'}"
        reading.refuse("E012", waiver.owner, message, "a waiver is for one thing: name Status or Advisory")
        return False
    return _is_day(reading, waiver, "Until")


def _is_day(reading: Reading, view: View, key: str) -> bool:
    """Whether a date, if it is given, is a day of the calendar; where it is not, a finding says so."""
    text = view.text(key)
    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        place = view.place(key)
        reading.refuse("E012", place, f"{named(place.pointer)}: {text} is no day", "write it as 2026-01-31")
        return False
    return True


def _waivers(view: View) -> tuple[View, ...]:
    return tuple(View(node, node.place) for node in view.items("Waivers"))


def tcb_policy(view: View, default: frozenset[TcbStatus]) -> TcbPolicy:
    """Accepted states.  The default holds only where none is named, not even one that nobody knows (contract, 3.1)."""
    known = {status.value for status in TcbStatus}
    statuses = frozenset(TcbStatus(text) for text in view.texts("AcceptedTCBStatuses") if text in known)
    given = bool(view.items("AcceptedTCBStatuses"))
    return TcbPolicy(statuses if given else default, frozenset(view.texts("AcceptedAdvisories")) or None)


def _platform(fields: Fields) -> TcbPolicy:
    """What is demanded of the platform; only UpToDate where no state is named."""
    accepted = tcb_policy(fields.view, frozenset())
    day = fields.text("MinimumTCBDate")
    return TcbPolicy(
        accepted.accepted_statuses,
        accepted.accepted_advisories,
        datetime.combine(date.fromisoformat(day), time.min, UTC) if day else None,
        fields.lowered("PPIDs"),
        fields.view.number("MinimumTCBEvaluationDataNumber"),
        fields.lowered("RevokedPPIDs") or frozenset(),
        tuple(_waiver(fields.document_name, waiver) for waiver in _waivers(fields.view)),
    )


def _waiver(document: str, view: View) -> Waiver:
    what, last_day = view.text("Status") or view.text("Advisory"), date.fromisoformat(view.text("Until"))
    return Waiver(what, last_day, view.text("Reason"), f"{document}:{view.owner.line + 1} {view.owner.pointer}")


_PLATFORM = {
    "tcb": "AcceptedTCBStatuses",
    "minimum_date": "MinimumTCBDate",
    "minimum_evaluation": "MinimumTCBEvaluationDataNumber",
    "machines": "PPIDs",
    "revoked_machines": "RevokedPPIDs",
}
