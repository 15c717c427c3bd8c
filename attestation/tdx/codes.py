"""Message codes of TDX event logs: code -> (title, hint).  The codes of quotes are in attestation/codes.py."""

from collections.abc import Mapping
from typing import Final

LOG_FORMAT: Final = "V305"
LOG_DIFFERS: Final = "V306"
LOG_SILENT: Final = "V307"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    LOG_FORMAT: (
        "the event log is malformed",
        "give the firmware's log as the kernel shows it (/sys/firmware/acpi/tables/data/CCEL)",
    ),
    LOG_DIFFERS: (
        "the event log does not lead to a register of the quote",
        "it is another machine's or another start's, or somebody changed it: believe nothing that it says",
    ),
    LOG_SILENT: (
        "the event log says nothing of a register that was extended",
        "the system extended it after the firmware: name its value, or get that part of the log from the system",
    ),
}
