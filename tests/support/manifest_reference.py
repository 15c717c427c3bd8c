"""The reference of the manifest language: every field of the schema, with an example from a document that is checked.

`python -m tests.support.manifest_reference` writes `docs/manifest.md` and `manifests/manifest.schema.json`; tests
compare.  A field needs a description in `coordinator/manifest/schema*.py`, and an example: a place in one of
`docs/manifest/*.yaml`, each of which has to pass `manifest check`.  What this version refuses stands in REFUSED
instead, with the code of the refusal.  A field that has neither stops this program with a sentence.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coordinator.manifest import model
from coordinator.manifest.document import Node
from coordinator.manifest.reader import read
from coordinator.manifest.schema import MANIFEST, Schema
from coordinator.manifest.schema_check import plain

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "manifest.md"
PUBLISHED: Final = ROOT / "manifests" / "manifest.schema.json"
FOLDER: Final = ROOT / "docs" / "manifest"
EXAMPLES: Final = tuple(sorted(FOLDER.glob("*.yaml")))

REFUSED: Final[Mapping[str, tuple[Any, str]]] = {
    "Secrets.*.Private": ("AQID", "E024"),
    "Secrets.*.Public": ("AQID", "E024"),
    "Infrastructures": ({"cloud": {}}, "E094"),
    "Infrastructures.*.CPUSVN": ("AQID", "E094"),
    "Infrastructures.*.QESVN": (3, "E094"),
    "Infrastructures.*.PCESVN": (3, "E094"),
    "Infrastructures.*.RootCA": ("AQID", "E094"),
}
"""What this version refuses: a value, and the code of the refusal."""

_WORDS: Final[Mapping[str, type]] = {
    "": model.Manifest,
    "Packages.*": model.Package,
    "Marbles.*": model.Marble,
    "Marbles.*.Parameters": model.Parameters,
    "Secrets.*": model.Secret,
    "TLS.*.Incoming[]": model.TlsIncoming,
    "TLS.*.Outgoing[]": model.TlsOutgoing,
    "Users.*": model.User,
    "Roles.*": model.Role,
}
"""Where the model's docstring says what a part means."""


