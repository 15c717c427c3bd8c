"""Several documents to the one flat manifest that people sign.  Includes exist here only: no coordinator reads them.

Each document has sections as a manifest has them, and may name others in a list `Include`.  Sections are put together
by name; a name that stands in two documents is refused, since nobody could tell which one is meant.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coordinator.manifest.document import ListNode, MapNode, Member, Node, ScalarNode, step
from coordinator.manifest.errors import ManifestInvalid, Severity
from coordinator.manifest.reader import read
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema import MANIFEST
from coordinator.manifest.words import printable
from coordinator.manifest.yaml_writer import write_entry


@dataclass(frozen=True, slots=True)
class Source:
    """One document.  name: as people call it; two names are two documents."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Built:
    """text: the flat manifest, YAML.  origins: JSON pointer of each entry to "NAME:LINE" of where it came from."""

    text: str
    origins: Mapping[str, str]


def build(sources: Sequence[Source], include: Callable[[str, str], Source]) -> Built:
    """Put documents and what they include together.

    include: gives the document that one (by its name) includes (as it is written there).
    Raises ManifestInvalid, for the first document that cannot be used, and what `include` raises.
    """
    builder = _Builder(include)
    for source in sources:
        builder.add(source)
    return builder.built()


class _Builder:
    def __init__(self, include: Callable[[str, str], Source]) -> None:
        self._include = include
        self._seen: set[str] = set()
        self._sections: dict[str, dict[str, Member]] = {}
        self._origins: dict[str, str] = {}

    def add(self, source: Source) -> None:
        """One document, after those that it includes; each only once."""
        if source.name in self._seen:
            return
        self._seen.add(source.name)
        reading, root = read(source.raw, name=source.name, compatible=False)
        if not isinstance(root, MapNode):
            reading.refuse("E014", root.place, "the document is not a map of sections", "start with Packages:")
        members = root.members if isinstance(root, MapNode) else ()
        includes = self._includes(reading, members)
        _raise(reading)
        for text in includes:
            self.add(self._include(source.name, text))
        for member in members:
            if member.key != _INCLUDE:
                self._section(reading, member)
        _raise(reading)

    def built(self) -> Built:
        """The whole, sections in the order of the language."""
        known = [section for section in MANIFEST["properties"] if section in self._sections]
        lines: list[str] = []
        for section in [*known, *(section for section in self._sections if section not in known)]:
            entries = self._sections[section]
            lines.append(f"{section}:" if entries else f"{section}: {{}}")
            for key, member in entries.items():
                lines.append(f"  # {printable(self._origins[step(step('', section), key)])}")
                lines += write_entry(key, member.node, 2)
        return Built("\n".join(lines) + "\n", self._origins)

    def _includes(self, reading: Reading, members: tuple[Member, ...]) -> list[str]:
        texts = []
        for member in members:
            if member.key == _INCLUDE:
                items: tuple[Node, ...] = member.node.items if isinstance(member.node, ListNode) else (member.node,)
                for item in items:
                    if isinstance(item, ScalarNode) and isinstance(item.value, str) and item.value:
                        texts.append(item.value)
                    else:
                        hint = "write a list of file names"
                        reading.refuse("E014", member.place, "Include is not a list of file names", hint)
        return texts

    def _section(self, reading: Reading, member: Member) -> None:
        if isinstance(member.node, ScalarNode) and member.node.value is None:
            return
        if member.key not in MANIFEST["properties"] or not isinstance(member.node, MapNode):
            known = ", ".join([_INCLUDE, *MANIFEST["properties"]])
            message = f'"{member.key}" is no section of a manifest'
            reading.refuse("E010", member.place, message, f"known sections, each a map: {known}")
            return
        section = self._sections.setdefault(member.key, {})
        for entry in member.node.members:
            pointer = step(step("", member.key), entry.key)
            if entry.key in section:
                message = f'"{entry.key}" stands in {self._origins[pointer]} too'
                reading.refuse("E002", entry.place, message, "remove one of the two")
            else:
                section[entry.key] = entry
                self._origins[pointer] = f"{reading.document.name}:{entry.place.line + 1}"


def _raise(reading: Reading) -> None:
    if any(finding.severity is Severity.ERROR for finding in reading.findings):
        raise ManifestInvalid(reading.document.name, tuple(reading.findings))


_INCLUDE: Final = "Include"
