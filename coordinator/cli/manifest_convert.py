"""`enclasp manifest convert`, and the bytes that `--compatible` sends: those of MarbleRun's command line."""

import hashlib
from pathlib import Path

import click

from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output

compatible_bytes_option = click.option(
    "--compatible", is_flag=True, help="Take the bytes that MarbleRun's command line would send: YAML becomes JSON."
)


@click.command()
@click.argument("file", type=FILE)
@reports
def convert(output: Output, file: Path) -> None:
    """Write the bytes that MarbleRun's command line would send for FILE: JSON as it is, YAML as compact JSON.

    The fingerprint is over these bytes. What other YAML tools read differently is said on stderr.

    \b
    enclasp manifest convert manifest.yaml --out manifest.json
    enclasp manifest convert manifest.yaml -o json
    """
    from coordinator.manifest.conversion import convert
    from coordinator.manifest.report import render_findings

    name = _name(file)
    converted = convert(read_input(file), name=name)
    if converted.findings:
        output.remark(render_findings(name, converted.findings))
    fingerprint = hashlib.sha256(converted.raw).hexdigest()
    document = {
        "manifest": converted.raw.decode("utf-8", "backslashreplace"),
        "fingerprint": fingerprint,
        "converted": not converted.is_as_given,
    }
    output.result(document, converted.raw)
    output.remark(f"fingerprint {fingerprint}" + (f"; {name} is JSON, and sent as it is" * converted.is_as_given))


def bytes_to_send(file: Path, output: Output, *, compatible: bool) -> bytes:
    """The bytes of a file, or with `compatible` those that MarbleRun's command line would send; says if they differ.

    Raises OSError, ManifestInvalid.
    """
    raw = read_input(file)
    if not compatible:
        return raw
    from coordinator.manifest.conversion import convert

    converted = convert(raw, name=_name(file))
    if not converted.is_as_given:
        output.remark(
            f"{file}: {len(raw)} bytes of YAML are taken as {len(converted.raw)} bytes of JSON, as MarbleRun's command "
            f"line makes it; fingerprint {hashlib.sha256(converted.raw).hexdigest()}"
        )
    return converted.raw


def _name(file: Path) -> str:
    return "<stdin>" if str(file) == "-" else str(file)