class Incomplete(Exception):
    """The reference cannot be written: a field lacks something."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the language.  path: its steps, `*` a name, `[]` an element.  new: MarbleRun does not have it."""

    path: str
    schema: Schema
    required: bool
    new: bool

    @property
    def name(self) -> str:
        """The last step."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Part:
    """A map of known fields.  schema: of the whole."""

    path: str
    schema: Schema
    fields: tuple[Field, ...]


def parts() -> tuple[Part, ...]:
    """Every map of known fields, outermost first; one that stands in several places only once."""
    return tuple(_parts("", MANIFEST, False, set()))


def _parts(path: str, schema: Schema, new: bool, seen: set[int]) -> Iterator[Part]:
    for alternative in (schema, *schema.get("anyOf", ())):
        properties = alternative.get("properties")
        if properties is not None and id(properties) not in seen:
            seen.add(id(properties))
            required = alternative.get("required", ())
            start = f"{path}." if path else ""
            fields = tuple(
                Field(start + name, field, name in required, new or "x-new" in field)
                for name, field in properties.items()
            )
            yield Part(path, schema, fields)
            for field in fields:
                yield from _parts(field.path, field.schema, field.new, seen)
        entries = alternative.get("additionalProperties")
        if isinstance(entries, dict) and "x-named" not in schema:
            yield from _parts(f"{path}.*", entries, new, seen)
        if isinstance(alternative.get("items"), dict):
            yield from _parts(f"{path}[]", alternative["items"], new, seen)


def values(root: Any, path: str) -> Iterator[Any]:
    """What stands at a path in a document."""
    step, _, rest = path.partition(".")
    key, lists = step.removesuffix("[]"), step.endswith("[]")
    if not isinstance(root, dict):
        return
    for value in root.values() if key == "*" else [root[key]] if key in root else []:
        for one in value if lists and isinstance(value, list) else [value]:
            if rest:
                yield from values(one, rest)
            else:
                yield one


def documents() -> Mapping[str, Any]:
    """The examples as data, by file name."""
    return {path.name: plain(_tree(path)) for path in EXAMPLES}


def _tree(path: Path) -> Node:
    return read(path.read_bytes(), name=path.name, compatible=False)[1]


def example(field: Field, examples: Mapping[str, Any]) -> Any:
    """A value of the field from the examples.  Raises Incomplete."""
    for document in examples.values():
        for value in values(document, field.path):
            return value
    if field.path in REFUSED:
        return REFUSED[field.path][0]
    raise Incomplete(
        f"{field.path} has no example: use it in one of {FOLDER.relative_to(ROOT)}/*.yaml (each has to pass "
        "`manifest check`) or, if this version refuses it, name it in REFUSED of tests/support/manifest_reference.py; "
        "then run python -m tests.support.manifest_reference"
    )


def page() -> str:
    """The whole page.  Raises Incomplete."""
    examples = documents()
    lines = [_HEAD]
    for part in parts():
        lines += _part(part, examples)
    lines.append(_TAIL)
    lines += [f"- [{path.stem}](manifest/{path.name}): {_title(path)}" for path in EXAMPLES]
    return "\n".join(lines) + "\n"


def _part(part: Part, examples: Mapping[str, Any]) -> Iterator[str]:
    section = part.path.count(".") < 2 and "[]" not in part.path
    yield f"\n{'##' if section else '###'} {_shown(part.path) or 'The document'}\n"
    description, docstring = _described(part.path, part.schema), _docstring(part.path)
    yield description if docstring in description else f"{description} {docstring}"
    if part.path and (used := [name for name, one in examples.items() if next(values(one, part.path), None)]):
        yield "\nExamples: " + ", ".join(f"[{name}](manifest/{name})" for name in used[:_NAMED])
    yield "\n| field | type | default | from | meaning | example |\n|---|---|---|---|---|---|"
    for group in _groups(part.fields):
        first, last = group[0], group[-1]
        for field in group:
            example(field, examples)
        name = f"`{first.name}`" if first is last else f"`{first.name}` … `{last.name}`"
        refused = f" **Refused by this version** ({REFUSED[first.path][1]})." if first.path in REFUSED else ""
        cells = (
            name,
            _type(first.schema),
            "required" if first.required else _default(first.schema),
            "Enclasp" if first.new else "MarbleRun",
            _described(first.path, first.schema) + refused,
            _brief(example(first, examples)),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _groups(fields: Sequence[Field]) -> Iterator[list[Field]]:
    """Fields that differ only in a number are one row: PCR16 … PCR31."""
    group: list[Field] = []
    for field in fields:
        if group and _numberless(group[-1]) != _numberless(field):
            yield group
            group = []
        group.append(field)
    if group:
        yield group


def _numberless(field: Field) -> str:
    text = json.dumps({**field.schema, "path": field.path})
    return re.sub(r"\d+", "#", text) if re.search(r"\d$", field.path) else text


def _shown(path: str) -> str:
    return path.replace("*", "NAME")


def _described(path: str, schema: Schema) -> str:
    text = schema.get("description", "")
    if not text:
        raise Incomplete(f"{path} has no description: write one in coordinator/manifest/schema*.py")
    return re.sub(r"\s+", " ", text)


def _docstring(path: str) -> str:
    """The first sentence of the model's docstring."""
    kind = _WORDS.get(path)
    text = re.sub(r"\s+", " ", inspect.getdoc(kind) or "") if kind else ""
    return re.split(r"(?<=\.) ", text)[0]


def _type(schema: Schema) -> str:
    if "x-named" in schema:
        (alone, _) = schema["anyOf"]
        return f"{alone['x-expected']}; or several with names"
    kinds = schema.get("type", ())
    kind = next((kind for kind in ((kinds,) if isinstance(kinds, str) else kinds) if kind != "null"), "")
    if "x-expected" in schema:
        return str(schema["x-expected"])
    words = [item for choice in schema.get("anyOf", ()) for item in choice.get("enum", ())] or schema.get("enum", ())
    if words:
        return "one of " + ", ".join(f"`{word}`" for word in words if word != "")
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(choice) for choice in schema["anyOf"] if choice.get("type") != "null"))
    match kind:
        case "integer":
            return f"number, {schema.get('minimum', 0)} to {_number(schema.get('maximum', 0))}"
        case "array":
            items = schema.get("items", {})
            return f"list of {_type(items) or 'values'}" if items.get("type") != "object" else "list of maps"
        case "object":
            return "map by name" if isinstance(schema.get("additionalProperties"), dict) else "map"
    return {"string": "text"}.get(kind, kind)


