"""How a verdict looks to people.  The data is `Verdict.as_json`; here are only marks, columns and words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attestation.appraisal import Verdict
from attestation.checks import Check, Status
from coordinator.cli.output import paint

SIMULATED = "SIMULATED: a simulated vendor made this evidence; it proves nothing about hardware"

_MARKS = {Status.PASSED: ("✓", "green"), Status.FAILED: ("✗", "red"), Status.NOT_CHECKED: ("‼", "yellow")}


def banner(simulated: bool) -> list[str]:
    """The line that must stand over everything simulated."""
    return [paint(SIMULATED, "yellow")] if simulated else []


def verdict_lines(verdict: Verdict) -> list[str]:
    """The whole verdict: what it is, what the evidence says, and every check."""
    colour = "green" if verdict.outcome == "affirming" else "yellow" if verdict.outcome == "warning" else "red"
    claims = verdict.as_json()["claims"]
    return [
        *banner(verdict.simulated),
        f"{'verdict':<26}{paint(str(verdict.outcome), colour)}",
        f"{'genuine':<26}{_yes(verdict.genuine)}",
        f"{'platform':<26}{verdict.platform}",
        *_reasons(verdict.checks),
        *claim_lines(claims),
        "checks",
        *check_lines(verdict.checks),
    ]


def _reasons(checks: Iterable[Check]) -> Iterator[str]:
    """What failed and what was not checked, by name: the reasons of a verdict, told before everything that passed."""
    for status in (Status.FAILED, Status.NOT_CHECKED):
        names = list(dict.fromkeys(check.name for check in checks if check.status is status))
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield f"{status:<26}{', '.join(names[:_NAMED])}{more}"


def claim_lines(claims: Mapping[str, object]) -> list[str]:
    """Name and value of every claim that there is; measurements one below the other."""
    lines = []
    for name, value in claims.items():
        if isinstance(value, dict):
            lines.append(name)
            lines.extend(f"  {key:<24}{text}" for key, text in value.items())
        elif value is not None:
            lines.append(f"{name:<25} {_text(value)}")
    return lines


def check_lines(checks: Iterable[Check]) -> list[str]:
    """One line for a check that passed; expected, found, source and hint for one that did not, or needed a waiver."""
    lines = []
    for check in checks:
        mark, colour = _MARKS[Status.NOT_CHECKED if _needs_words(check) else check.status]
        code = f"  {check.code}" if check.code else ""
        lines.append(f" {paint(mark, colour)} {check.name:<44} {check.status}{code}")
        if check.status is not Status.PASSED or _needs_words(check):
            lines.append(f"     expected  {check.expected}")
            lines.append(f"     found     {check.found}")
            lines.append(f"     source    {check.source}")
            if check.hint:
                lines.append(f"     hint      {check.hint}")
    return lines


def check_summary(checks: Iterable[Check]) -> list[str]:
    """One line for each group of checks that all passed (a name's first part); the others in full."""
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.name.partition(".")[0], []).append(check)
    lines = []
    for name, members in groups.items():
        missed = [check for check in members if check.status is not Status.PASSED or _needs_words(check)]
        if missed:
            lines.extend(check_lines(missed))
        else:
            count = f"{len(members)} checks passed" if len(members) > 1 else "passed"
            lines.append(f" {paint('✓', 'green')} {name:<23} {count}")
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


_NAMED: Final = 4


def _needs_words(check: Check) -> bool:
    """A check that passed with a message code: by a waiver."""
    return check.status is Status.PASSED and bool(check.code)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)
