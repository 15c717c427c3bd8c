"""The simulated environment that a coordinator or marble runs in: Evidence and sealing keys from a vendors' folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from attestation.errors import EndorsementFormatError, NoDevice, foreign_package
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.folder import seal_secret
from attestation.simulation.machines import open_machine
from attestation.simulation.measure import SIMULATED_SIGNER, measure_program

SEALING_MODES: Final = ("ProductKey", "UniqueKey")


class SimulatedIssuer:
    """Issues Evidence of a program, measured now, on the folder's machine of a platform."""

    def __init__(self, folder: Path, kind: Kind, program: Sequence[str], host_data: bytes = b"") -> None:
        """host_data: what the host gave to the hardware at launch.

        Raises NoDevice if the folder holds no simulated vendor of it, OSError if the program cannot be read."""
        measured = replace(measure_program(program), host_data=host_data)
        try:
            self._seal_secret = seal_secret(folder)
            self._issue = open_machine(folder, kind, measured)
        except EndorsementFormatError as error:
            raise NoDevice(f"simulated environment: {error}") from error
        except ModuleNotFoundError as error:
            package = foreign_package(error)
            raise NoDevice(f"simulated {kind}: it needs the Python package '{package}', which is missing") from error
        self.kind = kind
        self.simulated = True
        self._unique = measured.mrenclave if kind is Kind.SGX else measured.mrtd

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence over 64 bytes of report data.  Raises ValueError for another length."""
        return self._issue(report_data)

    def sealing_key(self, mode: str) -> bytes:
        """32 bytes: of this very program ("UniqueKey"), or of every program of the simulated signer ("ProductKey").

        Both are of this vendors' folder only, as a CPU's sealing keys are of that CPU only.  More generous than
        hardware, where SGX and SEV-SNP alone have such keys.
        Raises ValueError for another mode.
        """
        if mode not in SEALING_MODES:
            raise ValueError(f"sealing mode: expected one of {', '.join(SEALING_MODES)}, got '{mode}'")
        identity = self._unique if mode == "UniqueKey" else SIMULATED_SIGNER
        info = b"enclasp simulated sealing key v1\0" + self.kind.encode() + b"\0" + mode.encode() + b"\0" + identity
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._seal_secret)
