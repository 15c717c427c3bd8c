"""How do we ask the hardware?  The realm's kernel asks its monitor for a token (RSI); we ask the kernel by configfs.

Source: Linux drivers/virt/coco/arm-cca-guest (challenge of 32 to 64 bytes, zero-padded; outblob is the token).
"""

from pathlib import Path
from typing import Final

from attestation.binding import REPORT_DATA_BYTES
from attestation.cca.format import parse_token
from attestation.configfs_tsm import REPORTS, ConfigfsTsm, Files, KernelFiles
from attestation.errors import EvidenceFormatError, NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind

PROVIDER: Final = "arm_cca_guest"


class CcaDevice:
    """Asks the realm management monitor under the realm that we run in."""

    kind: Final = Kind.CCA

    def __init__(self, reports: Path = REPORTS, files: Files | None = None) -> None:
        self._reports = reports
        self._tsm = ConfigfsTsm(reports, files or KernelFiles())

    def usable(self) -> str:
        """Empty, or why there is no monitor to ask."""
        try:
            provider = self._tsm.provider()
        except NoDevice as error:
            return str(error)
        except OSError as error:
            return f"{self._reports}: {error.strerror}"
        return "" if provider == PROVIDER else f"{self._reports}: the provider is '{provider}', not '{PROVIDER}'"

    def issue(self, report_data: bytes) -> Evidence:
        """A token whose realm challenge is these 64 bytes.  Raises NoDevice if there is none to get."""
        if len(report_data) != REPORT_DATA_BYTES:
            raise ValueError(f"report data: expected {REPORT_DATA_BYTES} bytes, got {len(report_data)}")
        report = self._tsm.report(report_data)
        if report.provider != PROVIDER:
            raise NoDevice(f"{self._reports}: expected provider '{PROVIDER}', got '{report.provider}'")
        try:
            challenge = parse_token(report.outblob).realm.challenge
        except EvidenceFormatError as error:
            raise NoDevice(f"{self._reports}: {error}") from error
        if challenge != report_data:
            raise NoDevice(f"{self._reports}: expected a token with our challenge, got one with another")
        return Evidence(Kind.CCA, report.outblob)