def _number(value: int) -> str:
    power = (value + 1).bit_length() - 1
    return f"2^{power} - 1" if value > 1 << 20 and value + 1 == 1 << power else f"{value:,}"


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _brief(value: Any) -> str:
    """A value on one line, long text cut; what holds maps has tables of its own."""
    if isinstance(value, dict):
        has_maps = any(isinstance(one, dict | list) for one in value.values())
    else:
        has_maps = isinstance(value, list) and any(isinstance(one, dict) for one in value)
    return "below" if has_maps else f"`{_flow(value)}`"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + '…"'


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[1].removeprefix("# ")


def with_field(path: str, value: Any) -> dict[str, Any]:
    """A small document in which a field has a value."""
    document: dict[str, Any] = {
        "Packages": {"x": {"TDX": {"MRTD": "11" * 48}}},
        "Marbles": {"x": {"Package": "x"}},
        "Secrets": {"x": {"Type": "cert-ecdsa", "Size": 256, "Shared": True}},
    }
    node = document
    *steps, last = path.replace("*", "x").split(".")
    for step in steps:
        node = node.setdefault(step, {})
    node[last] = value
    return document


_LONGEST: Final = 44
_NAMED: Final = 3
_HEAD: Final = """# The manifest: every field

Written by `python -m tests.support.manifest_reference` from the schema, the model's docstrings and the documents in
[manifest/](manifest), each of which passes `enclasp manifest check`; do not edit it. In a terminal,
`enclasp manifest explain FILE Marbles.web.MaxActivations` says the same, and an editor with a YAML language server does
where a document begins with `# yaml-language-server: $schema=manifest.schema.json` (`enclasp manifest schema --out
manifest.schema.json` writes that file). What can be wrong with a document: [messages](manifest-errors.md).

A manifest is YAML or JSON. NAME is chosen by its author; `[]` is an element of a list. **From** says whether MarbleRun
has the field, with the same meaning; a document that uses a field of Enclasp's own is in our style, which is strict.
Long values are cut (…); they are whole in the documents.

To add a field: its shape and description in `coordinator/manifest/schema*.py`, its place in one of
`docs/manifest/*.yaml`, and run the program above."""
_TAIL: Final = """
## Templates

Values of `Files` and `Env` are templates of Go's `text/template`, unless `NoTemplates` stands beside `Data`; `Argv` is
taken as it is. A template that asks for a secret that is not defined is refused when the manifest is checked.

| written | gives |
|---|---|
| `{{ pem .Secrets.site.Cert }}`, `.Private`, `.Public` | a certificate or key in PEM |
| `{{ hex .Secrets.key }}`, `{{ base64 .Secrets.key }}` | a key as text, in files and variables |
| `{{ raw .Secrets.key }}` | its bytes; in files only |
| `{{ string .Secrets.word }}` | a secret of type plain, or a generated password; in variables only |
| `.MarbleRun.MarbleCert.Cert`, `.Private` | the marble's own certificate and key |
| `.MarbleRun.RootCA.Cert` | the root that all marbles of the deployment share |
| `.MarbleRun.CoordinatorRoot.Cert`, `.MarbleRun.CoordinatorIntermediate.Cert` | the Coordinator's |
| `.Previous.Secrets.key` | the value before the last update |
| `{{ index .Secrets "a-b" }}` | a secret whose name is no identifier |

`if`, `else`, `range`, `with`, variables, pipelines, comparisons, `index`, `len`, `printf` and comments mean what they
mean in Go.

## The documents
"""


def main() -> None:
    """Write the page and the schema."""
    PAGE.write_text(page(), encoding="utf-8")
    PUBLISHED.write_text(json.dumps(MANIFEST, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
