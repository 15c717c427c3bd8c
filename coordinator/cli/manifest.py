"""`enclasp manifest …`: write, check and understand manifests.  Those of a coordinator are in manifest_live.py."""

from pathlib import Path

import click

import coordinator
from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, reports
from coordinator.cli.manifest_build import build
from coordinator.cli.manifest_check import check
from coordinator.cli.manifest_live import get, set_manifest, verify
from coordinator.cli.manifest_measure import measure
from coordinator.cli.manifest_sign import sign, verify_signature
from coordinator.cli.manifest_trial import trial
from coordinator.cli.manifest_words import diff, explain, graph
from coordinator.cli.output import Output, write_file
from coordinator.cli.problems import Problem

TEMPLATES = ("minimal", "tdx", "sgx", "two_platforms", "marblerun_sgx")


@click.group()
def manifest() -> None:
    """Write, check, explain, try, set, get and verify manifests."""


@manifest.command()
@click.argument("file", type=FILE, default=Path("manifest.yaml"))
@click.option("--template", type=click.Choice(TEMPLATES), default="minimal", help="The starting point.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@reports
def init(output: Output, file: Path, template: str, force: bool) -> None:
    """Write a commented manifest to start from.

    \b
    enclasp manifest init manifest.yaml
    enclasp manifest init manifest.yaml --template two_platforms
    """
    if file.exists() and not force:
        raise Problem(f"{file}: exists", exit_codes.INVALID, "U501", "choose another name, or replace it with --force")
    raw = _data("minimal.yaml" if template == "minimal" else f"templates/{template}.yaml")
    write_file(file, raw)
    output.result({"file": str(file), "template": template}, f"written to {file}; next: enclasp manifest check {file}")


@manifest.command()
@reports
def schema(output: Output) -> None:
    """Print the JSON Schema of manifests, for editors.

    \b
    enclasp manifest schema --out manifest.schema.json
    enclasp manifest schema -o json
    """
    import json

    raw = _data("manifest.schema.json")
    output.result(json.loads(raw), raw)


for command in (measure, build, check, explain, graph, diff, trial, sign, verify_signature, set_manifest, get, verify):
    manifest.add_command(command)


def _data(name: str) -> bytes:
    """A file of `manifests/`, which lies beside our packages, in the repository as in an installation."""
    return (Path(coordinator.__path__[0]).parent / "manifests" / name).read_bytes()
