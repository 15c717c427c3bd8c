"""Packages: what proves a program (contract, 3.1; design.md, 7).

MarbleRun's flat fields describe an SGX enclave and keep MarbleRun's default platform states; `SGX` and `TDX` are ours,
alternatives of each other, and accept only what is named.
"""

from collections.abc import Mapping
from typing import Final

from attestation.claims import ReferenceValues, TcbPolicy, TcbStatus
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from coordinator.manifest.document import Member
from coordinator.manifest.errors import ManifestInvalid, Severity
from coordinator.manifest.model import Package
from coordinator.manifest.reader import read
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema import PACKAGE, TCB_STATUSES
from coordinator.manifest.shape import named, shape
from coordinator.manifest.view import View


def parse_reference(raw: bytes, *, name: str) -> tuple[ReferenceValues, ...]:
    """Reference values from a document of their own: the fields of one package, in YAML or JSON.

    Raises ManifestInvalid with every finding.
    """
    reading, root = read(raw, name=name, compatible=False)
    view = View(shape(reading, root, PACKAGE), root.place)
    package = read_package(reading, "", view, is_used=True)
    if package is None or any(finding.severity is Severity.ERROR for finding in reading.findings):
        raise ManifestInvalid(name, tuple(reading.findings))
    return package.alternatives


def read_packages(reading: Reading, members: tuple[Member, ...], used: frozenset[str]) -> Mapping[str, Package]:
    """Every package that is identified.  used: names that marbles refer to; MarbleRun only looks at those."""
    packages = {}
    for member in members:
        package = read_package(reading, member.key, View(member.node, member.place), is_used=member.key in used)
        if package is not None:
            packages[member.key] = package
    return packages


def read_package(reading: Reading, name: str, view: View, *, is_used: bool) -> Package | None:
    """One package, or None (with a finding) where nothing identifies it."""
    flat = [field for field in _FLAT if view.has(field)]
    alternatives: list[ReferenceValues] = []
    if reading.is_refused(view.owner.pointer, below=True):
        return None
    if view.has("SGX") or view.has("TDX"):
        for field in flat:
            hint = "move it into SGX, or remove SGX and TDX"
            reading.refuse("E021", view.place(field), f"{field} cannot stand beside SGX or TDX", hint)
        if view.has("SGX"):
            alternatives += _sgx(reading, view.view("SGX"))
        if view.has("TDX"):
            alternatives += _tdx(reading, view.view("TDX"))
    else:
        alternatives += _marblerun(reading, view, is_used)
    return Package(name, tuple(alternatives), view.flag("Debug")) if alternatives else None


def _sgx(reading: Reading, view: View) -> list[ReferenceValues]:
    enclave = view.text("MRENCLAVE") or view.text("UniqueID")
    signer, product, svn = view.text("MRSIGNER"), view.number("ISVProdID"), view.number("ISVSVN")
    if view.has("MRENCLAVE") and view.has("UniqueID"):
        reading.refuse("E021", view.place("UniqueID"), "MRENCLAVE and UniqueID are the same value", "keep MRENCLAVE")
    if not enclave and not (signer and product is not None and svn is not None):
        given = [key for key in ("MRSIGNER", "ISVProdID", "ISVSVN") if view.has(key)]
        message = f"{named(view.owner.pointer)} does not identify an enclave" + (
            f" by {', '.join(given)}" if given else ""
        )
        reading.refuse("E021", view.owner, message, "name MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN")
        return []
    values = SgxReferenceValues(
        mrenclave=bytes.fromhex(enclave) if enclave else None,
        mrsigner=bytes.fromhex(signer) if signer else None,
        isvprodid=product,
        isvsvn=svn,
        tcb=_tcb(view, frozenset()),
        sources=_sources(
            reading,
            view,
            {
                "mrenclave": "MRENCLAVE" if view.has("MRENCLAVE") else "UniqueID",
                "mrsigner": "MRSIGNER",
                "isvprodid": "ISVProdID",
                "isvsvn": "ISVSVN",
                "tcb": "AcceptedTCBStatuses",
            },
        ),
    )
    return [values]


