"""The fields of one platform of a package, each with one value: what a reader of a platform sees.

A field that is marked `x-named` in the schema takes several values with names.  A name is one release: fields that
use the same names go together, fields with wholly different names are combined with each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from coordinator.manifest.document import MapNode, Member, Place, ScalarNode, step
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_parts import Schema
from coordinator.manifest.shape import named
from coordinator.manifest.view import View

MAX_COMBINATIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Fields:
    """One combination.  chosen: JSON pointer of a field with named values to the one that holds here."""

    view: View
    document_name: str
    chosen: Mapping[str, Member]

    def has(self, key: str) -> bool:
        """Whether the field is given."""
        return self.view.has(key)

    def text(self, key: str) -> str:
        """A text; empty where it is absent."""
        member = self.chosen.get(step(self.view.owner.pointer, key))
        if member is None:
            return self.view.text(key)
        return str(member.node.value) if isinstance(member.node, ScalarNode) else ""

    def octets(self, key: str) -> bytes | None:
        """A value in hex; None where it is absent."""
        return bytes.fromhex(self.text(key)) if self.has(key) else None

    def numbered(self, prefix: str, numbers: Iterable[int]) -> dict[int, bytes]:
        """Registers that are given, by number: `RTMR0`, `PCR8`."""
        return {n: value for n in numbers if (value := self.octets(f"{prefix}{n}")) is not None}

    def switch(self, key: str) -> bool | None:
        """A boolean; None where it is absent."""
        return self.view.flag(key) if self.has(key) else None

    def listed(self, key: str) -> frozenset[str] | None:
        """An allow-list; None where it is absent."""
        return frozenset(self.view.texts(key)) if self.has(key) else None

    def lowered(self, key: str) -> frozenset[str] | None:
        """An allow-list of identities in hex, in lower case."""
        return frozenset(text.lower() for text in self.view.texts(key)) if self.has(key) else None

    def below(self, key: str) -> "Fields":
        """A section of this one, in the same combination."""
        return Fields(self.view.view(key), self.document_name, self.chosen)

    def sources(self, keys: Mapping[str, str]) -> Mapping[str, str]:
        """Field of the reference values to "NAME:LINE POINTER" of the text that demands it; "" for the whole.

        keys: field to the key that it is written under; those that are absent are left out.
        """
        owner = self.view.owner
        sources = {"": f"{self.document_name}:{owner.line + 1} {owner.pointer}".rstrip()}
        for field, key in keys.items():
            if self.has(key):
                member = self.chosen.get(step(owner.pointer, key))
                place = member.node.place if member else self.view.place(key)
                sources[field] = f"{self.document_name}:{place.line + 1} {place.pointer}"
        return sources


def combinations(reading: Reading, view: View, schema: Schema) -> tuple[Fields, ...]:
    """Every combination of named values below a platform's section; none, with a finding, where they do not fit."""
    groups: dict[frozenset[str], dict[str, MapNode]] = {}
    fits = True
    for pointer, place, values in _named_fields(view, schema):
        names = frozenset(values.by_key())
        for other, fields in groups.items():
            if other != names and other & names:
                common = ", ".join(sorted(other & names))
                message = f"{named(pointer)} and {named(next(iter(fields)))} have only {common} in common"
                reading.refuse("E033", place, message, "name the same releases in both, or wholly different ones")
                fits = False
        groups.setdefault(names, {})[pointer] = values
    count = prod(len(names) for names in groups)
    if count > MAX_COMBINATIONS:
        message = f"{named(view.owner.pointer)} has {count} combinations of named values, more than {MAX_COMBINATIONS}"
        reading.refuse("E033", view.owner, message, "give values of one release the same name, and remove old releases")
        fits = False
    if not fits:
        return ()
    in_order = [tuple(next(iter(fields.values())).by_key()) for fields in groups.values()]
    return tuple(
        Fields(
            view,
            reading.document.name,
            {
                pointer: values.by_key()[name]
                for name, fields in zip(names, groups.values(), strict=True)
                for pointer, values in fields.items()
            },
        )
        for names in product(*in_order)
    )


def lists_are_filled(reading: Reading, view: View) -> bool:
    """Whether no list of what is allowed is empty; where one is, a finding says so."""
    given = view.keys()
    empty = [key for key in given if key not in _MAY_BE_EMPTY and view.is_empty_list(key)]
    for key in empty:
        place = view.place(key)
        reading.refuse("E022", place, f"{named(place.pointer)} allows nothing", "name at least one, or remove it")
    return not empty


def _named_fields(view: View, schema: Schema) -> Iterator[tuple[str, Place, MapNode]]:
    properties: Mapping[str, Schema] = schema["properties"]
    given = view.keys()
    for key in given:
        node = view.node(key)
        if not isinstance(node, MapNode):
            continue
        if "x-named" in properties[key]:
            yield step(view.owner.pointer, key), view.place(key), node
        elif "properties" in properties[key]:
            yield from _named_fields(view.view(key), properties[key])


# MarbleRun's: none named is the default.
_MAY_BE_EMPTY: Final = frozenset({"AcceptedTCBStatuses", "AcceptedAdvisories"})
