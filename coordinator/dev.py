"""A coordinator for one's own desk: simulated hardware in a folder, loopback addresses.  Proves nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attestation.kinds import Kind
from attestation.simulation import vendor
from attestation.simulation.measure import measure_program
from coordinator.program import own_program

DEFAULT_FOLDER: Final = "enclasp-dev"


def prepare(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Make what a dev coordinator needs, and return the environment that leads to it.

    The folder gets `simulation/` (the simulated vendor: trust.pem, collateral.json), `reference.yaml` (the
    coordinator's own reference values, for `enclasp verify --reference`) and `state/`.
    """
    simulation = folder / "simulation"
    if not (simulation / "trust.pem").exists():
        folder.mkdir(parents=True, exist_ok=True)
        vendor.create(simulation)
    kind = environ.get("ENCLASP_SIMULATION_KIND") or Kind.TDX.value
    (folder / "reference.yaml").write_text(_reference(kind))
    defaults = {
        "EDG_COORDINATOR_CLIENT_ADDR": "127.0.0.1:4433",
        "EDG_COORDINATOR_MESH_ADDR": "127.0.0.1:2001",
        "EDG_COORDINATOR_SEAL_DIR": str(folder / "state"),
        "ENCLASP_COLLATERAL": str(simulation / "collateral.json"),
        "ENCLASP_TRUST": str(simulation / "trust.pem"),
        "ENCLASP_SIMULATION": str(simulation),
    }
    return {**defaults, **{name: value for name, value in environ.items() if value}}


def _reference(kind: str) -> str:
    measured = measure_program(own_program())
    values = f'TDX:\n  MRTD: "{measured.mrtd.hex()}"\n'
    if kind == Kind.SGX.value:
        values = f'SGX:\n  MRENCLAVE: "{measured.mrenclave.hex()}"\n'
    return f"# Reference values of this coordinator on SIMULATED hardware; they change with its code.\n{values}"
