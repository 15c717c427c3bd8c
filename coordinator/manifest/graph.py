"""What leads where in a manifest: packages, the marbles that they prove, the secrets that those get, and people."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from coordinator.manifest.approvers import needed, people, updaters
from coordinator.manifest.diff_recovery import shares_needed
from coordinator.manifest.model import Action, Manifest, Marble, Secret
from coordinator.manifest.words import starts


class Kind(StrEnum):
    """What a node stands for."""

    PACKAGE = "package"
    MARBLE = "marble"
    SECRET = "secret"
    OUTSIDE = "outside"
    PERSON = "person"
    WHOLE = "whole"
    """The manifest itself, or the state of its Coordinator: who has it has everything."""


@dataclass(frozen=True, slots=True)
class Node:
    """lines: the name, then what is worth saying about it."""

    id: str
    kind: Kind
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """label: where the secret arrives, over which port, what a person may do; empty for a package's marbles."""

    source: str
    target: str
    label: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order of the text, and what leads from one to another."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph(manifest: Manifest) -> Graph:
    """Package to marble (proves), secret to marble (is given), marble to marble or address (TLS), people to all that
    they have power over."""
    nodes, edges, ids = [], [], _Ids()
    for package in manifest.packages.values():
        platforms = " or ".join(dict.fromkeys(values.kind.value for values in package.alternatives))
        nodes.append(Node(ids.of("p", package.name), Kind.PACKAGE, (package.name, platforms)))
    for marble in manifest.marbles.values():
        limit = f"starts {starts(marble.max_activations)}"
        if marble.max_per_vendor:
            limit += f", {marble.max_per_vendor} a vendor"
        nodes.append(Node(ids.of("m", marble.type), Kind.MARBLE, (marble.type, limit)))
        edges.append(Edge(ids.of("p", marble.package), ids.of("m", marble.type)))
    for secret in manifest.secrets.values():
        nodes.append(Node(ids.of("s", secret.name), Kind.SECRET, (secret.name, _about(secret))))
    for marble in manifest.marbles.values():
        for name in sorted(marble.secrets):
            edges.append(Edge(ids.of("s", name), ids.of("m", marble.type), _places(manifest, marble, name)))
    outside: dict[str, Node] = {}
    for marble in manifest.marbles.values():
        for address, port in _outgoing(manifest, marble):
            host = address.partition(".")[0]
            if host in manifest.marbles:
                target = ids.of("m", host)
            else:
                target = ids.of("o", address)
                outside.setdefault(address, Node(target, Kind.OUTSIDE, (address, "outside")))
            edges.append(Edge(ids.of("m", marble.type), target, f"TLS {port}", tls=True))
    everybody = tuple(_people(manifest, ids))
    nodes += [*outside.values(), *(person for person, _ in everybody), *_wholes(manifest, ids)]
    edges += [edge for _, powers in everybody for edge in powers]
    return Graph(tuple(nodes), tuple(dict.fromkeys(edges)))


class _Ids:
    """Short names of nodes that say nothing of the text: p0, m0, m1, …"""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def of(self, letter: str, name: str) -> str:
        known = self._known.get((letter, name))
        if known is None:
            number = self._counts.get(letter, 0)
            self._counts[letter] = number + 1
            known = self._known[letter, name] = f"{letter}{number}"
        return known


def _about(secret: Secret) -> str:
    length = secret.password.length if secret.password else secret.size
    size = f" {length}" if length else ""
    owner = "set by a user" if secret.user_defined else "one for all" if secret.shared else "one for each"
    terms = secret.read_approval
    read = f", users read it if {terms.threshold} approve" if terms is not None else ""
    return f"{secret.type.value}{size}, {owner}{read}"


def _places(manifest: Manifest, marble: Marble, secret: str) -> str:
    """Where a marble finds a secret."""
    found = [name for name, template in marble.parameters.env.items() if secret in template.secrets]
    found += [path for path, template in marble.parameters.files.items() if secret in template.secrets]
    shown = (door for tag in marble.tls for door in manifest.tls[tag].incoming)
    found += [f"port {door.port}" for door in shown if door.secret == secret]
    return ", ".join(found[:_LABELLED]) + (", …" if len(found) > _LABELLED else "")


def _outgoing(manifest: Manifest, marble: Marble) -> Iterable[tuple[str, str]]:
    for tag in marble.tls:
        for way in manifest.tls[tag].outgoing:
            yield way.address, way.port


def _people(manifest: Manifest, ids: _Ids) -> Iterator[tuple[Node, Sequence[Edge]]]:
    """Users and owners of recovery keys with what each may do; who is both under one name may be two people."""
    for user in manifest.users.values():
        node = ids.of("u", user.name)
        edges = []
        for letter, name in (*(("s", name) for name in manifest.secrets), *(("p", name) for name in manifest.packages)):
            verbs = [verb for action, (kind, verb) in _VERBS.items() if kind == letter and user.may(action, name)]
            edges += [Edge(node, ids.of(letter, name), ", ".join(verbs))] if verbs else []
        if user in updaters(manifest.users.values()):
            edges.append(Edge(node, ids.of("w", "manifest"), "updates"))
        yield Node(node, Kind.PERSON, (user.name, "user")), edges
    for name in manifest.recovery_keys:
        node = ids.of("r", name)
        yield Node(node, Kind.PERSON, (name, "owns a recovery key")), (Edge(node, ids.of("w", "state"), "recovers"),)


def _wholes(manifest: Manifest, ids: _Ids) -> Iterator[Node]:
    """What somebody could have at once; absent where nobody can."""
    if able := people(updaters(manifest.users.values())):
        how = f"updated by {needed(manifest)} of {len(able)}"
        yield Node(ids.of("w", "manifest"), Kind.WHOLE, ("the manifest", how))
    if owners := len(manifest.recovery_keys):
        how = f"recovered by {shares_needed(manifest)} of {owners}"
        yield Node(ids.of("w", "state"), Kind.WHOLE, ("the state", how))


_LABELLED: Final = 3
_VERBS: Final = {
    Action.READ_SECRET: ("s", "reads"),
    Action.APPROVE_READ: ("s", "approves reading"),
    Action.WRITE_SECRET: ("s", "sets"),
    Action.UPDATE_SECURITY_VERSION: ("p", "raises its version"),
}
