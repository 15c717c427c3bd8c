"""On which confidential computing environment do we run?  The one place that looks for it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from attestation.collect.finder import INTERFACES, find
from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.device import SimulatedIssuer

SIMULATION: Final = "ENCLASP_SIMULATION"
SIMULATION_KIND: Final = "ENCLASP_SIMULATION_KIND"
SIMULATION_HOST_DATA: Final = "ENCLASP_SIMULATION_HOST_DATA"
GPUS: Final = "ENCLASP_GPUS"
SIMULATED_KINDS: Final = (Kind.TDX, Kind.SGX, Kind.SEV_SNP, Kind.NITRO, Kind.CCA, Kind.AZURE_VTPM)


class Issuer(Protocol):
    """What an environment can do for the program in it."""

    @property
    def kind(self) -> Kind:
        """The kind of Evidence that it issues."""

    @property
    def simulated(self) -> bool:
        """Whether this is no hardware at all."""

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence over 64 bytes of report data."""

    def sealing_key(self, mode: str) -> bytes:
        """32 bytes that only this program ("UniqueKey"), or programs of its signer ("ProductKey"), get here again.

        Raises NoSealingKey where the environment has no such key, ValueError for another mode.
        """


def find_issuer(environ: Mapping[str, str], program: Sequence[str]) -> Issuer:
    """The environment that we run in.  program: the command line to measure, used in simulation only.

    Simulation is chosen only by ENCLASP_SIMULATION, a simulated vendors' folder; ENCLASP_SIMULATION_HOST_DATA is what
    its host gave at launch, in hex.  With ENCLASP_GPUS=all the evidence is
    of the machine's GPUs too.
    Raises NoDevice, which says for each interface to hardware what was looked for, and why it cannot be used.
    """
    gpus = environ.get(GPUS, "")
    if gpus not in ("", "all"):
        raise NoDevice(f"{GPUS}: expected 'all', or nothing, got '{gpus}'")
    folder = environ.get(SIMULATION, "")
    if not folder:
        return with_gpus(_hardware()) if gpus else _hardware()
    issuer = _simulated(Path(folder), environ, program)
    return _with_simulated_gpu(issuer, Path(folder), program) if gpus else issuer


def _hardware() -> Issuer:
    try:
        return find(INTERFACES)
    except NoDevice as error:
        raise NoDevice(f"no confidential computing environment: {SIMULATION} is not set, and {error}") from error


def _simulated(folder: Path, environ: Mapping[str, str], program: Sequence[str]) -> Issuer:
    name = environ.get(SIMULATION_KIND) or Kind.TDX.value
    if name not in SIMULATED_KINDS:
        raise NoDevice(f"{SIMULATION_KIND}: expected {' or '.join(SIMULATED_KINDS)}, got '{name}'")
    given = environ.get(SIMULATION_HOST_DATA, "")
    if not re.fullmatch(r"([0-9a-f]{2}){0,64}", given):
        raise NoDevice(f"{SIMULATION_HOST_DATA}: expected at most 64 bytes in hex, got {given[:80]!a}")
    return SimulatedIssuer(folder, Kind(name), program, bytes.fromhex(given))


def with_gpus(issuer: Issuer) -> Issuer:
    """Of the machine's GPUs too.  Raises NoDevice if there is none."""
    from attestation.composite.device import CompositeIssuer
    from attestation.nvidia_gpu.device import all_devices

    return CompositeIssuer(issuer, all_devices())


def _with_simulated_gpu(issuer: Issuer, folder: Path, program: Sequence[str]) -> Issuer:
    from attestation.composite.device import CompositeIssuer

    return CompositeIssuer(issuer, (SimulatedIssuer(folder, Kind.NVIDIA_GPU, program),))
