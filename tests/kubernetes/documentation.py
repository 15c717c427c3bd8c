"""The commands of docs/kubernetes.md, in their order."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "kubernetes.md"


@dataclass(frozen=True)
class Block:
    """info: what stands behind ```sh; `second-terminal` goes on running, `images` is done before there is a cluster,
    `objects` by a test of its own, `upgrade` and `recover` by those of replicas."""

    info: str
    text: str


def blocks() -> list[Block]:
    """Every shell block of the page."""
    found = re.findall(r"^```sh(.*)\n((?:.*\n)*?)```$", PAGE.read_text(), re.MULTILINE)
    return [Block(info.strip(), text) for info, text in found]


def block(info: str) -> str:
    """The only one of this kind."""
    (found,) = [each.text for each in blocks() if each.info == info]
    return found
