"""A manifest as a picture: whole, the same each time, and safe with anybody's names."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.graph import Edge, Graph, Kind, Node, graph
from coordinator.manifest.graph_drawing import mermaid, svg
from coordinator.manifest.parse import Parsed
from tests.support.owners import owner
from tests.support.people import person

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


def test_people_are_drawn_with_what_each_may_do(
    document: dict[str, Any], parsed: Parse, people: Mapping[str, Any]
) -> None:
    drawn = graph(parsed({**document, **people}).manifest)
    edges = {(_name(drawn, edge.source), _name(drawn, edge.target), edge.label) for edge in drawn.edges}
    assert {
        ("alice", "session", "reads"),
        ("alice", "the manifest", "updates"),
        ("bob", "database", "raises its version"),
        ("carol", "the state", "recovers"),
        ("dave", "the state", "recovers"),
    } == {edge for edge in edges if edge[0] in ("alice", "bob", "carol", "dave")}
    assert {("the manifest", "updated by 1 of 1"), ("the state", "recovered by 2 of 2")} == {
        node.lines for node in drawn.nodes if node.kind is Kind.WHOLE
    }


def test_who_approves_readings_is_drawn_beside_who_reads(
    document: dict[str, Any], parsed: Parse, people: dict[str, Any]
) -> None:
    document["Secrets"]["session"]["ReadApproval"] = {"Threshold": 1}
    people["Roles"]["raiser"] = {**people["Roles"]["keeper"], "Actions": ["ApproveRead"]}
    drawn = graph(parsed({**document, **people}).manifest)
    edges = {(_name(drawn, edge.source), _name(drawn, edge.target), edge.label) for edge in drawn.edges}
    assert {("alice", "session", "reads"), ("bob", "session", "approves reading")} <= edges
    lines = {node.lines for node in drawn.nodes if node.kind is Kind.SECRET}
    assert ("session", "symmetric-key 256, one for all, users read it if 1 approve") in lines


def test_without_people_nobody_has_power_over_the_whole(document: dict[str, Any], parsed: Parse) -> None:
    drawn = graph(parsed(document).manifest)
    assert not [node for node in drawn.nodes if node.kind in (Kind.PERSON, Kind.WHOLE)]


@pytest.fixture
def people(tmp_path: Path) -> Mapping[str, Any]:
    """Users with every kind of role, and two owners of recovery keys."""
    return {
        "Users": {
            "alice": person(tmp_path, "alice").entry("keeper", "lawmaker"),
            "bob": person(tmp_path, "bob").entry("raiser"),
        },
        "Roles": {
            "keeper": {
                "ResourceType": "Secrets",
                "ResourceNames": ["session"],
                "Actions": ["ReadSecret"],
            },
            "lawmaker": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "raiser": {
                "ResourceType": "Packages",
                "ResourceNames": ["database"],
                "Actions": ["UpdateSecurityVersion"],
            },
        },
        "RecoveryKeys": {name: owner(tmp_path, name, kind="ec").pem for name in ("carol", "dave")},
    }


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


def test_a_secret_that_a_user_sets_says_so(document: dict[str, Any], parsed: Parse) -> None:
    document["Secrets"]["word"] = {"Type": "plain", "UserDefined": True}
    labels = {
        node.lines[0]: node.lines[1] for node in graph(parsed(document).manifest).nodes if node.kind is Kind.SECRET
    }
    assert "plain, set by a user" == labels["word"]
