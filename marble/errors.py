"""Why did a marble not start?  One type for each person who has to act; the exit code follows it (design.md, 9)."""

from collections.abc import Sequence
from typing import Final


class MarbleError(Exception):
    """Base of this package's errors.  code: of `enclasp explain`; hint: the next step, or empty."""

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        self.code = code
        self.message = message
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class SettingsInvalid(MarbleError):
    """The environment or the command line of the launcher is wrong: whoever deploys must change it."""

    exit_code = 2


class ParametersInvalid(MarbleError):
    """What the coordinator gave cannot be laid down here: the manifest, or this machine, must change."""

    exit_code = 3


class ActivationRefused(MarbleError):
    """The coordinator understood the request and will not do it.

    status: name of the gRPC status, e.g. PERMISSION_DENIED; reason: the coordinator's own words.
    """

    def __init__(self, code: str, status: str, reason: str, hint: str = "") -> None:
        self.status = status
        self.reason = reason
        self.exit_code = _EXIT_CODES.get(status, 4)
        super().__init__(code, f"the coordinator refused the activation ({status}): {reason}", hint)


_EXIT_CODES: Final = {"INVALID_ARGUMENT": 3, "UNAUTHENTICATED": 7}


class CoordinatorNotTrusted(MarbleError):
    """This coordinator is not the one that the marble was told to trust; nothing of its answer was used."""

    exit_code = 4

    def __init__(self, code: str, what: str, reasons: Sequence[str], hint: str = "") -> None:
        self.reasons = tuple(reasons)
        super().__init__(code, "\n  ".join([f"the coordinator is not trusted: {what}", *self.reasons]), hint)


class CoordinatorUnreachable(MarbleError):
    """No answer within the time that the marble was given."""

    exit_code = 6
