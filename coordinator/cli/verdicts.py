"""How a verdict looks to people.  The data is `Verdict.as_json`; here are only marks, columns and words."""

from collections.abc import Iterable

from attestation.appraisal import Verdict

from attestation.checks import Check, Status
from coordinator.cli.output import paint

SIMULATED = "SIMULATED: a simulated vendor that you configured made this evidence; it proves nothing about hardware"

_MARKS = {Status.PASSED: ("✓", "green"), Status.FAILED: ("✗", "red"), Status.NOT_CHECKED: ("‼", "yellow")}


def banner(simulated: bool) -> list[str]:
    """The line that must stand over everything simulated."""
    return [paint(SIMULATED, "yellow")] if simulated else []


def verdict_lines(verdict: Verdict) -> list[str]:
    """The whole verdict: what it is, what the evidence says, and every check."""
    colour = "green" if verdict.outcome == "affirming" else "yellow" if verdict.outcome == "warning" else "red"
    claims = verdict.as_json()["claims"]
    lines = [
        *banner(verdict.simulated),
        f"verdict       {paint(str(verdict.outcome), colour)}",
        f"genuine       {_yes(verdict.genuine)}",
        f"platform      {verdict.platform}",
        *claim_lines(claims),
        "checks",
        *check_lines(verdict.checks),
    ]
    return lines


def claim_lines(claims: dict[str, object]) -> list[str]:
    """Name and value of every claim, measurements one below the other."""
    lines = []
    for name, value in claims.items():
        if isinstance(value, dict):
            lines.append(name)
            lines.extend(f"  {key:<20} {text}" for key, text in value.items())
        else:
            lines.append(f"{name:<13} {_text(value)}")
    return lines


def check_lines(checks: Iterable[Check]) -> list[str]:
    """One line for a check that passed; expected, found, source and hint for one that did not."""
    lines = []
    for check in checks:
        mark, colour = _MARKS[check.status]
        code = f"  {check.code}" if check.code else ""
        lines.append(f" {paint(mark, colour)} {check.name:<34} {check.status}{code}")
        if check.status is not Status.PASSED:
            lines.append(f"     expected  {check.expected}")
            lines.append(f"     found     {check.found}")
            lines.append(f"     source    {check.source}")
            if check.hint:
                lines.append(f"     hint      {check.hint}")
    return lines


def check_json(check: Check) -> dict[str, str]:
    """A check as design.md 9 has it, with its message code beside."""
    return {
        "name": check.name,
        "status": str(check.status),
        "expected": check.expected,
        "found": check.found,
        "source": check.source,
        "hint": check.hint,
        "code": check.code,
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "none"
    return "unknown" if value is None else str(value)
