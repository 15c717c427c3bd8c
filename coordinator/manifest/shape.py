"""A positioned tree against the schema: every mistake of form as a finding, and a tree that only holds what fits.

Covers the keywords that schema.py uses.  In compatible mode the tree is first read as Go's decoder does (contract,
10.1): letter case of keys, unknown and repeated keys, null.
"""

import re
import string
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, ScalarNode
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema import Schema
from coordinator.manifest.undecided import LONGEST_QUESTION, MARKER, is_open


def shape(reading: Reading, root: Node, schema: Schema) -> MapNode:
    """The part of `root` that has the schema's form; the rest is among the reading's findings."""
    node = _Shaper(reading).fit(root, schema, root.place)
    return node if isinstance(node, MapNode) else MapNode((), root.place)


class _Shaper:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def fit(self, node: Node, schema: Schema, owner: Place) -> Node | None:
        """What of a value fits; None where nothing does.  owner: place of the key that holds the value."""
        if isinstance(node, ScalarNode) and is_open(node.value):
            self._undecided(node)
            if not self._reading.compatible:
                return None
        if "anyOf" in schema:
            return self._any_of(node, schema, owner)
        kinds = kinds_of(schema)
        kind = _kind(node)
        if kinds and kind not in kinds:
            self._wrong_type(node, kinds, owner)
            return None
        if isinstance(node, MapNode):
            return self._map(node, schema, owner)
        if isinstance(node, ListNode):
            items = schema.get("items")
            if items is None:
                return node
            fitted = (self.fit(item, items, item.place) for item in node.items)
            return ListNode(tuple(item for item in fitted if item is not None), node.place)
        return node if self._scalar_fits(node, schema) else None

    def _undecided(self, node: ScalarNode) -> None:
        question = str(node.value).removeprefix(MARKER).strip()[:LONGEST_QUESTION] or "a value"
        message = f"{named(node.place.pointer)} is not decided yet: {question}"
        self._reading.remark("E060", node.place, message, "write the value in the place of this text")

    def _any_of(self, node: Node, schema: Schema, owner: Place) -> Node | None:
        alternatives: list[Schema] = [{**schema, **choice} for choice in schema["anyOf"]]
        for alternative in alternatives:
            del alternative["anyOf"]
        kinds = [kind for alternative in alternatives for kind in kinds_of(alternative)]
        suiting = [a for a in alternatives if _kind(node) in kinds_of(a)]
        if not suiting:
            self._wrong_type(node, kinds, owner)
            return None
        if isinstance(node, ScalarNode) and any(self._scalar_problem(node, choice) is None for choice in suiting):
            return node
        return self.fit(node, suiting[0], owner)

    # Maps

    def _map(self, node: MapNode, schema: Schema, owner: Place) -> MapNode:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        if not properties:
            members = tuple(self._entries(node, schema["additionalProperties"]))
        else:
            given = self._given(node, properties, owner)
            written = {member.key.casefold() for member in node.members if member.key not in properties}
            for key in schema.get("required", ()):
                optional = self._reading.compatible and key in _OPTIONAL_IN_GO
                if key not in given and key.casefold() not in written and not optional:
                    message = f"{named(owner.pointer)} has no {key}"
                    self._reading.refuse("E011", owner, message, f"add {key}: {_lowered(properties[key])}")
            members = tuple(self._fields(given, properties))
        if len(node.members) < schema.get("minProperties", 0):
            self._reading.refuse("E022", owner, f"{named(owner.pointer)} is empty", "define at least one")
        return MapNode(members, node.place)

    def _given(self, node: MapNode, properties: Mapping[str, Schema], owner: Place) -> Mapping[str, Member]:
        """Known fields that have a value, under their exact names; repeated ones as Go merges them."""
        found: dict[str, Member] = {}
        for member in node.members:
            key = self._known_key(member, properties, owner)
            if key is None or self._is_absent(member.node, properties[key]):
                continue
            earlier = found.get(key)
            both = earlier.node if earlier else None
            if isinstance(both, MapNode) and isinstance(member.node, MapNode):
                merged: Node = MapNode((*both.members, *member.node.members), member.node.place)
            else:
                merged = member.node
            found[key] = Member(key, member.place, merged)
        return found

    def _fields(self, given: Mapping[str, Member], properties: Mapping[str, Schema]) -> Iterator[Member]:
        for member in given.values():
            if "x-new" in properties[member.key]:
                self._reading.is_new_style = True
            fitted = self.fit(member.node, properties[member.key], member.place)
            if fitted is not None:
                yield Member(member.key, member.place, fitted)

    def _known_key(self, member: Member, properties: Mapping[str, Schema], owner: Place) -> str | None:
        if member.key in properties:
            return member.key
        folded = {known.casefold(): known for known in properties}
        same = folded.get(member.key.casefold())
        if same and self._reading.compatible:
            self._reading.remark("E010", member.place, f'"{member.key}" is written {same}', "use the exact name")
            return same
        if self._reading.is_full():
            return None
        close = [same] if same else get_close_matches(member.key, list(properties), 1)
        hint = f'did you mean "{close[0]}"? ' if close else ""
        message = f'unknown field "{short(member.key)}" in {named(owner.pointer)}'
        if member.key == "apiVersion" and not owner.pointer:
            hint = "for a manifest from Kubernetes objects: enclasp manifest init --from-kubernetes FILE; "
        self._reading.remark("E010", member.place, message, f"{hint}known fields: {', '.join(properties)}")
        return None

    def _is_absent(self, node: Node, schema: Schema) -> bool:
        if not (isinstance(node, ScalarNode) and node.value is None):
            return False
        return self._reading.compatible or "null" in _all_kinds(schema)

    def _entries(self, node: MapNode, schema: Schema) -> Iterator[Member]:
        for member in node.by_key().values():
            value = member.node
            is_null = isinstance(value, ScalarNode) and value.value is None
            if is_null and _all_kinds(schema) == {"object"}:
                if not self._reading.compatible:
                    hint = "indent its fields below it, or write {}"
                    self._reading.refuse("E014", member.place, f"{named(member.place.pointer)} has no fields", hint)
                    continue
                value = MapNode((), value.place)
            fitted = self.fit(value, schema, member.place)
            if fitted is not None:
                yield Member(member.key, member.place, fitted)

    # Scalars

    def _scalar_fits(self, node: ScalarNode, schema: Schema) -> bool:
        problem = self._scalar_problem(node, schema)
        if problem is None:
            return True
        if "x-ignorable" in schema:
            self._reading.remark(problem[0], node.place, problem[1], problem[2])
            return self._reading.compatible
        self._reading.refuse(problem[0], node.place, problem[1], problem[2])
        return False

    def _scalar_problem(self, node: ScalarNode, schema: Schema) -> tuple[str, str, str] | None:
        value = node.value
        if "enum" in schema and value not in schema["enum"]:
            allowed = [str(item) for item in schema["enum"] if item != ""]
            close = get_close_matches(str(value), allowed, 1)
            close = close or [item for item in allowed if item.casefold() == str(value).casefold()]
            hint = f'did you mean "{close[0]}"?' if close else "choose one of these"
            shown = f'"{short(value)}"' if isinstance(value, str) else str(value)
            return "E013", f"{named(node.place.pointer)}: {shown} is not one of {', '.join(allowed)}", hint
        if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
            expected = schema.get("x-expected", "the expected form")
            got = f'"{short(value)}" ({len(value)} characters{_first_odd_digit(value, expected)})'
            hint = "copy the measurement as the tool printed it" if "x-expected" in schema else "correct it"
            return "E012", f"{named(node.place.pointer)}: expected {expected}, got {got}", hint
        if isinstance(value, int) and not isinstance(value, bool):
            low, high = schema.get("minimum", value), schema.get("maximum", value)
            if not low <= value <= high:
                message = f"{named(node.place.pointer)}: {value} is not between {low} and {high}"
                return "E015", message, "choose a number in that range"
        return None

    def _wrong_type(self, node: Node, kinds: Iterable[str], owner: Place) -> None:
        wanted = " or ".join(dict.fromkeys(_PEOPLE[kind] for kind in kinds if kind != "null"))
        got = _PEOPLE[_kind(node)]
        hint = "docs/manifest.md shows each field with an example"
        if isinstance(node, ScalarNode):
            if isinstance(node.value, int | float):
                got = f"{got} {str(node.value).lower()}"
            if "string" in kinds and node.value is not None:
                source = self._reading.document.line_text(node.place.line)[node.place.column :][: node.place.width]
                hint = f'quote it: "{source}"'
            elif node.value is None:
                hint = 'remove the key, or write ""' if "string" in kinds else "remove the key"
            elif isinstance(node.value, str) and {"integer", "boolean"} & set(kinds):
                hint = _in_place_of_text(node, kinds)
        place = node.place if isinstance(node, ScalarNode) else owner
        self._reading.refuse("E014", place, f"{named(owner.pointer)}: expected {wanted}, got {got}", hint)