def _tdx(reading: Reading, view: View) -> list[ReferenceValues]:
    if not view.text("MRTD"):
        message = f"{named(view.owner.pointer)} has no MRTD, so it does not identify a virtual machine"
        reading.refuse("E021", view.owner, message, "name MRTD, and the RTMRs that your image fixes")
        return []

    def measurement(key: str) -> bytes | None:
        return bytes.fromhex(view.text(key)) if view.text(key) else None

    registers = {index: bytes.fromhex(view.text(f"RTMR{index}")) for index in range(4) if view.text(f"RTMR{index}")}
    values = TdxReferenceValues(
        mrtd=measurement("MRTD"),
        rtmrs=registers,
        mrconfigid=measurement("MRConfigID"),
        mrowner=measurement("MROwner"),
        mrownerconfig=measurement("MROwnerConfig"),
        tcb=_tcb(view, frozenset()),
        sources=_sources(
            reading,
            view,
            {
                "mrtd": "MRTD",
                **{f"rtmr{index}": f"RTMR{index}" for index in registers},
                "mrconfigid": "MRConfigID",
                "mrowner": "MROwner",
                "mrownerconfig": "MROwnerConfig",
                "tcb": "AcceptedTCBStatuses",
            },
        ),
    )
    return [values]


def _marblerun(reading: Reading, view: View, is_used: bool) -> list[ReferenceValues]:
    enclave, signer = view.text("UniqueID"), view.text("SignerID")
    product, svn, debug = view.number("ProductID"), view.number("SecurityVersion"), view.flag("Debug")
    signed = {"SignerID": bool(signer), "ProductID": product is not None, "SecurityVersion": svn is not None}
    problem = None
    if enclave and any(signed.values()):
        also = ", ".join(key for key, given in signed.items() if given)
        problem = (f"{named(view.owner.pointer)} has UniqueID and also {also}", "keep UniqueID, or the other three")
    elif not enclave and not all(signed.values()):
        missing = ", ".join(key for key, given in signed.items() if not given)
        problem = (
            f"{named(view.owner.pointer)} has no UniqueID, and misses {missing}",
            "name UniqueID, or all of SignerID, ProductID and SecurityVersion",
        )
    if problem and debug:
        reading.warn("E021", view.owner, f"{problem[0]} (accepted since Debug is true)", problem[1])
    elif problem and reading.compatible and not is_used:
        reading.warn("E021", view.owner, f"{problem[0]} (no marble uses it, so it is left out)", problem[1])
        return []
    elif problem:
        reading.refuse("E021", view.owner, *problem)
        return []
    if debug:
        reading.warn("E029", view.place("Debug"), "a debug enclave's memory is open to the host", "only for tests")
    values = SgxReferenceValues(
        mrenclave=bytes.fromhex(enclave) if enclave else None,
        mrsigner=bytes.fromhex(signer) if signer else None,
        isvprodid=product,
        isvsvn=svn,
        debug=debug,
        tcb=_tcb(view, frozenset({TcbStatus.SW_HARDENING_NEEDED})),
        sources=_sources(
            reading,
            view,
            {
                "mrenclave": "UniqueID",
                "mrsigner": "SignerID",
                "isvprodid": "ProductID",
                "isvsvn": "SecurityVersion",
                "debug": "Debug",
                "tcb": "AcceptedTCBStatuses",
            },
        ),
    )
    return [values]


def _tcb(view: View, default: frozenset[TcbStatus]) -> TcbPolicy:
    """The default holds only where no status is named, not even one that nobody knows (contract, 3.1)."""
    statuses = frozenset(TcbStatus(text) for text in view.texts("AcceptedTCBStatuses") if text in TCB_STATUSES)
    given = bool(view.items("AcceptedTCBStatuses"))
    return TcbPolicy(statuses if given else default, frozenset(view.texts("AcceptedAdvisories")) or None)


def _sources(reading: Reading, view: View, fields: Mapping[str, str]) -> Mapping[str, str]:
    """Field of the reference values to "NAME:LINE POINTER" of the text that demands it; "" for the whole."""
    name = reading.document.name
    sources = {"": f"{name}:{view.owner.line + 1} {view.owner.pointer}".rstrip()}
    for field, key in fields.items():
        if view.has(key):
            place = view.place(key)
            sources[field] = f"{name}:{place.line + 1} {place.pointer}"
    return sources


_FLAT: Final = (
    "Debug",
    "UniqueID",
    "SignerID",
    "ProductID",
    "SecurityVersion",
    "AcceptedTCBStatuses",
    "AcceptedAdvisories",
)
