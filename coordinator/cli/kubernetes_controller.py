"""`enclasp kubernetes controller|objects`: Manifest and Approval objects, as they are made and as they are followed."""

import json
import os
from pathlib import Path
from typing import Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, guarded, read_input, reports
from coordinator.cli.manifest_words import compatible_option
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.signatures import read_signature
from coordinator.cli.visit import Visit, visits


@click.command()
@compatible_option
@click.option(
    "--endpoint",
    default="coordinator-client-api:4433",
    show_default=True,
    metavar="HOST:PORT",
    help="The coordinator of objects that name none.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option(
    "--marbles",
    type=click.IntRange(0, 1000),
    default=200,
    show_default=True,
    metavar="N",
    help="Of how many marbles, the newest first, an object is kept.",
)
@click.option(
    "--pods",
    multiple=True,
    metavar="NAMESPACE",
    help="Say of marbles in this namespace which pod they are; needs the right to list its pods. May be repeated.",
)
@click.option("--lease", default="", metavar="NAME", help="The Lease by which one of several controllers acts.")
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Where /healthz and /readyz are answered, by plain HTTP.",
)
@visits
@click.pass_context
def controller(
    ctx: click.Context,
    compatible: bool,
    endpoint: str,
    interval: float,
    marbles: int,
    pods: tuple[str, ...],
    lease: str,
    health_port: int,
    visit: Visit,
) -> None:
    """Bring the Manifest object of this pod's namespace to its coordinator, and write how it stands into its status.

    The coordinator is verified in each round. A first manifest is set; a later one is proposed with the signatures of
    the Approval objects, and each of these says what became of it. The marbles that have joined are shown as Marble
    objects. Nothing is ever cancelled or removed in the coordinator.

    \b
    enclasp kubernetes controller --reference reference.yaml
    enclasp kubernetes controller --reference reference.yaml --collateral collateral.json --interval 30
    """

    def run() -> int:
        from coordinator.cluster.errors import ClusterError
        from coordinator.controller.run import Settings, run
        from coordinator.observe import configure_logging

        visit.expectation()  # files that cannot be read are said now, and not in each round
        configure_logging("info")

        settings = Settings(endpoint, compatible, interval, marbles, pods, lease, health_port)
        try:
            run(visit.verified, settings, os.environ)
        except ClusterError as cause:
            raise Problem(str(cause).partition("\n")[0], exit_codes.UNREACHABLE, cause.code) from cause
        return exit_codes.DONE

    ctx.exit(guarded(run, machine=False))


@click.command()
@click.argument("file", type=FILE)
@click.option("--name", default="manifest", show_default=True, help="Of the Manifest object.")
@click.option("--endpoint", default="", metavar="HOST:PORT", help="The coordinator, if not the one of the chart.")
@click.option("--approval", "approvals", type=FILE, multiple=True, help="A detached signature; may be repeated.")
@reports
def objects(output: Output, file: Path, name: str, endpoint: str, approvals: tuple[Path, ...]) -> None:
    """Write FILE, byte for byte, as a Manifest object, and signatures of it as Approval objects, for kubectl.

    \b
    enclasp kubernetes objects manifest.yaml --name law --out objects.json
    enclasp kubernetes objects next.yaml --approval alice.sig --approval bob.sig -o json
    """
    from coordinator.controller.objects import API_VERSION
    from coordinator.manifest.signature import Subject

    raw = read_input(file, limit=1024 * 1024)
    try:
        document = raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise Problem(f"{file}: expected UTF-8", exit_codes.INVALID, "E000") from cause
    spec = {"document": document} | ({"endpoint": endpoint} if endpoint else {})
    items: list[dict[str, Any]] = [_object(API_VERSION, "Manifest", name, spec)]
    for path in approvals:
        signature = read_signature(path, Subject.MANIFEST)
        approved = {"manifest": name, "signature": json.dumps(signature.as_json())}
        label = f"{name}-{signature.document.hex()[:8]}-{signature.key.hex()[:8]}"
        items.append(_object(API_VERSION, "Approval", label, approved))
    document_list = {"apiVersion": "v1", "kind": "List", "items": items}
    output.result(document_list, json.dumps(document_list, indent=2))


def _object(version: str, kind: str, name: str, spec: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
