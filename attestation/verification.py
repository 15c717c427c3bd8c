"""The outcome of verification: genuine or not, with every check; and the proof type `Attested`."""

from dataclasses import dataclass

from attestation.checks import Check, Status
from attestation.claims import Claims
from attestation.errors import AttestationError
from attestation.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Attested:
    """Claims that hardware (or a simulated vendor that the operator configured) really made.

    Made only by `Verification.attested`; a function that takes it cannot be called with unverified Claims.
    """

    evidence: Evidence
    claims: Claims
    simulated: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What verification found.  `claims` are what the Evidence says, trusted or not.

    genuine: every check that signatures, chains, dates and bindings need has passed.
    complete: no endorsement was missing (else the verdict is "none").
    """

    evidence: Evidence
    claims: Claims
    genuine: bool
    complete: bool
    simulated: bool
    checks: tuple[Check, ...]

    def attested(self) -> Attested:
        """The Claims as proof.  Raises NotGenuine with every check that did not pass."""
        if not self.genuine:
            raise NotGenuine(tuple(c for c in self.checks if c.status is not Status.PASSED))
        return Attested(self.evidence, self.claims, self.simulated, self.checks)


class NotGenuine(AttestationError):
    """The Evidence is not what the hardware said, or could not be shown to be."""

    def __init__(self, checks: tuple[Check, ...]) -> None:
        self.checks = checks
        super().__init__("; ".join(check.sentence for check in checks))
