"""A check is data: what was looked at, what was expected, what was found, who asked for it, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from attestation.codes import CODES


class Status(StrEnum):
    """How a check ended.  Not checked is never a pass: a policy decides, and the default refuses."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One named step of verification or appraisal.

    name: dotted and stable, e.g. `quote.signature`, `tdx.mrtd`.
    source: where the expectation stands (manifest line, default policy, specification section).
    code: message code of `enclasp explain` for a check that did not pass, else empty.
    """

    name: str
    status: Status
    expected: str
    found: str
    source: str
    hint: str = ""
    code: str = ""

    @property
    def sentence(self) -> str:
        """What was expected and what was found, for people."""
        return f"{self.name}: expected {self.expected}, found {self.found}"


def passed(name: str, expected: str, found: str, source: str) -> Check:
    """A check that holds."""
    return Check(name, Status.PASSED, expected, found, source)


def failed(name: str, expected: str, found: str, source: str, hint: str = "", code: str = "") -> Check:
    """A check that does not hold."""
    return Check(name, Status.FAILED, expected, found, source, hint, code)


def not_checked(name: str, expected: str, found: str, source: str, hint: str = "", code: str = "") -> Check:
    """A check for which something was missing; `found` says what."""
    return Check(name, Status.NOT_CHECKED, expected, found, source, hint, code)


@dataclass(frozen=True, slots=True)
class Steps:
    """Checks that carry a code with its hint.  codes: a room's own, beside those of all kinds."""

    codes: Mapping[str, tuple[str, str]]

    def settled(self, holds: bool, name: str, expected: str, found: str, source: str, code: str) -> Check:
        """Passed or failed, by `holds`; a failed one carries the code and its hint."""
        if holds:
            return passed(name, expected, found, source)
        return failed(name, expected, found, source, self._hint(code), code)

    def missing(self, name: str, expected: str, found: str, source: str, code: str) -> Check:
        """Not checked, with the code and its hint."""
        return not_checked(name, expected, found, source, self._hint(code), code)

    def _hint(self, code: str) -> str:
        return (self.codes.get(code) or CODES[code])[1]


_OF_ALL_KINDS: Final = Steps({})
settled = _OF_ALL_KINDS.settled
missing = _OF_ALL_KINDS.missing
