"""The simulated environment that a coordinator or marble runs in: Evidence and sealing keys from a vendor's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from attestation.errors import EndorsementFormatError, NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.measure import measure_program
from attestation.simulation.vendor import load

SEALING_MODES: Final = ("ProductKey", "UniqueKey")


class SimulatedIssuer:
    """Issues Evidence of a program, measured now, on the vendor's machine."""

    def __init__(self, folder: Path, kind: Kind, program: Sequence[str]) -> None:
        """Raises NoDevice if the folder holds no simulated vendor, OSError if the program cannot be read."""
        try:
            vendor = load(folder)
        except EndorsementFormatError as error:
            raise NoDevice(f"simulated environment: {error}") from error
        self.kind = kind
        self.simulated = True
        self._seal_secret = vendor.seal_secret
        self._measurement = measure_program(program)
        self._quoting_enclave = QuotingEnclave(vendor.machine, kind)

    def issue(self, report_data: bytes) -> Evidence:
        """A quote over 64 bytes of report data."""
        if self.kind is Kind.SGX:
            enclave = Enclave(self._measurement.mrenclave, self._measurement.mrsigner)
            return self._quoting_enclave.quote_enclave(enclave, report_data)
        return self._quoting_enclave.quote_trust_domain(TrustDomain(self._measurement.mrtd), report_data)

    def sealing_key(self, mode: str) -> bytes:
        """32 bytes: of this very program ("UniqueKey"), or of every program of the simulated signer ("ProductKey").

        Both are of this vendor's folder only, as a CPU's sealing keys are of that CPU only.
        Raises ValueError for another mode.
        """
        if mode not in SEALING_MODES:
            raise ValueError(f"sealing mode: expected one of {', '.join(SEALING_MODES)}, got '{mode}'")
        unique = self._measurement.mrtd if self.kind is Kind.TDX else self._measurement.mrenclave
        identity = unique if mode == "UniqueKey" else self._measurement.mrsigner
        info = b"enclasp simulated sealing key v1\0" + self.kind.encode() + b"\0" + mode.encode() + b"\0" + identity
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._seal_secret)
