"""Does an event log lead to the registers of this quote?  One check for each register."""

from typing import Final

from attestation.checks import Check, failed, not_checked, passed
from attestation.claims import Claims
from attestation.errors import EvidenceFormatError
from attestation.tdx.codes import CODES, LOG_DIFFERS, LOG_FORMAT, LOG_SILENT
from attestation.tdx.event_log import REGISTERS, parse_event_log, replay

_SOURCE: Final = "TCG PC Client Platform Firmware Profile 1.05, 10; UEFI 2.10, 38.4.1"


def event_log_checks(raw: bytes, claims: Claims) -> tuple[Check, ...]:
    """claims: of the quote that the log is said to belong to.  Never raises."""
    try:
        events = parse_event_log(raw)
    except EvidenceFormatError as error:
        hint = CODES[LOG_FORMAT][1]
        return (failed("tdx.event-log", "a whole event log (CCEL)", str(error), _SOURCE, hint, LOG_FORMAT),)
    led_to = replay(events)
    checks = [passed("tdx.event-log", "a whole event log (CCEL)", f"{len(events)} events", _SOURCE)]
    for number in range(REGISTERS):
        name, found = f"tdx.event-log.rtmr{number}", led_to.get(number)
        register = claims.measurements[f"rtmr{number}"]
        if found is None and any(register):
            words, hint = "no event of it", CODES[LOG_SILENT][1]
            checks.append(not_checked(name, register.hex(), words, _SOURCE, hint, LOG_SILENT))
        elif found is None or found == register:
            checks.append(passed(name, register.hex(), "the log leads there", _SOURCE))
        else:
            checks.append(failed(name, register.hex(), found.hex(), _SOURCE, CODES[LOG_DIFFERS][1], LOG_DIFFERS))
    return tuple(checks)
