"""Packages: what proves a program (contract, 3.1; design.md, 7).

MarbleRun's flat fields describe an SGX enclave and keep MarbleRun's default platform states; sections by platform are
ours, alternatives of each other, and accept only what is named.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from math import prod
from typing import Final

from attestation.claims import ReferenceValues, TcbStatus
from attestation.kinds import Kind
from attestation.sgx.claims import SgxReferenceValues
from coordinator.manifest.document import MapNode, Member
from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.model import Package
from coordinator.manifest.platforms.fields import MAX_COMBINATIONS, lists_are_filled
from coordinator.manifest.platforms.intel import tcb_policy
from coordinator.manifest.platforms.readers import reader_of
from coordinator.manifest.reader import START, read
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import PACKAGE, PLATFORMS
from coordinator.manifest.shape import named, shape
from coordinator.manifest.view import View


def parse_reference(raw: bytes, *, name: str) -> tuple[ReferenceValues, ...]:
    """Reference values from a document of their own: the fields of one package, in YAML or JSON.

    Raises ManifestInvalid with every finding.
    """
    reading, root = read(raw, name=name, compatible=False)
    if isinstance(root, MapNode) and "Packages" in root.by_key():
        place, hint = root.by_key()["Packages"].place, "write what stands below one name of its Packages"
        reading.refuse("E021", place, "a whole manifest, where the reference values of one program belong", hint)
    if not _has_errors(reading):
        view = View(shape(reading, root, PACKAGE), root.place)
        package = read_package(reading, "", view, is_used=True)
        if package is not None and not _has_errors(reading):
            return package.alternatives
    raise ManifestInvalid(name, tuple(map(_of_reference, reading.findings)))


def _has_errors(reading: Reading) -> bool:
    return any(finding.severity is Severity.ERROR for finding in reading.findings)


def _of_reference(finding: Finding) -> Finding:
    """The same in words for a document that is no manifest."""
    hint = "write one as TDX: {MRTD: ...} or SEVSNP: {Measurement: ...}" if finding.hint == START else finding.hint
    return replace(finding, message=finding.message.replace("the manifest", "the document"), hint=hint)


def read_packages(reading: Reading, members: tuple[Member, ...], used: frozenset[str]) -> Mapping[str, Package]:
    """Every package that is identified.  used: names that marbles refer to; MarbleRun only looks at those."""
    packages = {}
    for member in members:
        package = read_package(reading, member.key, View(member.node, member.place), is_used=member.key in used)
        if package is not None:
            packages[member.key] = package
            if any(values.kind is Kind.NVIDIA_GPU for values in package.alternatives):
                message = f'package "{member.key}": a GPU alone proves a device, not the program that uses it'
                reading.warn("E029", member.place, message, "put it into AllOf, beside the processor's platform")
    return packages


def read_package(reading: Reading, name: str, view: View, *, is_used: bool) -> Package | None:
    """One package, or None (with a finding) where nothing identifies it."""
    flat = [field for field in _FLAT if view.has(field)]
    if reading.is_refused(view.owner.pointer, below=True):
        return None
    if any(map(view.has, (*PLATFORMS, "AllOf", "AnyOf"))):
        for field in flat:
            hint = "move it into SGX, or remove the platforms"
            reading.refuse("E021", view.place(field), f"{field} cannot stand beside a platform", hint)
        alternatives = _alternatives(reading, view)
    else:
        alternatives = _marblerun(reading, view, is_used)
    return Package(name, tuple(alternatives), view.flag("Debug")) if alternatives else None


def _alternatives(reading: Reading, view: View) -> list[ReferenceValues]:
    """Everything of which one is enough: platforms, AllOf, and what AnyOf lists; empty where something is refused."""
    found = [_platforms(reading, view)] if any(map(view.has, PLATFORMS)) else []
    found += [_all_of(reading, view)] if view.has("AllOf") else []
    if view.has("AnyOf"):
        if view.is_empty_list("AnyOf"):
            place = view.place("AnyOf")
            reading.refuse("E022", place, f"{named(place.pointer)} allows nothing", "name at least one alternative")
            return []
        found += [_alternatives(reading, View(node, node.place)) for node in view.items("AnyOf")]
    if not all(found):
        return []
    alternatives = [values for some in found for values in some]
    if len(alternatives) > MAX_COMBINATIONS:
        message = f"{named(view.owner.pointer)} has {len(alternatives)} alternatives, more than {MAX_COMBINATIONS}"
        reading.refuse("E033", view.owner, message, "remove old releases")
        return []
    return alternatives


def _platforms(reading: Reading, view: View) -> list[ReferenceValues]:
    """What every platform's section allows; empty where one of them is refused."""
    alternatives: list[ReferenceValues] = []
    fits = True
    for key in PLATFORMS:
        if view.has(key):
            section = view.view(key)
            found = reader_of(key)(reading, section) if lists_are_filled(reading, section) else []
            alternatives += found
            fits = fits and bool(found)
    return alternatives if fits else []


def _all_of(reading: Reading, view: View) -> list[ReferenceValues]:
    """A processor and its GPUs together: every combination of what is allowed for each of them."""
    place, parts = view.place("AllOf"), [View(node, node.place) for node in view.items("AllOf")]
    what = [_GPU if part.keys() == (_GPU,) else "processor" for part in parts]
    if what.count("processor") != 1 or _GPU not in what:
        message = f"{named(place.pointer)} is no processor with its GPUs"
        hint = f"list one part with the processor's platforms, and a part with {_GPU} for each kind of GPU"
        reading.refuse("E021", place, message, hint)
        return []
    if parts[what.index("processor")].has(_GPU):
        reading.refuse("E021", place, f"{_GPU} is no processor", f"give {_GPU} a part of its own")
        return []
    allowed = [_platforms(reading, part) for part in parts]
    count = prod(map(len, allowed))
    if count > MAX_COMBINATIONS:
        message = f"{named(place.pointer)} has {count} combinations, more than {MAX_COMBINATIONS}"
        reading.refuse("E033", place, message, "remove old releases")
        return []
    source = {"": f"{reading.document.name}:{place.line + 1} {place.pointer}"}
    from attestation.composite.claims import CompositeReferenceValues

    return [CompositeReferenceValues(parts, source) for parts in product(*allowed)]


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
        tcb=tcb_policy(view, frozenset({TcbStatus.SW_HARDENING_NEEDED})),
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


def _sources(reading: Reading, view: View, fields: Mapping[str, str]) -> Mapping[str, str]:
    """Field of the reference values to "NAME:LINE POINTER" of the text that demands it; "" for the whole."""
    name = reading.document.name
    sources = {"": f"{name}:{view.owner.line + 1} {view.owner.pointer}".rstrip()}
    for field, key in fields.items():
        if view.has(key):
            place = view.place(key)
            sources[field] = f"{name}:{place.line + 1} {place.pointer}"
    return sources


_GPU: Final = "NvidiaGPU"
_FLAT: Final = (
    "Debug",
    "UniqueID",
    "SignerID",
    "ProductID",
    "SecurityVersion",
    "AcceptedTCBStatuses",
    "AcceptedAdvisories",
)
