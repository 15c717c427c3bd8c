"""A small XML that can be signed: elements, attributes, namespaces and text; and its canonical form.

What signed reference measurements never need is refused, so that the canonical form has one reading: document types,
entities, processing instructions, attributes of the `xml:` namespace.  Without the latter, Canonical XML 1.0 and 1.1
are the same.  Comments are dropped, as the canonical form without comments drops them.
Source: W3C Canonical XML 1.1, sections 2.3 and 2.4; W3C Namespaces in XML 1.0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from xml.parsers import expat

from attestation.errors import EndorsementFormatError

MAX_XML_BYTES: Final = 1 << 20
_MAX_DEPTH: Final = 16
_MAX_ELEMENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Attribute:
    """name: as written.  namespace: "" without a prefix."""

    name: str
    namespace: str
    local: str
    value: str


@dataclass(slots=True, eq=False)
class Element:
    """name: as written.  declarations: prefix ("" for the default) to namespace, of this element alone."""

    name: str
    namespace: str
    local: str
    declarations: Mapping[str, str]
    attributes: tuple[Attribute, ...]
    scope: Mapping[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def elements(self) -> tuple["Element", ...]:
        """The child elements."""
        return tuple(child for child in self.children if isinstance(child, Element))

    @property
    def text(self) -> str:
        """The text directly inside."""
        return "".join(child for child in self.children if isinstance(child, str))

    def get(self, local: str, namespace: str = "") -> str | None:
        """The value of an attribute."""
        return next((a.value for a in self.attributes if (a.local, a.namespace) == (local, namespace)), None)

    def all_named(self, local: str, namespace: str) -> Iterator["Element"]:
        """This element and all below it that have this name."""
        if (self.local, self.namespace) == (local, namespace):
            yield self
        for child in self.elements:
            yield from child.all_named(local, namespace)


Names: TypeAlias = Mapping[str, str]


def parse_xml(raw: bytes) -> Element:
    """The document element of an XML document in UTF-8.

    Raises EndorsementFormatError for anything else, and for what is refused here.
    """
    if len(raw) > MAX_XML_BYTES:
        raise EndorsementFormatError(f"XML: expected at most {MAX_XML_BYTES} bytes, got {len(raw)}")
    builder = _Builder()
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse_document_type
    parser.ProcessingInstructionHandler = builder.refuse_instruction
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, UnicodeError) as error:
        raise EndorsementFormatError(f"XML: expected a well-formed document, got {error}") from error
    return builder.document


def canonical(element: Element, without: Element | None = None) -> bytes:
    """The canonical form of an element and what is below it, less `without`.

    Namespaces that stand above the element are written where it needs them: at its start.
    """
    parts: list[str] = []
    _write(element, {}, without, parts)
    return "".join(parts).encode()


class _Builder:
    """Expat's events to one tree."""

    def __init__(self) -> None:
        self._open: list[Element] = []
        self._roots: list[Element] = []
        self._count = 0

    @property
    def document(self) -> Element:
        return self._roots[0]

    def start(self, name: str, flat: list[str]) -> None:
        self._count += 1
        if len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise EndorsementFormatError(
                f"XML: expected at most {_MAX_ELEMENTS} elements in {_MAX_DEPTH} levels, got more"
            )
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        declarations = {k[6:] if ":" in k else "": v for k, v in pairs if k == "xmlns" or k.startswith("xmlns:")}
        for prefix, namespace in declarations.items():
            if prefix in ("xml", "xmlns") or (prefix and not namespace):
                raise EndorsementFormatError(f"XML: expected a lawful namespace declaration, got prefix '{prefix:.40}'")
        scope = {**(self._open[-1].scope if self._open else {}), **declarations}
        attributes = tuple(
            Attribute(key, *_resolve(key, scope, is_attribute=True), value)
            for key, value in pairs
            if key != "xmlns" and not key.startswith("xmlns:")
        )
        if len({(a.namespace, a.local) for a in attributes}) != len(attributes):
            raise EndorsementFormatError(f"XML: expected each attribute once, got one twice in <{name:.60}>")
        namespace, local = _resolve(name, scope, is_attribute=False)
        element = Element(name, namespace, local, declarations, attributes, scope)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._roots.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].children.append(text)

    def refuse_document_type(self, *_parts: object) -> None:
        raise EndorsementFormatError("XML: expected no document type declaration, got one")

    def refuse_instruction(self, target: str, _data: str) -> None:
        raise EndorsementFormatError(f"XML: expected no processing instruction, got '{target:.40}'")


def _resolve(name: str, scope: Names, *, is_attribute: bool) -> tuple[str, str]:
    """(namespace, local name) of a name as written."""
    prefix, colon, local = name.rpartition(":")
    if not colon:
        return ("" if is_attribute else scope.get("", "")), name
    if prefix not in scope:
        raise EndorsementFormatError(f"XML: expected a declared prefix, got '{name:.60}'")
    return scope[prefix], local


def _write(element: Element, rendered: Names, without: Element | None, parts: list[str]) -> None:
    """rendered: the namespaces that the elements above have written."""
    new = {p: n for p, n in element.scope.items() if rendered.get(p, "" if p == "" else None) != n}
    parts.append(f"<{element.name}")
    for prefix, namespace in sorted(new.items()):
        parts.append(f' {"xmlns:" + prefix if prefix else "xmlns"}="{_escaped_value(namespace)}"')
    for attribute in sorted(element.attributes, key=lambda a: (a.namespace, a.local)):
        parts.append(f' {attribute.name}="{_escaped_value(attribute.value)}"')
    parts.append(">")
    for child in element.children:
        if isinstance(child, str):
            parts.append(_escaped_text(child))
        elif child is not without:
            _write(child, {**rendered, **new}, without, parts)
    parts.append(f"</{element.name}>")


def _escaped_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _escaped_value(value: str) -> str:
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return escaped.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
