"""The blocks of docs/ingress.md by the name that stands behind ```yaml or ```sh."""

import re
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parents[2] / "docs" / "ingress.md"


def block(name: str) -> str:
    """The text of the one block of this name."""
    (text,) = re.findall(rf"^```[a-z]+ {name}\n((?:.*\n)*?)```$", PAGE.read_text(), re.MULTILINE)
    return str(text)


def objects(name: str) -> list[dict[str, Any]]:
    """Its objects."""
    return list(yaml.safe_load_all(block(name)))
