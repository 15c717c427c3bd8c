"""`enclasp manifest test`: what each marble would get, without starting one."""

import base64
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import current_moment

if TYPE_CHECKING:
    from coordinator.cli.manifest_rehearsal import Given, Rehearsal, Value
    from coordinator.manifest.model import Manifest, Marble


@click.command(name="test")
@click.argument("file", type=FILE)
@click.option("--marble", "marble_type", help="Only this marble.  [default: all]")
@click.option("--uuid", help="The marble's UUID, on which its own keys depend.  [default: a new one]")
@click.option("--reveal", is_flag=True, help="Show the secrets of this trial; no deployment has them.")
@click.option("--compatible", is_flag=True, help="Read as MarbleRun would accept.")
@reports
def trial(output: Output, file: Path, marble_type: str | None, uuid: str | None, reveal: bool, compatible: bool) -> int:
    """Try an activation of each marble on simulated hardware, and show what it would get. Secrets are hidden.

    Tried is the program that the first alternative of its package names; which machines are allowed is not, nor their
    patch levels, keys and firmware, or a GPU's versions.

    \b
    enclasp manifest test manifest.yaml
    enclasp manifest test manifest.yaml --marble web --reveal -o json
    """
    from coordinator.cli.manifest_words import read_manifest
    from coordinator.manifest.errors import ManifestInvalid
    from coordinator.manifest.report import findings_json, render_findings

    canonical = _uuid(uuid)
    try:
        manifest = read_manifest(file, compatible=compatible).manifest
    except ManifestInvalid as refused:
        output.result(findings_json(refused.name, refused.findings), render_findings(refused.name, refused.findings))
        return exit_codes.INVALID
    document = {"marbles": _try(manifest, marble_type, canonical, reveal=reveal, compatible=compatible)}
    output.result(document, lambda: _text(document["marbles"]))
    return exit_codes.INVALID if _has_error(document) else exit_codes.DONE


def _try(manifest: "Manifest", marble_type: str | None, uuid: str, *, reveal: bool, compatible: bool) -> dict[str, Any]:
    from coordinator.cli.manifest_redaction import redact
    from coordinator.cli.manifest_rehearsal import Rehearsal
    from pki.certificates import TemplateInvalid

    if marble_type is not None and marble_type not in manifest.marbles:
        known = ", ".join(manifest.marbles)
        raise Problem(f"no marble is called '{marble_type}'", exit_codes.INVALID, "A201", f"there are: {known}")
    entropy = secrets.token_bytes  # noqa: TID251 - shell: draws entropy
    try:
        rehearsal = Rehearsal(manifest, compatible=compatible, now=current_moment(), entropy=entropy)
    except TemplateInvalid as cause:
        raise Problem(f"a secret's certificate cannot be made: {cause}", exit_codes.INVALID, "E025") from cause
    results: dict[str, Any] = {}
    for marble in manifest.marbles.values():
        if marble_type in (None, marble.type):
            refused = _refusal(rehearsal, marble)
            results[marble.type] = {"refused": refused} if refused else {}
            try:
                given = rehearsal.activate(marble, uuid)
                shown = given if reveal else redact(rehearsal, marble, given, entropy=entropy)
                results[marble.type] |= _json(shown)
            except TemplateInvalid as cause:
                results[marble.type] |= {"error": f"a secret's certificate cannot be made: {cause}"}
    return results


def _refusal(rehearsal: "Rehearsal", marble: "Marble") -> str:
    """Why nothing can ever be this marble; empty where something can."""
    from coordinator.cli.manifest_hardware import NoSuchProgram
    from coordinator.decisions.errors import NotAttested

    try:
        rehearsal.prove(marble)
    except (NotAttested, NoSuchProgram) as refused:
        return f"no evidence is accepted: {refused}"
    return ""


def _uuid(text: str | None) -> str:
    """The canonical form; a new one where none is given."""
    from uuid import uuid4

    from marble.protocol import ProtocolFormatError, parse_uuid

    try:
        return str(uuid4() if text is None else parse_uuid(text))
    except ProtocolFormatError as cause:
        raise click.UsageError(str(cause)) from cause


def _json(given: "Given") -> dict[str, Any]:
    return {
        "files": {path: _value(value) for path, value in given.files.items()},
        "env": {name: _value(value) for name, value in given.env.items()},
        "argv": list(given.argv),
    }


def _value(value: "Value") -> dict[str, str]:
    if value.problem:
        return {"error": value.problem}
    try:
        return {"text": value.content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value.content).decode()}


def _has_error(document: Any) -> bool:
    """Whether some value, or a whole marble, would fail."""
    marbles = document["marbles"].values()
    values = [value for marble in marbles for place in ("files", "env") for value in marble.get(place, {}).values()]
    return any("error" in one or "refused" in one for one in (*marbles, *values))


def _text(marbles: Mapping[str, Any]) -> str:
    from coordinator.manifest.words import printable

    lines = ["SIMULATED activations; a deployment's secrets are others"]
    for name, marble in marbles.items():
        lines += ["", printable(name)]
        if "refused" in marble:
            lines += [f"  refused: {printable(line)}" for line in marble["refused"].splitlines()]
        if "error" in marble:
            lines.append(f"  error: {printable(marble['error'])}")
            continue
        lines += [f"  arguments {printable(shlex.join(marble['argv']))}"] if marble["argv"] else []
        for place, label in (("env", "variable"), ("files", "file")):
            for key, value in marble[place].items():
                kind, text = next(iter(value.items()))
                mark = "" if kind == "text" else f"({kind}) "
                lines.append(f"  {label} {printable(key)}")
                content = text.splitlines() or [""]
                lines += [f"    | {mark}{_cut(printable(line))}" for line in content[:_SHOWN_LINES]]
                if len(content) > _SHOWN_LINES:
                    lines.append(f"    | … {len(content) - _SHOWN_LINES} more lines (-o json has all)")
    return "\n".join(lines)


def _cut(line: str) -> str:
    if len(line) <= _SHOWN_COLUMNS:
        return line
    return f"{line[:_SHOWN_COLUMNS]}… {len(line) - _SHOWN_COLUMNS} more characters (-o json has all)"


_SHOWN_LINES = 6
_SHOWN_COLUMNS = 400
