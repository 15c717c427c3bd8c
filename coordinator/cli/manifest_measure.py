"""`enclasp manifest measure`: reference values to paste into a package."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, program_argument, read_input, reports
from coordinator.cli.kubernetes_init_data import read_init_data, reference_lines, references
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from attestation.simulation.measure import ProgramMeasurement
    from coordinator.measured import Section


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--sigstruct", type=FILE, help="Read an SGX enclave's signature structure (a .sig file) instead.")
@click.option(
    "--init-data", "init_data", type=FILE, help="Digest a document of init-data (Kata, Confidential Containers)."
)
@reports
@program_argument(required=False)
def measure(output: Output, sigstruct: Path | None, init_data: Path | None, command: tuple[str, ...]) -> None:
    """Print reference values: of a COMMAND on simulated hardware, of an SGX enclave, or of a machine's init-data.

    \b
    enclasp manifest measure -- python server.py
    enclasp manifest measure --sigstruct enclave.sig -o yaml
    enclasp manifest measure --init-data initdata.toml
    """
    if [sigstruct is None, init_data is None, not command].count(False) != 1:
        raise click.UsageError("expected a COMMAND, --sigstruct FILE or --init-data FILE, and one of them")
    if init_data is not None:
        reference = references(read_init_data(init_data))
        output.result(reference, "\n".join(reference_lines(reference, str(init_data))))
        return
    if sigstruct is None:
        from coordinator.measured import sections_of

        _print(
            output,
            sections_of(measured_files(command)),
            "SIMULATED hardware measures this; on genuine hardware your image build prints it",
        )
        return
    fields, debuggable = sigstruct_values(sigstruct, read_input(sigstruct))
    if debuggable:
        output.remark("this enclave may be started for debugging; a manifest accepts it only when it is not")
    comment = "keep MRENCLAVE for this build only, or the other three for all that its signer releases"
    _print(output, {"SGX": fields}, comment)


def measured_files(program: tuple[str, ...]) -> "ProgramMeasurement":
    """What simulated hardware measures of a command line.  Raises Problem where no file is in it."""
    from attestation.simulation.measure import measure_program

    measured = measure_program(program)
    if measured == measure_program(()):
        message = f"nothing in '{' '.join(program)[:80]}' is a file, so there is nothing to measure"
        hint = "name the program by its path, as the marble will be started"
        raise Problem(message, exit_codes.INVALID, "U501", hint)
    return measured


def sigstruct_values(path: Path, raw: bytes) -> tuple[dict[str, str | int], bool]:
    """Fields of a package's SGX section, from a signature structure; whether it may be started for debugging.

    Raises Problem.
    """
    from attestation.errors import EvidenceFormatError
    from attestation.sgx.sigstruct import parse_sigstruct

    try:
        signed = parse_sigstruct(raw)
    except EvidenceFormatError as cause:
        hint = "`sgx_sign`, `gramine-sgx-sign` and `ego sign` write it"
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "U509", hint) from cause
    fields: dict[str, str | int] = {
        "MRENCLAVE": signed.mrenclave.hex(),
        "MRSIGNER": signed.mrsigner.hex(),
        "ISVProdID": signed.product_id,
        "ISVSVN": signed.svn,
    }
    return fields, signed.debuggable


def _print(output: Output, values: "Mapping[str, Section]", comment: str) -> None:
    """YAML for a package."""
    from coordinator.measured import yaml_lines

    output.result(values, "\n".join((f"# {comment}", *yaml_lines(values))))
