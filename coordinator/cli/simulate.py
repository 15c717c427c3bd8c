"""`enclasp simulate …`: a simulated vendor, and what its hardware would measure."""

from pathlib import Path

import click

from coordinator.cli.command import reports
from coordinator.cli.output import Output


@click.group()
def simulate() -> None:
    """Simulated hardware, for development. It proves nothing."""


@simulate.group()
def vendor() -> None:
    """Simulated vendors: what makes simulated evidence, and what verifies it."""


@vendor.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@reports
def new(output: Output, folder: Path) -> None:
    """Make a simulated vendor in FOLDER: trust.pem, collateral.json and private.json.

    \b
    enclasp simulate vendor new simulation
    enclasp simulate vendor new simulation -o json
    ENCLASP_SIMULATION=simulation enclasp marble run --type web -- python server.py
    """
    from attestation.simulation.vendor import create

    create(folder)
    document = {
        "folder": str(folder),
        "trust": str(folder / "trust.pem"),
        "collateral": str(folder / "collateral.json"),
        "simulated": True,
    }
    table = (
        f"SIMULATED vendor in {folder}\n"
        f"  its evidence is made under   ENCLASP_SIMULATION={folder}\n"
        f"  and verified with            --trust {folder}/trust.pem --collateral {folder}/collateral.json"
    )
    output.result(document, table)


@simulate.command(context_settings={"allow_interspersed_args": False})
@reports
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def measure(output: Output, command: tuple[str, ...]) -> None:
    """Print what simulated hardware measures of a COMMAND: the content of the files that it names.

    \b
    enclasp simulate measure -- python server.py
    enclasp simulate measure -o yaml -- python server.py
    """
    from attestation.simulation.measure import measure_program

    measured = measure_program(command)
    document = {
        "TDX": {"MRTD": measured.mrtd.hex()},
        "SGX": {"MRENCLAVE": measured.mrenclave.hex(), "MRSIGNER": measured.mrsigner.hex()},
    }
    lines = [f"{kind}.{name:<10} {value}" for kind, values in document.items() for name, value in values.items()]
    output.result(document, "\n".join(["SIMULATED measurements", *lines]))
