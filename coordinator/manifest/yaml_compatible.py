"""YAML text to a positioned tree, as MarbleRun's command line reads it (contract, 6.3).

YAML 1.1 in Go's way: anchors, merge keys and tags count, only the first document does, repeated keys are an error.
Every place at which other YAML tools read something else gets a warning.
"""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import yaml

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, ScalarNode, step
from coordinator.manifest.reading import Reading, Unreadable
from coordinator.manifest.yaml_events import NOTHING, first_document, is_plain, place_of, reading_yaml
from coordinator.manifest.yaml_go import NotReadable, as_in_json, key_text, resolve
from coordinator.manifest.yaml_reader import resolve_plain

_MERGE = "tag:yaml.org,2002:merge"


class _Open:
    """An anchor whose value is still being read."""


class CompatibleYamlReader:
    """Reads one YAML text."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._events: Iterator[Any] = iter(())
        self._anchors: dict[str, Node | _Open] = {}

    def whole(self) -> Node:
        """The first document's value.  Raises Unreadable."""
        with reading_yaml(self._reading):
            return self._document()

    def _document(self) -> Node:
        self._events = first_document(self._reading.document.text)
        if (begin := next(self._events, None)) is None:
            return NOTHING
        root = self._node(begin, "", 0)
        end = next(self._events)
        if not isinstance(self._after(), yaml.StreamEndEvent):
            place = place_of(end, "")
            self._warn("E003", place, "only the first document counts", "keep one per file")
        return root

    def _after(self) -> Any:
        """What follows the first document; MarbleRun does not look at it, so it may be no YAML at all."""
        try:
            return next(self._events)
        except yaml.YAMLError:
            return None

    def _node(self, event: Any, pointer: str, depth: int) -> Node:
        place = place_of(event, pointer)
        self._reading.count(place, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place, depth)
        if event.anchor is not None:
            self._warn(
                "E003", place, "anchors are not allowed without --compatible", "write the value where it is used"
            )
            opened = self._anchors[event.anchor] = _Open()
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event, place)
        else:
            if event.tag is not None:
                self._warn_of_tag(event, place)
            if isinstance(event, yaml.SequenceStartEvent):
                items: list[Node] = []
                while not isinstance(following := next(self._events), yaml.SequenceEndEvent):
                    items.append(self._node(following, step(pointer, len(items)), depth + 1))
                node = ListNode(tuple(items), place)
            else:
                node = self._map(place, depth)
        if event.anchor is not None and self._anchors[event.anchor] is opened:
            self._anchors[event.anchor] = node
        return self._value(node) if isinstance(node, ScalarNode) else node

    def _alias(self, event: Any, place: Place, depth: int) -> Node:
        node = self._anchors.get(str(event.anchor))
        if node is None or isinstance(node, _Open):
            raise self._stop(
                place, f"the alias *{event.anchor} stands inside its own anchor, or before it", "write it out"
            )
        return self._moved(node, place.pointer, depth)

    def _moved(self, node: Node, pointer: str, depth: int) -> Node:
        """A copy of an anchor's value under another path; it keeps the places where it is written."""
        place = node.place._replace(pointer=pointer)
        self._reading.count(place, depth)
        if isinstance(node, ListNode):
            items = (self._moved(item, step(pointer, number), depth + 1) for number, item in enumerate(node.items))
            return ListNode(tuple(items), place)
        if isinstance(node, MapNode):
            return MapNode(tuple(self._moved_member(member, pointer, depth) for member in node.members), place)
        return self._value(node._replace(place=place))

    def _moved_member(self, member: Member, pointer: str, depth: int) -> Member:
        child = step(pointer, member.key)
        return Member(member.key, member.place._replace(pointer=child), self._moved(member.node, child, depth + 1))

    def _map(self, place: Place, depth: int) -> MapNode:
        pointer = place.pointer
        members: dict[str, Member] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if self._is_merge(event):
                for member in self._merged(event, pointer, depth):
                    self._add(members, member)
                continue
            key = self._key(event, pointer)
            child = step(pointer, key)
            key_place = place_of(event, child)
            self._add(members, Member(key, key_place, self._node(next(self._events), child, depth + 1)))
        return MapNode(tuple(members.values()), place)

    def _add(self, members: dict[str, Member], member: Member) -> None:
        first = members.setdefault(member.key, member)
        if first is not member:
            message = f'duplicate key "{member.key}" (first on line {first.place.line + 1})'
            raise Unreadable(self._reading.error("E002", member.place, message, "remove one of the two"))

    def _is_merge(self, event: Any) -> bool:
        if not isinstance(event, yaml.ScalarEvent) or event.value != "<<":
            return False
        return event.tag == _MERGE or bool(event.implicit[0])

    def _merged(self, event: Any, pointer: str, depth: int) -> tuple[Member, ...]:
        """The members that a merge key brings.  Without the order that other tools have: none may repeat."""
        place = place_of(event, pointer)
        self._warn("E003", place, "merge keys are not allowed without --compatible", "write the keys out")
        following = next(self._events)
        value = self._node(following, pointer, depth)
        if isinstance(following, yaml.AliasEvent) and not isinstance(value, MapNode):
            raise self._stop(place, "a merge key takes maps only", "write the keys out")
        maps = tuple(reversed(value.items)) if isinstance(value, ListNode) else (value,)
        members: list[Member] = []
        for node in maps:
            if not isinstance(node, MapNode):
                raise self._stop(place, "a merge key takes maps only", "write the keys out")
            members += (self._moved_member(member, pointer, depth) for member in node.members)
        return tuple(members)

    def _key(self, event: Any, pointer: str) -> str:
        place = place_of(event, pointer)
        if isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(str(event.anchor))
            if not isinstance(node, ScalarNode):
                raise self._stop(place, "a key must be a single value", "quote it")
            return self._key_of(node, place)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._stop(place, "a key must be a single value", "quote it")
        node = self._scalar(event, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return self._key_of(node, place)

    def _key_of(self, node: ScalarNode, place: Place) -> str:
        try:
            return key_text(node.value)
        except NotReadable as refused:
            raise self._stop(place, f"this cannot be a key: {refused}", "quote it") from None

    def _scalar(self, event: Any, place: Place) -> ScalarNode:
        style = "" if is_plain(event) else event.style
        if event.tag is None and not event.implicit[0]:
            return ScalarNode(event.value, place, style)
        if event.tag is not None:
            self._warn_of_tag(event, place)
        try:
            value = resolve(event.value, event.tag)
        except NotReadable as refused:
            raise self._stop(place, f"this value does not fit its tag: {refused}", "write it without a tag") from None
        if event.tag is None:
            ours, problem = resolve_plain(event.value)
            if problem or ours != value:
                code, message = problem or ("E006", f"unquoted {event.value} is not the same to every YAML tool")
                self._warn(code, place, f"{message}; MarbleRun reads {_shown(value)}", f'quote it: "{event.value}"')
        return ScalarNode(value, place, style)

    def _value(self, node: ScalarNode) -> ScalarNode:
        """A scalar as a value, which goes through JSON; as a key it is text."""
        if isinstance(node.value, float) and not isfinite(node.value):
            message = "JSON has no number that is not finite"
            raise Unreadable(self._reading.error("E006", node.place, message, "quote it"))
        return node._replace(value=as_in_json(node.value))

    def _warn_of_tag(self, event: Any, place: Place) -> None:
        self._warn("E003", place, f"the tag {event.tag} is not allowed without --compatible", "leave it out")

    def _warn(self, code: str, place: Place, message: str, hint: str) -> None:
        self._reading.warn(code, place, message, hint)

    def _stop(self, place: Place, message: str, hint: str) -> Unreadable:
        return Unreadable(self._reading.error("E003", place, message, hint))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    return f'the text "{value}"' if isinstance(value, str) else f"the number {value}"
