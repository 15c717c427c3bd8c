"""A program in the words of a manifest: sections of a package, by platform."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from attestation.claims import Claims
from attestation.kinds import Kind
from attestation.simulation.machines import PARAVISOR, PCR
from attestation.simulation.measure import ProgramMeasurement

Section: TypeAlias = Mapping[str, object]
"""Texts, numbers, switches, sections, and lists of sections."""

SECTIONS: Final[Mapping[Kind, str]] = {
    Kind.TDX: "TDX",
    Kind.SGX: "SGX",
    Kind.SEV_SNP: "SEVSNP",
    Kind.NITRO: "Nitro",
    Kind.CCA: "CCA",
    Kind.AZURE_VTPM: "AzureVTPM",
}
"""Of each platform that measures programs."""


_IDENTITY: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.TDX: {"mrtd": "MRTD", "rtmr1": "RTMR1", "rtmr2": "RTMR2", "mrconfigid": "MRConfigID"},
    Kind.SGX: {"mrenclave": "MRENCLAVE"},
    Kind.SEV_SNP: {"measurement": "Measurement", "host_data": "HostData"},
    Kind.NITRO: {"pcr0": "PCR0"},
    Kind.CCA: {"rim": "RIM"},
}


def sections_of(program: ProgramMeasurement) -> dict[str, Section]:
    """What identifies a program, on every platform."""
    return {
        "TDX": {"MRTD": program.mrtd.hex()},
        "SGX": {"MRENCLAVE": program.mrenclave.hex()},
        "SEVSNP": {"Measurement": program.measurement.hex()},
        "Nitro": {"PCR0": program.pcr0.hex()},
        "CCA": {"RIM": program.rim.hex()},
        "AzureVTPM": {"SEVSNP": {"Measurement": PARAVISOR.hex()}, f"PCR{PCR}": program.pcr11.hex()},
    }


def as_package(claims: Claims) -> str:
    """A program as a package of a manifest names it, on one line: what somebody adds who wants to accept it.

    What is zero is left out: simulated hardware does not measure it.
    """
    keys = _IDENTITY.get(claims.kind, {})
    values = {key: claims.measurements.get(name, b"") for name, key in keys.items()}
    named = ", ".join(f'{key}: "{value.hex()}"' for key, value in values.items() if any(value))
    return f"{{{SECTIONS[claims.kind]}: {{{named}}}}}" if named else f"what identifies it on {claims.kind.value}"


def yaml_lines(section: Section, indent: int = 0) -> list[str]:
    """The lines of a section; hex is quoted, since a lucky value would be a number."""
    lines = []
    for name, value in section.items():
        start = f"{' ' * indent}{name}:"
        if isinstance(value, Mapping):
            lines += [start, *yaml_lines(value, indent + 2)]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines.append(start)
            for item in value:
                first, *rest = yaml_lines(item, indent + 4)
                lines += [f"{' ' * (indent + 2)}- {first.lstrip()}", *rest]
        elif isinstance(value, bool):
            lines.append(f"{start} {str(value).lower()}")
        else:
            lines.append(f'{start} "{value}"' if isinstance(value, str) else f"{start} {value}")
    return lines
