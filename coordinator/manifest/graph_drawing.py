"""A graph of a manifest as a picture: for Mermaid, and as SVG.

The same graph gives the same bytes.  Names are somebody else's text: they are encoded, never trusted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from coordinator.manifest.graph import Edge, Graph, Kind, Node
from coordinator.manifest.words import printable


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
        'role="img" aria-label="packages, marbles, secrets and people of a manifest">',
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


def _layout(nodes: Iterable[Node]) -> Mapping[str, _Box]:
    """Columns as wide as their longest text; nodes below each other, in the order of their kinds."""
    known, boxes, x = tuple(nodes), {}, _MARGIN
    for kinds in _COLUMNS:
        column = [node for kind in kinds for node in known if node.kind is kind]
        if not column:
            continue
        longest = max(len(_cut(line)) for node in column for line in node.lines)
        width = longest * _CHARACTER + 2 * _PADDING
        for row, node in enumerate(column):
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


_COLUMNS: Final = ((Kind.PACKAGE,), (Kind.MARBLE, Kind.OUTSIDE), (Kind.SECRET,), (Kind.PERSON,), (Kind.WHOLE,))
_MERMAID_SHAPES: Final = {
    Kind.PACKAGE: ("[[", "]]"),
    Kind.MARBLE: ("(", ")"),
    Kind.SECRET: ("[/", "/]"),
    Kind.OUTSIDE: ("((", "))"),
    Kind.PERSON: ("([", "])"),
    Kind.WHOLE: ("{{", "}}"),
}
_MARGIN: Final = 16
_PADDING: Final = 10
_BOX_HEIGHT: Final = 44
_GAP: Final = 14
_COLUMN_GAP: Final = 110
_CHARACTER: Final = 8
_LONGEST: Final = 44
_TITLE: Final = ' class="name"'
_STYLE: Final = """<style>
svg { background: #fff; color: #1b1f24 }
text { font: 12px monospace; fill: currentColor } .name { font-weight: bold }
rect { fill: none; stroke: currentColor } .package rect { stroke: #8250df } .marble rect { stroke: #0969da }
.secret rect { stroke: #bc4c00 } .outside rect { stroke-dasharray: 4 3 }
.person rect { stroke: #1a7f37 } .whole rect { stroke: #cf222e }
path { fill: none; stroke: #8c959f } circle { fill: #8c959f } .tls path { stroke: #1a7f37; stroke-dasharray: 5 3 }
.tls circle { fill: #1a7f37 }
@media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3 } }
</style>"""
