"""A coordinator for one's own desk: simulated hardware in a folder, loopback addresses.  Proves nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attestation.issue import SIMULATION, SIMULATION_KIND
from attestation.kinds import Kind
from attestation.simulation.folder import COLLATERAL_FILE, TRUST_FILE, create
from attestation.simulation.measure import measure_program
from coordinator.measured import SECTIONS, sections_of, yaml_lines
from coordinator.program import own_program

DEFAULT_FOLDER: Final = "enclasp-dev"


def prepare(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Make what a dev coordinator needs, and return the environment that leads to it.

    The folder gets `simulation/` (simulated vendors of every platform: trust.pem, collateral.json), `reference.yaml`
    (the coordinator's own reference values on its platform, for `enclasp verify --reference`) and `state/`.
    """
    simulation = folder / "simulation"
    if not (simulation / TRUST_FILE).exists():
        create(simulation)
    (folder / "reference.yaml").write_text(_reference(environ.get(SIMULATION_KIND) or Kind.TDX.value))
    defaults = {
        "EDG_COORDINATOR_CLIENT_ADDR": "127.0.0.1:4433",
        "EDG_COORDINATOR_MESH_ADDR": "127.0.0.1:2001",
        "EDG_COORDINATOR_SEAL_DIR": str(folder / "state"),
        "ENCLASP_COLLATERAL": str(simulation / COLLATERAL_FILE),
        "ENCLASP_TRUST": str(simulation / TRUST_FILE),
        SIMULATION: str(simulation),
    }
    return {**defaults, **{name: value for name, value in environ.items() if value}}


def _reference(kind: str) -> str:
    """Of a platform; of all where it is none that measures programs, which the start then refuses."""
    measured = sections_of(measure_program(own_program()))
    section = SECTIONS.get(Kind(kind)) if kind in SECTIONS else None
    lines = yaml_lines(measured if section is None else {section: measured[section]})
    comment = "# Reference values of this coordinator on SIMULATED hardware; they change with its code."
    return "\n".join((comment, *lines, ""))
