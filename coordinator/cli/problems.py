"""What the command line says when something is refused: one form for people, one for programs."""

import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coordinator.cli import exit_codes


@dataclass(eq=False)
class Problem(Exception):
    """code: of `enclasp explain`, or empty.  hint: where it is empty, the one of the code's table is said.

    detail: lines that stand between message and hint, as they are.  data: the same for programs, beside the others.
    """

    message: str
    exit_code: int
    code: str = ""
    hint: str = ""
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


def as_text(problem: Problem) -> str:
    """`error[CODE]: message`, the detail, and the hint; without a newline at the end."""
    lines = [f"error[{problem.code}]: {problem.message}" if problem.code else f"error: {problem.message}"]
    if problem.detail:
        lines.append(problem.detail)
    if (hint := _hint(problem)) and f"hint: {hint}" not in problem.detail:
        lines.append(f"  hint: {hint}")
    if problem.code:
        lines.append(f"  see: enclasp explain {problem.code}")
    return "\n".join(lines)


def as_json(problem: Problem) -> str:
    """`{"error": {...}}` with stable keys."""
    error = {"code": problem.code or None, "message": problem.message, "hint": _hint(problem) or None}
    return json.dumps({"error": error | dict(problem.data)}, indent=2, ensure_ascii=False)


def say(problem: Problem, *, machine: bool) -> None:
    """Write the problem on stderr.  That nobody reads it (`2>&1 | head`) changes nothing of the exit code."""
    with contextlib.suppress(BrokenPipeError):
        print(as_json(problem) if machine else as_text(problem), file=sys.stderr)


def translate(error: Exception) -> Problem | None:
    """The problem that an error of one of our rooms stands for; None if it is none of them, so a mistake of ours.

    The only table from error types to exit codes.
    """
    found = _of_client(error) or _of_attestation(error) or _of_manifest(error) or _of_recovery(error)
    return found or _of_pki(error) or _of_system(error)


def _of_client(error: Exception) -> Problem | None:
    from coordinator.client import errors

    if not isinstance(error, errors.ClientError):
        return None
    exits: tuple[tuple[type[errors.ClientError], int], ...] = (
        (errors.EndpointInvalid, exit_codes.USAGE),
        (errors.Unreachable, exit_codes.UNREACHABLE),
        (errors.AnswerInvalid, exit_codes.UNREACHABLE),
        (errors.Distrusted, exit_codes.REFUSED),
        (errors.NotAuthorised, exit_codes.NOT_AUTHORISED),
        (errors.InRecovery, exit_codes.RECOVERY),
    )
    exit_code = next((code for kind, code in exits if isinstance(error, kind)), exit_codes.INVALID)
    message, _, rest = str(error).partition("\n")
    return Problem(message, exit_code, error.code, error.hint, detail=rest.rstrip())


def _of_attestation(error: Exception) -> Problem | None:
    from attestation.errors import AttestationError

    if not isinstance(error, AttestationError):
        return None
    return Problem(str(error), exit_codes.INVALID, "U509")


def _of_manifest(error: Exception) -> Problem | None:
    if "coordinator.manifest.errors" not in sys.modules:
        return None
    from coordinator.manifest.errors import ManifestInvalid

    if not isinstance(error, ManifestInvalid):
        return None
    from coordinator.manifest.report import findings_json, render_findings

    return Problem(
        f"{error.name} is refused",
        exit_codes.INVALID,
        "E000",
        "repair each place above; `enclasp manifest schema` prints what an editor needs to help",
        detail=render_findings(error.name, error.findings),
        data={"findings": findings_json(error.name, error.findings)["findings"]},
    )


def _of_recovery(error: Exception) -> Problem | None:
    if "coordinator.recovery.errors" not in sys.modules:
        return None
    from coordinator.recovery.errors import RecoveryError

    return Problem(str(error), exit_codes.INVALID, error.code) if isinstance(error, RecoveryError) else None


def _of_pki(error: Exception) -> Problem | None:
    from pki.certificates import CertificateFormatError

    if isinstance(error, CertificateFormatError):
        return Problem(str(error), exit_codes.INVALID, "U503")
    return None


def _of_system(error: Exception) -> Problem | None:
    if isinstance(error, OSError) and error.filename is not None:
        return Problem(f"{error.filename}: {error.strerror}", exit_codes.INVALID, "U501")
    return None


def _hint(problem: Problem) -> str:
    from coordinator.codes import MESSAGES

    message = MESSAGES.get(problem.code)
    return problem.hint or ("" if message is None else message.hint)


def bug(error: Exception) -> Problem:
    """An exception that nobody expected: a mistake of ours."""
    return Problem(
        f"unexpected {type(error).__name__}: {str(error)[:500]}",
        exit_codes.BUG,
        hint="this is a bug of Enclasp, please report it with the output of the same command "
        "under ENCLASP_DEBUG=1 (look it over for secrets first)",
    )
