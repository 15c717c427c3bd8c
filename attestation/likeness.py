"""Is that the same program as this one, on hardware that is no worse?  For instances that are to trust each other.

No reference values are given from outside, since the host gives configuration too: what the asking program's own
Evidence says is the expectation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from attestation.checks import Check, Status, settled
from attestation.claims import Claims, TcbPolicy
from attestation.codes import LIKENESS
from attestation.kinds import Kind

SOURCE: Final = "this program's own evidence"


@dataclass(frozen=True, slots=True)
class Alike:
    """Reference Values that another instance of the program with these Claims meets, and nothing else.

    The same platform; every measurement, and every detail that changes what the program may do, equal; not
    debuggable; a platform status that is UpToDate or this one's own, with no advisory that this one does not have.
    On a kind of platform that is not in the table nobody is alike.
    """

    mine: Claims

    @property
    def kind(self) -> Kind:
        """This program's own."""
        return self.mine.kind

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand on `claims`, of this kind, with its outcome."""
        mine, kinds = self.mine, ", ".join(sorted(DETAILS))
        checks = (
            _check("likeness.rule", mine.kind in DETAILS, f"one of {kinds}", mine.kind.value),
            _check("likeness.debug", not claims.debuggable, "not debuggable", _word(claims.debuggable)),
            *_program(mine, claims),
        )
        own = frozenset() if mine.tcb_status is None else frozenset({mine.tcb_status})
        policy = TcbPolicy(accepted_statuses=own, accepted_advisories=frozenset(mine.advisories))
        return (*checks, *policy.appraise(claims, {"": SOURCE}))


def is_same_program(mine: Claims, claims: Claims) -> bool:
    """Whether the same program speaks, on whatever hardware of one kind, and debuggable or not."""
    return mine.kind is claims.kind and all(check.status is Status.PASSED for check in _program(mine, claims))


def _program(mine: Claims, claims: Claims) -> Iterator[Check]:
    for name in sorted(mine.measurements.keys() | claims.measurements.keys()):
        expected, found = (_hex(c.measurements.get(name)) for c in (mine, claims))
        yield _check(f"likeness.{name}", expected == found, expected, found)
    for name in DETAILS.get(mine.kind, ()):
        expected, found = (str(c.details.get(name)) for c in (mine, claims))
        yield _check(f"likeness.{name}", expected == found, expected, found)


DETAILS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.SGX: ("isvprodid", "isvsvn", "configid", "configsvn", "attributes", "miscselect"),
    Kind.TDX: ("tdattributes", "xfam"),
    Kind.SEV_SNP: ("policy", "guest_svn", "vmpl"),
}
"""What is no measurement, and yet part of what a program is, by kind."""


def _check(name: str, holds: bool, expected: str, found: str) -> Check:
    return settled(holds, name, expected, found, SOURCE, LIKENESS)


def _hex(value: bytes | None) -> str:
    return "none" if value is None else value.hex()


def _word(debuggable: bool) -> str:
    return "debuggable" if debuggable else "not debuggable"
