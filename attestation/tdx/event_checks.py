"""Does an event log lead to the registers of this quote?  One check for each register."""

from typing import Final

from attestation.checks import Check
from attestation.claims import Claims
from attestation.errors import EvidenceFormatError
from attestation.tdx.codes import LOG_DIFFERS, LOG_FORMAT, LOG_SILENT
from attestation.tdx.event_log import REGISTERS, parse_event_log, replay
from attestation.tdx.steps import missing, settled

_SOURCE: Final = "TCG PC Client Platform Firmware Profile 1.05, 10; UEFI 2.10, 38.4.1"


def event_log_checks(raw: bytes, claims: Claims) -> tuple[Check, ...]:
    """claims: of the quote that the log is said to belong to.  Never raises."""
    name, expected = "tdx.event-log", "a whole event log (CCEL)"
    try:
        events = parse_event_log(raw)
    except EvidenceFormatError as error:
        return (settled(False, name, expected, str(error), _SOURCE, LOG_FORMAT),)
    led_to = replay(events)
    checks = [settled(True, name, expected, f"{len(events)} events", _SOURCE, LOG_FORMAT)]
    for number in range(REGISTERS):
        name, found = f"tdx.event-log.rtmr{number}", led_to.get(number)
        register = claims.measurements[f"rtmr{number}"]
        if found is None and any(register):
            checks.append(missing(name, register.hex(), "no event of it", _SOURCE, LOG_SILENT))
        elif found is None or found == register:
            checks.append(settled(True, name, register.hex(), "the log leads there", _SOURCE, LOG_DIFFERS))
        else:
            checks.append(settled(False, name, register.hex(), found.hex(), _SOURCE, LOG_DIFFERS))
    return tuple(checks)
