"""A coordinator for one's own desk: simulated hardware in a folder, loopback addresses.  Proves nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attestation.issue import GPUS, SIMULATION, SIMULATION_KIND
from attestation.kinds import Kind
from attestation.simulation.folder import COLLATERAL_FILE, TRUST_FILE, create
from attestation.simulation.measure import measure_program
from coordinator.config import ConfigInvalid
from coordinator.journal.sqlite import DATABASE_NAME
from coordinator.measured import SECTIONS, Section, sections_of, yaml_lines
from coordinator.program import own_program

DEFAULT_FOLDER: Final = "enclasp-dev"


def prepare(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Make what a dev coordinator needs, and return the environment that leads to it.

    The folder gets `simulation/` (simulated vendors of every platform: trust.pem, collateral.json), `reference.yaml`
    (the coordinator's own reference values on its platform, for `enclasp verify --reference`) and `state/`.
    Raises ConfigInvalid where a state lies beside them, which would be ignored.
    """
    if (folder / DATABASE_NAME).exists() and not (folder / "state" / DATABASE_NAME).exists():
        raise ConfigInvalid(
            f"{folder}: {DATABASE_NAME} is in it, and with --dev the state belongs into {folder / 'state'}: move it "
            "there with what lies beside it, or start without --dev"
        )
    simulation = folder / "simulation"
    if not (simulation / TRUST_FILE).exists():
        create(simulation)
    (folder / "reference.yaml").write_text(reference_values(environ))
    defaults = {
        "EDG_COORDINATOR_CLIENT_ADDR": "127.0.0.1:4433",
        "EDG_COORDINATOR_MESH_ADDR": "127.0.0.1:2001",
        "EDG_COORDINATOR_SEAL_DIR": str(folder / "state"),
        "ENCLASP_COLLATERAL": str(simulation / COLLATERAL_FILE),
        "ENCLASP_TRUST": str(simulation / TRUST_FILE),
        SIMULATION: str(simulation),
    }
    return {**defaults, **{name: value for name, value in environ.items() if value}}


def reference_values(environ: Mapping[str, str]) -> str:
    """YAML for `--reference`: of the simulated platform; of all where it measures no programs (a start refuses it).

    What a marble's reader of plain lines cannot read is JSON, which is YAML too.
    """
    sections: Section = sections_of(measure_program(own_program()))
    kind = environ.get(SIMULATION_KIND) or Kind.TDX.value
    if kind in SECTIONS:
        sections = {SECTIONS[Kind(kind)]: sections[SECTIONS[Kind(kind)]]}
    if environ.get(GPUS):
        sections = {"AllOf": [sections, {"NvidiaGPU": {"RIMs": True}}]}
    if environ.get(GPUS) or kind == Kind.AZURE_VTPM:
        return json.dumps(sections, indent=1) + "\n"
    comment = "# Reference values of this coordinator on SIMULATED hardware; they change with its code."
    return "\n".join((comment, *yaml_lines(sections), ""))
