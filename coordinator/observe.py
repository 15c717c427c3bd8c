"""Say aloud what happened: structured log and metrics.  Never a secret."""

import contextlib
import json
import logging
import sys
from collections.abc import Mapping

from attestation.checks import Check
from attestation.waivers import WAIVED
from coordinator.meters import Meters

_log = logging.getLogger("enclasp")


class _Stderr:
    """One line at a time.  A line that cannot be written is lost: the log must not decide what is served."""

    def write(self, text: str) -> None:
        """Write and flush."""
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()

    def flush(self) -> None:
        """Every write is flushed."""


class _JsonLines(logging.Formatter):
    """One JSON object a line, of our own and of what libraries log: level, ts (seconds), msg and fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        line = {"level": record.levelname.lower(), "ts": record.created, "msg": record.getMessage(), **fields}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str, *, http: str = "error") -> None:
    """One JSON object a line on stderr, as MarbleRun's logs have them.

    level: of our own lines.  http: of what goes wrong in the servers below them.  Libraries only warn.
    """
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    _log.setLevel(level.upper())
    logging.getLogger("coordinator.rest").setLevel(http.upper())


class Observer:
    """The one place that logs and counts."""

    def __init__(self, version: str) -> None:
        self.meters = Meters(version)

    def info(self, message: str, **fields: object) -> None:
        """A line of the log at level info."""
        _log.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: object) -> None:
        """Something that an operator should look at."""
        _log.warning(message, extra={"fields": fields})

    def error(self, message: str, *, exc_info: bool = False, **fields: object) -> None:
        """Something failed; `exc_info=True` adds the traceback."""
        _log.error(message, exc_info=exc_info, extra={"fields": fields})

    def phase(self, code: int) -> None:
        """The Coordinator is now in this phase."""
        self.meters.phase(code)

    def activated(
        self,
        marble: str,
        uuid: str,
        *,
        simulated: bool,
        join: str,
        evidence: str,
        waived: tuple[Check, ...],
    ) -> None:
        """A marble was admitted.

        join: by which protocol.  evidence: SHA-256 of its Evidence in hex.  waived: a check for each waiver in use.
        """
        self.meters.activated(marble)
        self.info(
            "marble activated",
            marble=marble,
            uuid=uuid,
            join=join,
            evidence_sha256=evidence,
            hardware="SIMULATED" if simulated else "genuine",
        )
        self._waivers(marble, waived)

    def renewed(
        self,
        marble: str,
        uuid: str,
        *,
        simulated: bool,
        evidence: str,
        until: str,
        waived: tuple[Check, ...],
    ) -> None:
        """A marble that runs was given new certificates.  until: the end of its own; the others: as for `activated`."""
        self.meters.renewed(marble)
        self.info(
            "marble renewed",
            marble=marble,
            uuid=uuid,
            until=until,
            evidence_sha256=evidence,
            hardware="SIMULATED" if simulated else "genuine",
        )
        self._waivers(marble, waived)

    def refused(self, marble: str, code: str, reason: str) -> None:
        """A marble was refused.  marble: a type of the manifest, or "unknown"; reason: the whole verdict."""
        self.meters.refused(marble, code)
        self.warning("marble refused", marble=marble, code=code, reason=reason)

    def renewal_refused(self, code: str, reason: str) -> None:
        """A marble was given no new certificates.  reason: the whole verdict."""
        self.meters.renewal_refused(code)
        self.warning("renewal refused", code=code, reason=reason)

    def _waivers(self, marble: str, waived: tuple[Check, ...]) -> None:
        for waiver in waived:
            say = self.info if waiver.code == WAIVED else self.warning
            say("waiver in use", marble=marble, waiver=waiver.expected, today=waiver.found, stands=waiver.source)
