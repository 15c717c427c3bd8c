"""A manifest as a picture: whole, the same each time, and safe with anybody's names."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.graph import Edge, Graph, Kind, Node, graph, mermaid, svg
from coordinator.manifest.parse import Parsed

Parse = Callable[..., Parsed]


def test_every_package_marble_and_secret_is_drawn(document: dict[str, Any], parsed: Parse) -> None:
    drawn = graph(parsed(document).manifest)
    names = {(node.kind, node.lines[0]) for node in drawn.nodes}
    assert {
        (Kind.PACKAGE, "web"),
        (Kind.PACKAGE, "database"),
        (Kind.MARBLE, "web"),
        (Kind.MARBLE, "database"),
        (Kind.SECRET, "session"),
        (Kind.SECRET, "site"),
        (Kind.OUTSIDE, "db.example"),
    } == names


def test_edges_say_where_a_secret_arrives_and_where_tls_goes(document: dict[str, Any], parsed: Parse) -> None:
    document["TLS"]["door"]["Outgoing"].append({"Addr": "database.svc", "Port": "1"})
    drawn = graph(parsed(document).manifest)
    labels = {(_name(drawn, edge.source), _name(drawn, edge.target), edge.label, edge.tls) for edge in drawn.edges}
    assert {
        ("web", "web", "", False),
        ("database", "database", "", False),
        ("session", "web", "KEY", False),
        ("site", "web", "port 8443", False),
        ("web", "db.example", "TLS 5432", True),
        ("web", "database", "TLS 1", True),
    } == labels


def _name(drawn: Graph, identifier: str) -> str:
    return next(node.lines[0] for node in drawn.nodes if node.id == identifier)


def test_the_same_manifest_gives_the_same_bytes(document: dict[str, Any], parsed: Parse) -> None:
    one, other = (graph(parsed(document).manifest) for _ in range(2))
    assert svg(one) == svg(other)
    assert mermaid(one) == mermaid(other)


def test_mermaid_has_a_line_for_each_node_and_edge(document: dict[str, Any], parsed: Parse) -> None:
    drawn = graph(parsed(document).manifest)
    lines = mermaid(drawn).splitlines()
    assert lines[0] == "flowchart LR"
    assert len(lines) == 1 + len(drawn.nodes) + len(drawn.edges)
    assert '  s0 -->|"KEY"| m0' in lines
    assert any("-.->" in line for line in lines)


def test_boxes_do_not_overlap(document: dict[str, Any], parsed: Parse) -> None:
    picture = ElementTree.fromstring(svg(graph(parsed(document).manifest)))
    rectangles = [
        tuple(int(it.attrib[key]) for key in ("x", "y", "width", "height"))
        for it in picture.iter("{http://www.w3.org/2000/svg}rect")
    ]
    for index, (x, y, width, height) in enumerate(rectangles):
        assert x + width <= int(picture.attrib["width"])
        assert y + height <= int(picture.attrib["height"])
        for other_x, other_y, other_width, other_height in rectangles[:index]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_name_can_break_out_of_the_picture(name: str, label: str) -> None:
    nodes = (Node("m0", Kind.MARBLE, (name, "x")), Node("s0", Kind.SECRET, ("key", "y")))
    drawn = Graph(nodes, (Edge("s0", "m0", label),))
    root = ElementTree.fromstring(svg(drawn).encode("utf-8", "replace"))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "style", "g", "rect", "text", "path", "circle", "title"}
    assert len(mermaid(drawn).splitlines()) == 4
    assert mermaid(drawn).count('"') == 4 + 2 * bool(label)


def test_an_empty_manifest_is_an_empty_picture() -> None:
    assert ElementTree.fromstring(svg(Graph((), ()))).tag.endswith("svg")
    assert json.dumps(mermaid(Graph((), ()))) == '"flowchart LR\\n"'
