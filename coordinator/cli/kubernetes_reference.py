"""`enclasp kubernetes reference`: by what a coordinator in a cluster is verified."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.kubernetes_init_data import read_init_data, references
from coordinator.cli.manifest_measure import sigstruct_values
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from attestation.kinds import Kind
    from coordinator.measured import Section

_Values: TypeAlias = "tuple[str, Mapping[str, Section]]"
"""A comment, and reference values."""
_PLATFORMS = click.Choice(["sgx", "tdx", "sev-snp"])


@click.command()
@click.option("--platform", type=_PLATFORMS, required=True, help="Hardware of the coordinator.")
@click.option("--simulation", is_flag=True, help="SIMULATED hardware: of this version's program.")
@click.option("--guest", type=FILE, help="tdx, sev-snp: reference values of the guest image, as its maker gives them.")
@click.option(
    "--init-data", type=FILE, help="tdx, sev-snp: what the machine is told at launch, document or annotation."
)
@click.option("--sigstruct", type=FILE, help="sgx: the signature structure of the signed enclave (a .sig file).")
@click.option("--signer", is_flag=True, help="sgx: this build's signer and security version, and not this build alone.")
@reports
def reference(
    output: Output,
    platform: str,
    simulation: bool,
    guest: Path | None,
    init_data: Path | None,
    sigstruct: Path | None,
    signer: bool,
) -> None:
    """Write reference.yaml, by which `enclasp verify` and marbles know the coordinator.

    On SGX an enclave's signature structure says all. On TDX and SEV-SNP the guest image's maker says what the machine
    is measured as (--guest), and the digest of what it is told at launch is added (--init-data).

    \b
    enclasp kubernetes reference --platform sgx --sigstruct coordinator.sig --out reference.yaml
    enclasp kubernetes reference --platform tdx --guest guest.yaml --init-data initdata.toml --out reference.yaml
    enclasp kubernetes reference --platform tdx --simulation --out reference.yaml
    """
    from attestation.kinds import Kind
    from coordinator.measured import yaml_lines
    from marble.reference import parse_reference
    from marble.section import ReferenceFormatError

    kind = Kind(platform)
    given = {"--guest": guest, "--init-data": init_data, "--sigstruct": sigstruct}
    hardware = ("--sigstruct",) if kind is Kind.SGX else ("--guest", "--init-data")
    allowed = hardware[1:] if simulation else hardware
    if odd := [name for name, path in given.items() if path is not None and name not in allowed]:
        raise click.UsageError(f"{odd[0]} means nothing {'with --simulation' if simulation else f'on {platform}'}")
    if signer and sigstruct is None:
        raise click.UsageError("--signer is for --sigstruct")
    if simulation:
        comment, sections = _of_program(kind, init_data)
    elif sigstruct is not None:
        comment, sections = _of_enclave(output, sigstruct, signer)
    elif guest is not None:
        comment, sections = _of_machine(output, kind, guest, init_data)
    else:
        raise click.UsageError(f"expected {hardware[0]} FILE, or --simulation")
    lines = [f"# {comment}", *yaml_lines(sections)]
    try:
        parse_reference("\n".join(lines).encode(), name="the reference values")
    except ReferenceFormatError as cause:
        raise Problem(str(cause), exit_codes.INVALID, "U506") from cause
    output.result(sections, "\n".join(lines))


def _of_program(kind: "Kind", init_data: Path | None) -> _Values:
    from attestation.simulation.measure import measure_program
    from coordinator.measured import SECTIONS, sections_of
    from coordinator.program import own_program

    measured = sections_of(measure_program(own_program()))[SECTIONS[kind]]
    if init_data is not None:
        measured = {**measured, **references(read_init_data(init_data))[SECTIONS[kind]]}
    return "SIMULATED hardware: this coordinator's program; the values change with its code", {SECTIONS[kind]: measured}


def _of_enclave(output: Output, sigstruct: Path, signer: bool) -> _Values:
    fields, debuggable = sigstruct_values(sigstruct, read_input(sigstruct))
    if debuggable:
        output.remark("this enclave may be started for debugging: `verify` refuses it while it is")
    if not signer:
        return f"{sigstruct.name}: this build alone", {"SGX": {"MRENCLAVE": fields["MRENCLAVE"]}}
    wanted = {name: value for name, value in fields.items() if name != "MRENCLAVE"}
    return f"{sigstruct.name}: this security version and later ones of its signer", {"SGX": wanted}


def _of_machine(output: Output, kind: "Kind", guest: Path, init_data: Path | None) -> _Values:
    from attestation.init_data import FIELDS

    field = FIELDS[kind]
    document = _plain(guest)
    fields = document.get(field.section)
    if not isinstance(fields, dict) or document.keys() != {field.section}:
        found = ", ".join(document) or "nothing"
        raise Problem(f"{guest}: expected the section {field.section} alone, got {found}", exit_codes.INVALID, "U506")
    if init_data is None:
        if field.key not in fields:
            output.remark(
                f"nothing says what the machine is told at launch ({field.key}): whoever starts it chooses, "
                "of Kata's agent also what runs in it"
            )
        return f"{guest.name}", {field.section: fields}
    digest = read_init_data(init_data).digest(field.length).hex()
    if str(fields.get(field.key, digest)).lower() != digest:
        message = f"{guest}: {field.key}: expected {digest}, the digest of {init_data}, got {fields[field.key]}"
        raise Problem(message, exit_codes.INVALID, "K697")
    return f"{guest.name}, told {init_data.name} at launch", {field.section: {**fields, field.key: digest}}


def _plain(path: Path) -> dict[str, object]:
    """JSON, or the plain lines that a coordinator writes, as data."""
    from marble.plain_lines import parse_plain_lines

    raw = read_input(path)
    try:
        text = raw.decode("utf-8")
        document: Any = json.loads(text) if text.lstrip()[:1] == "{" else parse_plain_lines(text)
    except (ValueError, RecursionError) as cause:
        message = f"{path}: expected reference values in JSON or plain YAML: {cause}"
        raise Problem(message, exit_codes.INVALID, "U506") from cause
    if not isinstance(document, dict):
        raise Problem(f"{path}: expected an object, got a list", exit_codes.INVALID, "U506")
    found: dict[str, object] = document
    return found
