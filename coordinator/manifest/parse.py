"""Text to Manifest.  All errors are reported at once.  Nothing half-parsed leaves this file."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from coordinator.manifest.coordinators import read_coordinators
from coordinator.manifest.document import Document, Node
from coordinator.manifest.duration import parse_duration
from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.marble import read_marbles
from coordinator.manifest.model import (
    DEFAULT_SOURCES,
    Config,
    FeatureGate,
    KeySource,
    Manifest,
    Package,
    SealMode,
    UpdateTerms,
)
from coordinator.manifest.package import read_packages
from coordinator.manifest.people import check_name, read_roles, read_users
from coordinator.manifest.read_approval import check_approvals
from coordinator.manifest.reader import read
from coordinator.manifest.reading import Reading, Unreadable
from coordinator.manifest.recovery_keys import read_recovery_keys
from coordinator.manifest.schema import MANIFEST
from coordinator.manifest.secret import read_secrets
from coordinator.manifest.shape import named, shape
from coordinator.manifest.tls import read_tags
from coordinator.manifest.undecided import LONGEST_QUESTION, open_comments
from coordinator.manifest.update_threshold import check_threshold
from coordinator.manifest.view import View


@dataclass(frozen=True, slots=True)
class Parsed:
    """A manifest, and what is worth saying about it, in the order of the text.  From `parse`: legal, and no errors.

    document, root: the text and its tree, for those who have more to say about it.
    """

    manifest: Manifest
    findings: tuple[Finding, ...]
    document: Document = field(repr=False, compare=False)
    root: Node = field(repr=False, compare=False)


def parse(raw: bytes, *, name: str, compatible: bool) -> Parsed:
    """Read a manifest in YAML or JSON.

    name: what messages and sources call it.  compatible: accept what MarbleRun accepts, with warnings (letter case of
    keys, unknown and repeated keys, null).  Raises ManifestInvalid with every error and warning.
    """
    examined = examine(raw, name=name, compatible=compatible)
    if any(finding.severity is Severity.ERROR for finding in examined.findings):
        raise ManifestInvalid(name, examined.findings)
    return examined


def examine(raw: bytes, *, name: str, compatible: bool) -> Parsed:
    """What can be read of a manifest, with every error and warning.  With an error, nobody may act on the result."""
    reading, root = read(raw, name=name, compatible=compatible)
    unreadable = any(f.code in _UNREADABLE and f.severity is Severity.ERROR for f in reading.findings)
    nothing = View(None, root.place)
    try:
        if not unreadable:
            _open_comments(reading, root)
        manifest = _manifest(raw, reading, nothing if unreadable else View(shape(reading, root, MANIFEST), root.place))
    except Unreadable as stop:
        reading.findings.append(stop.finding)
        manifest = _manifest(raw, reading, nothing)
    return Parsed(manifest, _sorted(reading), reading.document, root)


def _manifest(raw: bytes, reading: Reading, view: View) -> Manifest:
    secrets = read_secrets(reading, view.members("Secrets"))
    tags = read_tags(reading, view.members("TLS"), secrets)
    marbles = view.members("Marbles")
    used = frozenset(View(member.node, member.place).text("Package") for member in marbles)
    defined = view.members("Packages")
    packages = read_packages(reading, defined, used)
    names = tuple(member.key for member in defined)
    marbles_read = read_marbles(reading, marbles, names, secrets, tags)
    roles = read_roles(reading, view, names, secrets)
    users = read_users(reading, view, roles)
    check_approvals(reading, view, secrets, users)
    check_threshold(reading, view, users)
    manifest = Manifest(
        raw=raw,
        digest=hashlib.sha256(raw).digest(),
        packages=packages,
        marbles=marbles_read,
        secrets=secrets,
        tls=tags,
        users=users,
        recovery_keys=read_recovery_keys(reading, view),
        config=_config(reading, view, names, packages),
        compatible=reading.compatible,
        update=_update(reading, view, names),
    )
    for member in view.members("Infrastructures")[:1]:
        message = "Infrastructures are enforced neither here nor by MarbleRun, which accepts them and looks at none"
        hint = "demand it of the platform in the package: AcceptedTCBStatuses, MinimumTCBDate, PPIDs"
        reading.remark("E094", member.place, message, hint)
    return manifest


def _open_comments(reading: Reading, root: Node) -> None:
    """Questions that `manifest init` left in comments, beside values that it proposes."""
    for place, question in open_comments(reading.document, root):
        message = f"{named(place.pointer)} is not decided yet: {question[:LONGEST_QUESTION] or 'see the comment'}"
        reading.remark("E060", place, message, "decide, and delete the comment")


def _config(reading: Reading, view: View, names: Iterable[str], packages: Mapping[str, Package]) -> Config:
    config = view.view("Config")
    gates = set()
    for item, gate in zip(config.items("FeatureGates"), config.texts("FeatureGates"), strict=True):
        if gate.lower() in _GATES:
            gates.add(_GATES[gate.lower()])
        elif gate.lower() == "azurehsmsealing":
            message = "AzureHSMSealing needs a key vault, for which this Coordinator is not configured"
            reading.refuse("E027", item.place, message, "leave it out")
    expiry, delay, overlap = (config.text(key) for key in ("UpdateExpiry", "UpdateDelay", "UpdateOverlap"))
    if delay and parse_duration(delay) > MAX_DELAY:
        message = f"an update cannot wait for {delay}"
        reading.refuse("E027", config.place("UpdateDelay"), message, f"at most {MAX_DELAY.days}d")
    if overlap and parse_duration(overlap) > MAX_OVERLAP:
        message = f"after an update the old certificates cannot be trusted for {overlap}"
        reading.refuse("E027", config.place("UpdateOverlap"), message, f"at most {MAX_OVERLAP.days}d")
    return Config(
        seal_mode=SealMode(config.text("SealMode") or SealMode.PRODUCT_KEY),
        update_threshold=config.number("UpdateThreshold") or 0,
        update_expiry=parse_duration(expiry or DEFAULT_EXPIRY),
        update_delay=parse_duration(delay) if delay else timedelta(0),
        update_overlap=parse_duration(overlap) if overlap else timedelta(0),
        rotate_root_secret=config.flag("RotateRootSecret"),
        recovery_threshold=config.number("RecoveryThreshold") or 0,
        key_sources=tuple(KeySource(name) for name in dict.fromkeys(config.texts("KeySources"))) or DEFAULT_SOURCES,
        feature_gates=frozenset(gates),
        coordinators=read_coordinators(reading, config, names, packages),
    )


def _update(reading: Reading, view: View, packages: Iterable[str]) -> UpdateTerms:
    update = view.view("Update")
    lowers = update.texts("LowersSecurityVersion")
    for item, name in zip(update.items("LowersSecurityVersion"), lowers, strict=True):
        check_name(reading, item.place, "Update.LowersSecurityVersion names", name, packages, "packages")
    return UpdateTerms(bytes.fromhex(update.text("Replaces")), frozenset(lowers))


def _sorted(reading: Reading) -> tuple[Finding, ...]:
    return tuple(sorted(reading.findings, key=lambda finding: (finding.line, finding.column, finding.code)))


_UNREADABLE = frozenset({"E001", "E003", "E007"})
_GATES = {gate.value.lower(): gate for gate in FeatureGate}

DEFAULT_EXPIRY: Final = "7d"
MAX_DELAY: Final = timedelta(days=90)
MAX_OVERLAP: Final = timedelta(days=90)
