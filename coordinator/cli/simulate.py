"""`enclasp simulate …`: simulated vendors, evidence of theirs with chosen faults, and what their hardware measures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from attestation.kinds import Kind
from coordinator.cli.command import program_argument, reports
from coordinator.cli.group import Group
from coordinator.cli.output import Output
from coordinator.cli.simulate_issue import issue

if TYPE_CHECKING:
    from collections.abc import Iterable

PLATFORMS = tuple(kind.value for kind in Kind if kind is not Kind.COMPOSITE)


@click.group(cls=Group)
def simulate() -> None:
    """Simulated hardware, for development. It proves nothing."""


@simulate.group()
def vendor() -> None:
    """Simulated vendors: what makes simulated evidence, and what verifies it."""


vendor.add_command(issue)


@vendor.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--platform",
    "platforms",
    type=click.Choice(PLATFORMS),
    multiple=True,
    help="The vendor of this platform only; may be repeated. Otherwise those of every platform.",
)
@reports
def new(output: Output, folder: Path, platforms: tuple[str, ...]) -> None:
    """Make simulated vendors in FOLDER: trust.pem (their roots), collateral.json, and their keys.

    Nothing is changed where there are some already.

    \b
    enclasp simulate vendor new simulation
    enclasp simulate vendor new simulation --platform sev-snp --platform nvidia-gpu -o json
    ENCLASP_SIMULATION=simulation enclasp marble run --type web -- python server.py
    """
    from attestation.simulation.folder import ALL, COLLATERAL_FILE, TRUST_FILE, create

    wanted: Iterable[Kind] = map(Kind, platforms) if platforms else ALL
    create(folder, wanted)
    document = {
        "folder": str(folder),
        "trust": str(folder / TRUST_FILE),
        "collateral": str(folder / COLLATERAL_FILE),
        "simulated": True,
    }
    table = (
        f"SIMULATED vendors in {folder}\n"
        f"  their evidence is made under   ENCLASP_SIMULATION={folder} (ENCLASP_SIMULATION_KIND, ENCLASP_GPUS)\n"
        f"  and verified with              --trust {folder / TRUST_FILE} --collateral {folder / COLLATERAL_FILE}"
    )
    output.result(document, table)


@simulate.command(context_settings={"allow_interspersed_args": False})
@reports
@program_argument(required=True)
def measure(output: Output, command: tuple[str, ...]) -> None:
    """Print what simulated hardware measures of a COMMAND: the content of the files that it names.

    \b
    enclasp simulate measure -- python server.py
    enclasp simulate measure -o yaml -- python server.py
    """
    from coordinator.cli.manifest_measure import measured_files
    from coordinator.measured import sections_of, yaml_lines

    measured = sections_of(measured_files(command))
    output.result(measured, "\n".join(("# SIMULATED hardware measures this", *yaml_lines(measured))))
