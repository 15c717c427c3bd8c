"""What a person has still to decide: the marker that `manifest init` writes, and where it stands in a document.

A value that begins with the marker is an open decision, and so is a YAML comment that does.  Text that only mentions
the marker (the content of a file, say) is none.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import yaml

from coordinator.manifest.document import Document, ListNode, MapNode, Node, Place

MARKER: Final = "DECIDE:"
LONGEST_QUESTION: Final = 240


def is_open(value: object) -> bool:
    """Whether a value of the document is a decision that nobody has taken yet."""
    return isinstance(value, str) and value.startswith(MARKER)


def open_comments(document: Document, root: Node) -> Iterator[tuple[Place, str]]:
    """Each comment of a YAML text that is an open decision: its place, and the question.

    The place's pointer is that of the value beside or, for a comment with lines of its own, below it; below the last
    value, that of the whole document.
    """
    found = list(_COMMENT.finditer(document.text)) if document.is_yaml else []
    if not found:
        return
    spans = [
        (token.start_mark.index, token.end_mark.index)
        for token in yaml.scan(document.text, Loader=yaml.CSafeLoader)
        if isinstance(token, yaml.ScalarToken)
    ]
    starts = [start for start, _ in spans]
    places = sorted(_places(root), key=lambda place: (place.line, place.column))
    lines = [place.line for place in places]
    for match in found:
        offset = match.start("hash")
        before = bisect_right(starts, offset) - 1
        if before >= 0 and offset < spans[before][1]:
            continue
        line, column = document.place(offset)
        at = bisect_right(lines, line)
        if not (at and lines[at - 1] == line):
            at += 1
        pointer = places[at - 1].pointer if at <= len(places) else ""
        question = " ".join(part.strip(" \t#") for part in match.group("question").splitlines())
        yield Place(line, column, match.end("first") - offset, pointer), question


def _places(node: Node) -> Iterator[Place]:
    """Where keys and items stand."""
    if isinstance(node, MapNode):
        for member in node.members:
            yield member.place
            yield from _places(member.node)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield item.place
            yield from _places(item)


_COMMENT: Final = re.compile(
    rf"(?:(?<=[ \t])|^)(?P<hash>#)[ \t]*{MARKER}"
    rf"(?P<question>(?P<first>[^\r\n]*)(?:\r?\n[ \t]*#   [^\r\n]*)*)",
    re.MULTILINE,
)
"""A question goes on in lines whose comment is indented by three blanks, as the draft wraps it."""
