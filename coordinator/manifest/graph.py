"""A manifest as a picture: packages, the marbles that they prove, and the secrets that those get.

The same manifest gives the same bytes.  Names are somebody else's text: they are encoded, never trusted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Final

from coordinator.manifest.model import Manifest, Marble, Secret
from coordinator.manifest.words import printable, starts


class Kind(StrEnum):
    """What a node stands for; also the column that it is drawn in."""

    PACKAGE = "package"
    MARBLE = "marble"
    SECRET = "secret"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Node:
    """lines: the name, then what is worth saying about it."""

    id: str
    kind: Kind
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """label: in which places the secret arrives, or over which port; empty for a package's marbles."""

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
    """Package to marble (proves), secret to marble (is given), marble to marble or address (TLS)."""
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
    return Graph((*nodes, *outside.values()), tuple(dict.fromkeys(edges)))


def mermaid(drawn: Graph) -> str:
    """A flow chart for Mermaid, as code forges draw it."""
    lines = ["flowchart LR"]
    for node in drawn.nodes:
        text = "<br/>".join(_mermaid_text(line) for line in node.lines)
        opening, closing = _MERMAID_SHAPES[node.kind]
        lines.append(f'  {node.id}{opening}"{text}"{closing}')
    for edge in drawn.edges:
        arrow = "-.->" if edge.tls else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"  {edge.source} {arrow}{label} {edge.target}")
    return "\n".join(lines) + "\n"


def svg(drawn: Graph) -> str:
    """A picture in columns that needs no fonts, scripts or other files; light or dark as the reader has it."""
    boxes = _layout(drawn.nodes)
    width = max((box.x + box.width for box in boxes.values()), default=0) + _MARGIN
    height = max((box.y + _BOX_HEIGHT for box in boxes.values()), default=0) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-label="packages, marbles and secrets of a manifest">',
        _STYLE,
    ]
    parts += [_svg_edge(edge, boxes[edge.source], boxes[edge.target]) for edge in drawn.edges]
    parts += [_svg_node(node, boxes[node.id]) for node in drawn.nodes]
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class _Box:
    x: int
    y: int
    width: int


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
    owner = "one for all" if secret.shared else "one for each"
    return f"{secret.type.value}{size}, {owner}"


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


def _layout(nodes: Iterable[Node]) -> Mapping[str, _Box]:
    """A column for each kind, as wide as its longest text; nodes below each other."""
    columns: dict[Kind, list[Node]] = {kind: [] for kind in _COLUMNS}
    for node in nodes:
        columns[node.kind].append(node)
    boxes, x = {}, _MARGIN
    for kind in _COLUMNS:
        if not columns[kind]:
            continue
        longest = max(len(_cut(line)) for node in columns[kind] for line in node.lines)
        width = longest * _CHARACTER + 2 * _PADDING
        for row, node in enumerate(columns[kind]):
            boxes[node.id] = _Box(x, _MARGIN + row * (_BOX_HEIGHT + _GAP), width)
        x += width + _COLUMN_GAP
    return boxes


def _svg_node(node: Node, box: _Box) -> str:
    x = box.x + _PADDING
    texts = "".join(
        f'<text x="{x}" y="{box.y + 18 + 16 * row}"{_TITLE if row == 0 else ""}>{_xml(_cut(line))}</text>'
        for row, line in enumerate(node.lines)
    )
    rectangle = f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{_BOX_HEIGHT}" rx="6"/>'
    return f'<g class="{node.kind.value}">{rectangle}{texts}</g>'


def _svg_edge(edge: Edge, source: _Box, target: _Box) -> str:
    """A curve from side to side; within a column it goes around."""
    down, up = source.y + _BOX_HEIGHT // 2, target.y + _BOX_HEIGHT // 2
    if source.x == target.x:
        start = end = source.x + source.width
        bend = (start + _COLUMN_GAP // 2, end + _COLUMN_GAP // 2)
    elif source.x < target.x:
        start, end = source.x + source.width, target.x
        bend = (start + _COLUMN_GAP // 2, end - _COLUMN_GAP // 2)
    else:
        start, end = source.x, target.x + target.width
        bend = (start - _COLUMN_GAP // 2, end + _COLUMN_GAP // 2)
    shape = f'<path d="M {start} {down} C {bend[0]} {down} {bend[1]} {up} {end} {up}"/>'
    title = f"<title>{_xml(edge.label)}</title>" if edge.label else ""
    end_mark = f'<circle cx="{end}" cy="{up}" r="3"/>'
    return f'<g class="{"tls" if edge.tls else "edge"}">{title}{shape}{end_mark}</g>'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _xml(text: str) -> str:
    return escape(printable(text))


def _mermaid_text(text: str) -> str:
    """Everything that is not plainly text as a character code, which Mermaid writes #…;."""
    return "".join(
        c if c.isalnum() or c in " .-_/:,…" else f"#{ord(c)};" if c.isprintable() else "�" for c in _cut(text)
    )


_COLUMNS: Final = (Kind.PACKAGE, Kind.MARBLE, Kind.SECRET, Kind.OUTSIDE)
_MERMAID_SHAPES: Final = {
    Kind.PACKAGE: ("[[", "]]"),
    Kind.MARBLE: ("(", ")"),
    Kind.SECRET: ("[/", "/]"),
    Kind.OUTSIDE: ("((", "))"),
}
_MARGIN: Final = 16
_PADDING: Final = 10
_BOX_HEIGHT: Final = 44
_GAP: Final = 14
_COLUMN_GAP: Final = 110
_CHARACTER: Final = 8
_LONGEST: Final = 44
_LABELLED: Final = 3
_TITLE: Final = ' class="name"'
_STYLE: Final = """<style>
svg { background: #fff; color: #1b1f24 }
text { font: 12px monospace; fill: currentColor } .name { font-weight: bold }
rect { fill: none; stroke: currentColor } .package rect { stroke: #8250df } .marble rect { stroke: #0969da }
.secret rect { stroke: #bc4c00 } .outside rect { stroke-dasharray: 4 3 }
path { fill: none; stroke: #8c959f } circle { fill: #8c959f } .tls path { stroke: #1a7f37; stroke-dasharray: 5 3 }
.tls circle { fill: #1a7f37 }
@media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3 } }
</style>"""
