"""How do we ask the hardware?  The realm's kernel asks its monitor for a token (RSI); we ask the kernel by configfs.

Source: Linux drivers/virt/coco/arm-cca-guest (challenge of 32 to 64 bytes, zero-padded; outblob is the token).
"""

from pathlib import Path
from typing import Final

from attestation.binding import whole_report_data
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
        return self._tsm.obstacle(PROVIDER)

    def issue(self, report_data: bytes) -> Evidence:
        """A token whose realm challenge is these 64 bytes.  Raises NoDevice if there is none to get."""
        whole_report_data(report_data)
        report = self._tsm.report_of(PROVIDER, report_data)
        try:
            challenge = parse_token(report.outblob).realm.challenge
        except EvidenceFormatError as error:
            raise NoDevice(f"{self._reports}: {error}") from error
        if challenge != report_data:
            raise NoDevice(f"{self._reports}: expected a token with our challenge, got one with another")
        return Evidence(Kind.CCA, report.outblob)
