"""Templates as values: parsed once, rendered at each activation (contract, 3.10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from coordinator.manifest.template.errors import TemplateError
from coordinator.manifest.template.functions import ENVIRONMENT, FILE, LAZY, FunctionBody
from coordinator.manifest.template.interpreter import execute
from coordinator.manifest.template.nodes import Node, Text
from coordinator.manifest.template.parser import parse
from coordinator.manifest.template.strings import bytes_of, text_of
from coordinator.manifest.template.uses import ALL_SECRETS, used_secrets
from coordinator.manifest.template.values import Group, Value

__all__ = ["ALL_SECRETS", "Origin", "Place", "Template", "TemplateError"]


class Place(Enum):
    """Where a value goes; it decides on `raw` (files only) and `string` (environment only)."""

    FILE = "Files"
    ENV = "Env"


class Origin(Protocol):
    """Where a template stands in its document."""

    @property
    def pointer(self) -> str:
        """JSON pointer of the value."""

    def locate(self, offset: int) -> tuple[int, int, str]:
        """Line and column, from 1, and that line's text, of a character of the value."""


@dataclass(frozen=True, slots=True)
class Template:
    """A file's or variable's content.

    source: the bytes as given.  secrets: names of the secrets that it uses, or ALL_SECRETS where only rendering tells.
    place: where it was parsed for.  Made by `parse` and `plain`.
    """

    source: bytes
    secrets: frozenset[str]
    place: Place
    nodes: tuple[Node, ...] = field(repr=False, compare=False)
    origin: Origin | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, source: bytes, place: Place, origin: Origin | None = None) -> "Template":
        """Read a template for a place.  Raises TemplateError."""
        if b"{{" not in source:
            return cls.plain(source, place, origin)
        nodes, secrets = _parsed(source, place)
        return cls(source, secrets, place, nodes, origin)

    @classmethod
    def plain(cls, source: bytes, place: Place, origin: Origin | None = None) -> "Template":
        """A value without actions: `NoTemplates`, or nothing to expand."""
        return cls(source, frozenset(), place, (), origin)

    @property
    def is_plain(self) -> bool:
        """Whether the value is `source`, whatever the context."""
        return not self.nodes

    def render(self, context: Mapping[str, Any], place: Place) -> bytes:
        """The value for one marble.

        context: {"Secrets": {name: SecretValue}, "Previous": {"Secrets": …}, "MarbleRun": {"RootCA": SecretValue, …}}.
        Raises TemplateError: an unknown field, a secret without value, NUL in an environment variable, …
        """
        if not self.nodes:
            return self.source
        if place is not self.place:
            return Template.parse(self.source, place, self.origin).render(context, place)
        if len(self.nodes) == 1 and isinstance(self.nodes[0], Text):
            return bytes_of(self.nodes[0].text)
        rendered = bytes_of(execute(self.nodes, _root(context), _FUNCTIONS[place]))
        if place is Place.ENV and b"\0" in rendered:
            raise TemplateError(
                0, "the rendered value has NUL bytes, which no environment variable can hold", "use hex"
            )
        return rendered


@lru_cache(maxsize=1024)
def _parsed(source: bytes, place: Place) -> tuple[tuple[Node, ...], frozenset[str]]:
    """Many marbles have the same templates, so each is parsed once."""
    nodes = parse(text_of(source), _FUNCTION_NAMES[place])
    return nodes, used_secrets(nodes)


def _root(context: Mapping[str, Any]) -> Group:
    secrets = cast(Mapping[str, Value], context.get("Secrets", {}))
    previous = cast(Mapping[str, Value], context.get("Previous", {}).get("Secrets", {}))
    reserved = cast(Mapping[str, Value], context.get("MarbleRun", {}))
    return Group(
        "the template's context",
        {
            "Secrets": secrets,
            "Previous": Group("Previous", {"Secrets": previous}),
            "MarbleRun": Group("MarbleRun", reserved),
        },
    )


_FUNCTIONS: Final[Mapping[Place, Mapping[str, FunctionBody]]] = {Place.FILE: FILE, Place.ENV: ENVIRONMENT}
_FUNCTION_NAMES: Final = {place: frozenset(functions) | LAZY for place, functions in _FUNCTIONS.items()}
