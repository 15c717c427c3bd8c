"""`enclasp manifest explain|graph|diff`: manifests for people who have to agree on them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output, paint
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.manifest.change import Change
    from coordinator.manifest.parse import Parsed

compatible_option = click.option("--compatible", is_flag=True, help="Read as MarbleRun would accept.")


def read_manifest(path: Path, *, compatible: bool) -> "Parsed":
    """The manifest in a file; compatible: its bytes are those that MarbleRun's command line would send.

    Raises ManifestInvalid, OSError.
    """
    from hashlib import sha256

    from coordinator.manifest.conversion import convert
    from coordinator.manifest.parse import parse

    raw, name = read_input(path), "<stdin>" if str(path) == "-" else str(path)
    parsed = parse(raw, name=name, compatible=compatible)
    if not compatible:
        return parsed
    sent = convert(raw, name=name).raw
    return replace(parsed, manifest=replace(parsed.manifest, raw=sent, digest=sha256(sent).digest()))


@click.command()
@click.argument("file", type=FILE)
@click.argument("path", required=False)
@compatible_option
@reports
def explain(output: Output, file: Path, path: str | None, compatible: bool) -> None:
    """Say in words who can do what with this manifest; with PATH, what a field means and what stands there.

    PATH is written with dots, or as a JSON pointer where a name has dots.

    \b
    enclasp manifest explain manifest.yaml
    enclasp manifest explain manifest.yaml Marbles.web.MaxActivations
    enclasp manifest explain manifest.yaml /Secrets/session.key/Type -o json
    """
    from coordinator.manifest.explain import UnknownField, explain, explain_field, explain_text, split_path
    from coordinator.manifest.places import Places

    parsed = read_manifest(file, compatible=compatible)
    if path is None:
        words = explain(parsed.manifest)
        output.result(words, lambda: explain_text(words))
        return
    try:
        field = explain_field(path)
    except UnknownField as cause:
        known = ", ".join(cause.known) or "nothing"
        raise Problem(
            f"{cause}: '{cause.step}' is not known", exit_codes.INVALID, "E010", f"known there: {known}"
        ) from cause
    places, steps = Places(parsed.root), split_path(path)
    place = places.key(*steps)
    here = f"{file}:{place.line + 1}" if steps and places.node(*steps) is not None else ""
    document = field.as_json() | {"stands": here}
    output.result(document, field.text() + (f"\n  stands at {here}" if here else "\n  not given in this manifest"))


@click.command()
@click.argument("file", type=FILE)
@click.option("--format", "picture", type=click.Choice(("mermaid", "svg")), default="mermaid", help="Of the picture.")
@compatible_option
@reports
def graph(output: Output, file: Path, picture: str, compatible: bool) -> None:
    """Draw packages, the marbles that they prove, the secrets that those get, TLS connections, and people.

    \b
    enclasp manifest graph manifest.yaml
    enclasp manifest graph manifest.yaml --format svg --out manifest.svg
    """
    from dataclasses import asdict

    from coordinator.manifest.graph import graph
    from coordinator.manifest.graph_drawing import mermaid, svg

    drawn = graph(read_manifest(file, compatible=compatible).manifest)
    output.result(asdict(drawn), lambda: svg(drawn) if picture == "svg" else mermaid(drawn))


@click.command()
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
@click.option("--exit-code", "tell", is_flag=True, help="Exit code 9 if the manifests differ.")
@compatible_option
@reports
def diff(output: Output, before: Path, after: Path, tell: bool, compatible: bool) -> int:
    """Say what the change from BEFORE to AFTER means for trust, the most serious first.

    \b
    enclasp manifest diff active.yaml next.yaml
    enclasp manifest diff active.yaml next.yaml --exit-code -o json
    """
    from coordinator.manifest.diff import diff, diff_json

    old = read_manifest(before, compatible=compatible).manifest
    new = read_manifest(after, compatible=compatible).manifest
    changes = diff(old, new)
    document = diff_json(old, new, changes)
    lines = [change_lines(change) for change in changes]
    if old.digest == new.digest:
        lines.append("the same bytes")
    else:
        lines += [] if changes else ["no change of meaning; the bytes differ"]
        lines.append(f"fingerprint {old.fingerprint} -> {new.fingerprint}")
    output.result(document, "\n".join(lines))
    return exit_codes.FINDINGS if tell and old.digest != new.digest else exit_codes.DONE


def change_lines(change: "Change") -> str:
    """One change for people: how grave, what it means, where."""
    from coordinator.manifest.change import Gravity
    from coordinator.manifest.words import printable

    word = f"{change.gravity.word}:"
    colour = {Gravity.WEAKENS: "red", Gravity.NARROWS: "green"}.get(change.gravity, "yellow")
    coloured = word if change.gravity is Gravity.NEUTRAL else paint(word, colour)
    lines = [printable(change.meaning), printable(change.path)]
    if change.before != change.after:
        lines.append(printable(f"{change.before or '(none)'} -> {change.after or '(none)'}"))
    return f"{coloured}{'':{10 - len(word)}}" + f"\n{'':10}".join(lines)
