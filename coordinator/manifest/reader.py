"""Bytes to a positioned tree: JSON or YAML, strictly.  All remarks are kept; only what cannot be read at all stops."""

from typing import Final

from coordinator.manifest.document import JSON_LINE_BREAK, YAML_LINE_BREAK, Document, MapNode, Node, Place, ScalarNode
from coordinator.manifest.json_reader import JsonReader
from coordinator.manifest.reading import MAX_BYTES, Reading, Unreadable
from coordinator.manifest.yaml_compatible import CompatibleYamlReader
from coordinator.manifest.yaml_reader import YamlReader


def read(raw: bytes, *, name: str, compatible: bool) -> tuple[Reading, Node]:
    """The document's tree, and the reading, which holds the remarks that its form deserves.

    A document whose first character is `{` is JSON, every other one YAML; compatible: as MarbleRun's command line reads
    it.  Never raises: an unreadable document
    is an empty map with an error among the remarks.
    """
    document = Document(name, "", JSON_LINE_BREAK)
    reading = Reading(document, compatible)
    try:
        text = decode(raw, reading)
        is_json = text.lstrip(" \t\r\n").startswith("{")
        document = Document(name, text, JSON_LINE_BREAK if is_json else YAML_LINE_BREAK)
        reading.document = document
        if text.lstrip(" \t\r\n").startswith(("//", "/*")):
            message = "a comment as JavaScript has it stands in no manifest"
            line, column = document.place(len(text) - len(text.lstrip(" \t\r\n")))
            raise Unreadable(
                reading.error("E001", Place(line, column, 2, ""), message, "remove it; comments of YAML begin with #")
            )
        if is_json:
            root = JsonReader(reading).whole()
        else:
            root = CompatibleYamlReader(reading).whole() if compatible else YamlReader(reading).whole()
        if isinstance(root, ScalarNode) and root.value is None:
            raise Unreadable(reading.error("E001", root.place, "the document is empty", START))
    except Unreadable as stop:
        reading.findings.append(stop.finding)
        root = MapNode((), Place(0, 0, 1, ""))
    return reading, root


def decode(raw: bytes, reading: Reading) -> str:
    """The text of a document.  Raises Unreadable: too long, a byte order mark, or no UTF-8."""
    start = Place(0, 0, 1, "")
    if len(raw) > MAX_BYTES:
        message = f"the document has {len(raw)} bytes, more than {MAX_BYTES}"
        raise Unreadable(reading.error("E007", start, message, "move large files out of the manifest"))
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Unreadable(reading.error("E001", start, "the document starts with a byte order mark", "save it without"))
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable(reading.error("E001", start, "the document is UTF-16", "save it as UTF-8"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        good = raw[: cause.start].decode("utf-8")
        reading.document = Document(reading.document.name, good, JSON_LINE_BREAK)
        line, column = reading.document.place(len(good))
        place = Place(line, column, 1, "")
        if b"\0" in raw:
            message = "this is no text: it has NUL bytes, and bytes that are not UTF-8"
            raise Unreadable(
                reading.error("E001", place, message, "name the manifest, not an image or archive")
            ) from None
        raise Unreadable(reading.error("E001", place, "the document is not UTF-8 here", "save it as UTF-8")) from None


START: Final = "`enclasp manifest init` writes one to start from"
"""The hint where there is nothing to read."""
