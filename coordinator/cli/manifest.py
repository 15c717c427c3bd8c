"""`enclasp manifest …`: write, check and understand manifests.  Those of a coordinator are in manifest_live.py."""

from pathlib import Path

import click

import coordinator
from coordinator.cli.command import reports
from coordinator.cli.group import Group
from coordinator.cli.manifest_build import build
from coordinator.cli.manifest_check import check
from coordinator.cli.manifest_convert import convert
from coordinator.cli.manifest_init import init
from coordinator.cli.manifest_live import get, log, set_manifest, verify
from coordinator.cli.manifest_measure import measure
from coordinator.cli.manifest_sign import sign, verify_signature
from coordinator.cli.manifest_trial import trial
from coordinator.cli.manifest_update import update
from coordinator.cli.manifest_words import diff, explain, graph
from coordinator.cli.output import Output


@click.group(cls=Group)
def manifest() -> None:
    """Write, check, explain, try, set, get and verify manifests."""


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


for command in (
    init,
    measure,
    build,
    convert,
    check,
    explain,
    graph,
    diff,
    trial,
    sign,
    verify_signature,
    set_manifest,
    get,
    log,
    update,
    verify,
):
    manifest.add_command(command)


def _data(name: str) -> bytes:
    """A file of `manifests/`, which lies beside our packages, in the repository as in an installation."""
    return (Path(coordinator.__path__[0]).parent / "manifests" / name).read_bytes()