def _in_place_of_text(node: ScalarNode, kinds: Iterable[str]) -> str:
    if node.style and _WITHOUT_QUOTES.fullmatch(str(node.value)):
        return "write it without quotes"
    return "write true or false" if "boolean" in kinds else "write a number, as 3"


def _first_odd_digit(value: str, expected: str) -> str:
    """Where a measurement of the right length is wrong: nobody finds one letter among 96."""
    odd = next((index for index, digit in enumerate(value) if digit not in string.hexdigits), None)
    if odd is None or not expected.endswith("hex digits"):
        return ""
    return f', and character {odd + 1} is "{value[odd]}"'


def named(pointer: str) -> str:
    """A JSON pointer in people's words."""
    if not pointer:
        return "the manifest"
    return ".".join(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def short(value: object) -> str:
    """A value's text, cut so that it does not fill the screen."""
    text = str(value)
    return text if len(text) <= 48 else text[:44] + "…"


def _kind(node: Node) -> str:
    if isinstance(node, MapNode):
        return "object"
    if isinstance(node, ListNode):
        return "array"
    value = node.value
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "null" if value is None else "number"


def kinds_of(schema: Schema) -> tuple[str, ...]:
    """The JSON types that a schema names; none where it leaves them open."""
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _all_kinds(schema: Schema) -> set[str]:
    kinds = set(kinds_of(schema))
    for choice in schema.get("anyOf", ()):
        kinds |= set(kinds_of(choice))
    return kinds


def _lowered(schema: Schema) -> str:
    description = str(schema.get("description", "")).rstrip(".")
    return description[:1].lower() + description[1:]


_PEOPLE: Final[Mapping[str, str]] = {
    "object": "a map of fields",
    "array": "a list",
    "string": "text",
    "boolean": "a boolean",
    "integer": "a whole number",
    "number": "a number with a fraction",
    "null": "nothing",
}
_OPTIONAL_IN_GO: Final = frozenset({"Package"})


_WITHOUT_QUOTES: Final = re.compile(r"-?[0-9]+|true|false")
