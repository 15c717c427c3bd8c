"""What this program's own evidence says, as others see it."""

from datetime import datetime

from attestation.appraisal import Outcome, judge
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import Claims
from attestation.issue import Issuer
from attestation.likeness import Alike
from attestation.verify import Verifier

_NOTHING_SAID = bytes(64)


class OwnEvidenceRefused(Exception):
    """Nobody could verify this program's evidence with the trust anchors and endorsements that it has itself."""


def own_claims(issuer: Issuer, verifier: Verifier, *, now: datetime) -> Claims:
    """Slow: asks the device.  Raises OwnEvidenceRefused, which names the checks that did not pass."""
    verification = verifier.verify(issuer.issue(_NOTHING_SAID), Unbound(), now=now)
    verdict = judge(verification, (Alike(verification.claims),))
    if verdict.outcome is not Outcome.AFFIRMING:
        wrong = [check for check in verdict.checks if check.status is not Status.PASSED]
        text = "; ".join(check.sentence for check in wrong)
        raise OwnEvidenceRefused(f"this coordinator's own evidence cannot be verified here: {text}")
    return verification.claims
