"""A package update: a document that raises security versions of packages, and says nothing else (contract 1.10)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.manifest.document import MapNode, Member, Node, ScalarNode
from coordinator.manifest.errors import ManifestInvalid, Severity
from coordinator.manifest.reader import read
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema import MANIFEST, Schema
from coordinator.manifest.schema_packages import PLATFORMS
from coordinator.manifest.shape import shape
from coordinator.manifest.view import View


@dataclass(frozen=True, slots=True)
class PackageUpdate:
    """raw: its exact bytes; digest: SHA-256 of them.  versions: package to the security version that it shall have."""

    raw: bytes
    digest: bytes
    versions: Mapping[str, int]


def read_package_update(raw: bytes, *, name: str, compatible: bool) -> PackageUpdate | None:
    """The update, or None if the document has other sections too, and so is a whole manifest.

    Config does not count, as in MarbleRun.  Raises ManifestInvalid for a package update with errors.
    """
    reading, root = read(raw, name=name, compatible=compatible)
    if any(f.severity is Severity.ERROR for f in reading.findings) or _has_more(root, compatible):
        return None
    view = View(shape(reading, root, _SCHEMA), root.place)
    versions = {member.key: _version(reading, member) for member in view.members("Packages")}
    if not versions:
        hint = "name packages with their new SecurityVersion, or send a whole manifest"
        reading.refuse("E022", root.place, "the update names no package", hint)
    if any(finding.severity is Severity.ERROR for finding in reading.findings):
        raise ManifestInvalid(name, tuple(reading.findings))
    return PackageUpdate(raw, hashlib.sha256(raw).digest(), versions)


def _has_more(root: Node, compatible: bool) -> bool:
    if not isinstance(root, MapNode):
        return True
    wanted = {key.casefold() if compatible else key for key in _OTHERS}
    return any(
        (member.key.casefold() if compatible else member.key) in wanted and not _is_empty(member.node)
        for member in root.members
    )


def _is_empty(node: Node) -> bool:
    if isinstance(node, MapNode):
        return not node.members
    return isinstance(node, ScalarNode) and node.value is None


def _version(reading: Reading, member: Member) -> int:
    view = View(member.node, member.place)
    fixed = [key for key in _FIXED if view.text(key) or view.number(key) is not None or view.flag(key)]
    for key in (*fixed, *(key for key in (*PLATFORMS, "AllOf") if view.has(key))):
        message = f'package "{member.key}": an update of packages cannot change {key}'
        reading.refuse("E026", view.place(key), message, "update the whole manifest")
    for key in _IGNORED:
        if view.items(key):
            message = f'package "{member.key}": an update of packages does not change {key}'
            reading.remark("E029", view.place(key), message, "remove it, or update the whole manifest")
    version = view.number("SecurityVersion")
    if version is None:
        message = f'package "{member.key}" has no SecurityVersion'
        reading.refuse("E011", member.place, message, "say the version that it shall have")
    return version or 0


_OTHERS: Final = ("Infrastructures", "Marbles", "Users", "RecoveryKeys", "Roles", "Secrets", "TLS", "Update")
_FIXED: Final = ("UniqueID", "SignerID", "ProductID", "Debug")
_IGNORED: Final = ("AcceptedTCBStatuses", "AcceptedAdvisories")
_SCHEMA: Final[Schema] = {
    **MANIFEST,
    "required": [],
    "properties": {
        key: {**schema, "minProperties": 0} if key in ("Marbles", "Packages") else schema
        for key, schema in MANIFEST["properties"].items()
    },
}
