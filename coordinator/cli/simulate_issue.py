"""`enclasp simulate vendor issue`: evidence of any platform by simulated vendors, with chosen faults, in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from attestation.kinds import Kind
from attestation.simulation.samples.faults import FAULTS
from coordinator.cli import exit_codes
from coordinator.cli.command import program_argument, reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import Hex, Moment, current_moment

if TYPE_CHECKING:
    from datetime import datetime

    from attestation.simulation.measure import ProgramMeasurement
    from coordinator.measured import Section

REFERENCE_FILE: Final = "reference.yaml"
_FAULTS: Final = "\n".join(f"{name:<22} {fault.words}" for name, fault in FAULTS.items())


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=f"Faults, of which not every platform has each:\n\n\b\n{_FAULTS}",
)
@click.argument("vendors", type=click.Path(file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--platform", required=True, type=click.Choice([kind.value for kind in Kind]), help="Whose evidence.")
@click.option("--fault", "faults", multiple=True, metavar="FAULT", help="What is wrong with it; may be repeated.")
@click.option("--report-data", type=Hex(64), help="Bind the evidence to this, filled up with zero bytes.")
@click.option(
    "--nonce", type=Hex(512), help="Make it for this nonce: in the report data, but for Nitro, which has another place."
)
@click.option("--at", type=Moment(), help="Make a Nitro document for this moment instead of now.")
@reports
@program_argument(required=False)
def issue(
    output: Output,
    vendors: Path,
    folder: Path,
    platform: str,
    faults: tuple[str, ...],
    report_data: bytes | None,
    nonce: bytes | None,
    at: "datetime | None",
    command: tuple[str, ...],
) -> None:
    """Issue SIMULATED evidence of a platform into FOLDER, by the vendors in VENDORS, as of a program (COMMAND).

    FOLDER gets the evidence and its collateral as `evidence verify FOLDER` reads them, and reference.yaml, for its
    --policy, which names the program. With a fault, verification has to refuse it.

    \b
    enclasp simulate vendor new vendors
    enclasp simulate vendor issue --platform sev-snp vendors good -- python server.py
    enclasp simulate vendor issue --platform sev-snp --fault debug vendors bad -- python server.py
    enclasp evidence verify bad --trust vendors/trust.pem --policy bad/reference.yaml
    """
    from attestation.binding import REPORT_DATA_BYTES, Nonced
    from attestation.simulation.measure import measure_program
    from attestation.simulation.samples.draft import Order
    from attestation.simulation.samples.issue import UnknownFault, issue_sample
    from coordinator.measured import yaml_lines

    if nonce is not None and report_data is not None:
        raise click.UsageError("give --nonce or --report-data, not both: on most platforms both say what it is")
    program, kind = measure_program(command), Kind(platform)
    data = report_data or b""
    if nonce is not None and kind is not Kind.NITRO:
        data = Nonced(nonce).as_bound(kind).report_data
    data = data.ljust(REPORT_DATA_BYTES, b"\0")
    if len(data) > REPORT_DATA_BYTES:
        raise click.UsageError(f"--nonce: {kind} evidence can hold at most {REPORT_DATA_BYTES} bytes, got {len(data)}")
    try:
        files = issue_sample(vendors, kind, Order(program, data, at or current_moment(), nonce), faults)
    except UnknownFault as cause:
        raise click.UsageError(str(cause)) from cause
    lines = ("# What this SIMULATED evidence is wanted to be.", *yaml_lines(_reference(kind, program)), "")
    _write(folder, {**files, REFERENCE_FILE: "\n".join(lines).encode()})
    document = {
        "folder": str(folder),
        "platform": platform,
        "simulated": True,
        "report_data": data.hex(),
        "faults": list(faults),
        "files": sorted([*files, REFERENCE_FILE]),
        "checks": {name: FAULTS[name].checks[kind] for name in faults},
    }
    table = [f"SIMULATED {platform} evidence in {folder}: {', '.join(sorted(files))}"]
    table += [f"  fault {name}: {FAULTS[name].words}; refused by {FAULTS[name].checks[kind]}" for name in faults]
    trust, policy = vendors / "trust.pem", folder / REFERENCE_FILE
    table.append(f"  enclasp evidence verify {folder} --trust {trust} --policy {policy}")
    output.result(document, "\n".join(table))


def _reference(kind: Kind, program: "ProgramMeasurement") -> "Section":
    """The demands that the good twin meets; more than a program's identity, so that each fault is refused."""
    from attestation.simulation.amd import SVN
    from attestation.simulation.machines import PARAVISOR
    from coordinator.measured import SECTIONS, sections_of

    sections = sections_of(program)
    chip: Section = {"MinimumTCB": {"SNP": SVN}, "RequireRevocationList": True}
    gpu: Section = {"NvidiaGPU": {"RIMs": True, "RequireRevocation": True}}
    if kind is Kind.NVIDIA_GPU:
        return gpu
    if kind is Kind.COMPOSITE:
        return {"AllOf": [{"TDX": sections["TDX"]}, gpu]}
    section = dict(sections[SECTIONS[kind]])
    if kind is Kind.SEV_SNP:
        section |= chip
    elif kind is Kind.NITRO:
        section["MaxAge"] = "1h"
    elif kind is Kind.AZURE_VTPM:
        section["SEVSNP"] = {"Measurement": PARAVISOR.hex(), **chip}
    return {SECTIONS[kind]: section}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Raises Problem if something is there: evidence of two samples in one folder is of none."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        message = f"{folder}: expected an empty folder for the evidence, got one with files"
        raise Problem(message, exit_codes.INVALID, "U540")
    for name, content in files.items():
        (folder / name).write_bytes(content)
