"""A second opinion: what a validator of JSON Schema says of the same document.

Our own walk (shape.py) gives the better messages; `jsonschema` is what editors and other people's tools go by.  Where
only the validator objects, the two disagree, and that is worth a finding of its own.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from coordinator.manifest.document import Document, ListNode, MapNode, Node, step
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.places import Places
from coordinator.manifest.schema import MANIFEST
from coordinator.manifest.shape import named

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


def second_opinion(document: Document, root: Node, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """An error for each objection of the validator that is not among `findings`, at its place.

    Values are never repeated: they may be secrets.
    """
    refused = {finding.path for finding in findings if finding.severity is Severity.ERROR}
    places = Places(root)
    added = []
    for error in _validator().iter_errors(plain(root)):
        path = tuple(error.absolute_path)
        pointer = _pointer(path)
        if any(_is_about(known, pointer) for known in refused):
            continue
        message = f"{named(pointer)} does not fit the schema ({error.validator})"
        added.append(document.finding(Severity.ERROR, _CODE, places.value(*path), message, _HINT))
    return tuple(added)


def plain(node: Node) -> Any:
    """The tree as plain data, as a validator takes it; of repeated keys the last one counts."""
    if isinstance(node, MapNode):
        return {member.key: plain(member.node) for member in node.members}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


def _is_about(known: str, pointer: str) -> bool:
    """Whether one of two places holds the other: a wrong key is ours to blame, its map is the validator's."""
    return known == pointer or known.startswith(pointer + "/") or pointer.startswith(known + "/")


def _pointer(path: Sequence[str | int]) -> str:
    pointer = ""
    for part in path:
        pointer = step(pointer, part)
    return pointer


@cache
def _validator() -> "Draft202012Validator":
    from jsonschema import Draft202012Validator

    return Draft202012Validator(MANIFEST)


_CODE: Final = "E019"
_HINT: Final = "compare with `enclasp manifest schema`; our own check let it through, so please report it"
