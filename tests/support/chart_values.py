"""Write docs/chart-values.md from the chart's values.yaml and its schema:  python -m tests.support.chart_values

A value's meaning is the comment above it, its type and bounds are the schema's.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "charts" / "coordinator"
FILE: Final = ROOT / "docs" / "chart-values.md"
_HEAD: Final = """# Values of the chart

Written by `python -m tests.support.chart_values` from `charts/coordinator/values.yaml` and `values.schema.json`, which
refuses all others; a test compares. Names are MarbleRun's (1.9) where the thing is the same. How to use them:
[Kubernetes](kubernetes.md).
"""


@dataclass(frozen=True)
class Value:
    """path: with dots.  default: as JSON.  meaning: the comment above it."""

    path: str
    kind: str
    default: str
    meaning: str


def _comments(text: str) -> Mapping[str, str]:
    """The comment above each key, by its path."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            comment = []
        elif line.lstrip().startswith("#"):
            comment.extend(line.strip().removeprefix("#").split())
        elif key := re.match(r"( *)([A-Za-z-]+):", line):
            path[len(key[1]) // 2 :] = [key[2]]
            found[".".join(path)] = " ".join(comment)
            comment = []
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    """A value's type and bounds, in words."""
    if alternatives := schema.get("anyOf"):
        return " or ".join(_kind(each) for each in alternatives)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kinds = schema.get("type", "")
    words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    bounds = [schema[bound] for bound in ("minimum", "maximum") if bound in schema]
    if len(bounds) == 2:
        return f"{words}, {bounds[0]} to {bounds[1]}"
    return f"{words}, at least {bounds[0]}" if bounds else words


def values_of(
    defaults: Mapping[str, Any], schema: Mapping[str, Any], comments: Mapping[str, str], above: str
) -> Iterator[Value]:
    """Every value below a section; one that the schema knows no names in is shown as a whole."""
    for name, default in defaults.items():
        path, own = f"{above}{name}", schema["properties"][name]
        if isinstance(default, dict) and own.get("properties") and own.get("additionalProperties") is False:
            if comments[path]:
                yield Value(path, "", "", comments[path])
            yield from values_of(default, own, comments, f"{path}.")
        else:
            yield Value(path, _kind(own), json.dumps(default), comments[path])


def page() -> str:
    """The whole document."""
    text = (CHART / "values.yaml").read_text()
    defaults, comments = yaml.safe_load(text), _comments(text)
    schema = json.loads((CHART / "values.schema.json").read_text())
    lines = [_HEAD]
    single = {name: value for name, value in defaults.items() if not schema["properties"][name].get("properties")}
    for title, section in [*((n, v) for n, v in defaults.items() if n not in single), ("for all", single)]:
        whole = section is single
        lines.append(f"## {title}")
        if (meaning := comments.get(title, "")) and not whole:
            lines.append(f"{meaning}\n")
        lines += ["| value | default | type | meaning |", "|---|---|---|---|"]
        part = schema if whole else schema["properties"][title]
        for value in values_of(section, part, comments, "" if whole else f"{title}."):
            default = f"`{value.default}`" if value.default else ""
            cells = (f"`{value.path}`", default, value.kind, value.meaning)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    FILE.write_text(page())
