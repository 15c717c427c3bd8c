"""Did that machine say it, with those GPUs in it?  From composite evidence to a Verification.

Every part is verified as if it came alone; then come the checks between them.  The processor's evidence is bound to
whatever the peer asks for; each GPU's nonce is derived from the processor's report data (`binding.of_device`), so that
only the program that asked the processor can have asked the GPU, at the same time.
"""

from datetime import datetime
from typing import Final, Protocol

from attestation import codes as common
from attestation.binding import Binding, of_device
from attestation.checks import Check, Status
from attestation.claims import Claims
from attestation.composite.claims import claims_of, labels_of, under
from attestation.composite.codes import MIXED, REPEATED
from attestation.composite.format import parse_composite
from attestation.composite.steps import settled
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.verification import Verification

_SOURCE: Final = "draft-ietf-rats-msg-wrap-23, 3.3"


class VerifyPart(Protocol):
    """How the parts are verified."""

    def __call__(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Every check of a part.  Never raises."""


class CompositeVerifier:
    """Verifies composite evidence through the rooms of its parts."""

    def __init__(self, verify_part: VerifyPart) -> None:
        self._verify_part = verify_part

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Every check of every part, under the part's name, and those between them.  Never raises.  now: aware."""
        try:
            parts = parse_composite(evidence.raw)
        except EvidenceFormatError as error:
            claims = Claims(Kind.COMPOSITE, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (_format_check(str(error)),))
        cpu = self._verify_part(parts.cpu, binding, now=now)
        bound = of_device(cpu.claims.report_data)
        found = (cpu, *(self._verify_part(device, bound, now=now) for device in parts.devices))
        labels = labels_of(tuple(part.claims for part in found))
        between = (_format_check(""), _class_check(found), _distinct_check(found[1:]))
        checks = [*between]
        for label, part in zip(labels, found, strict=True):
            checks += under(label, part.checks)
        return Verification(
            evidence=evidence,
            claims=claims_of(tuple(part.claims for part in found)),
            genuine=all(part.genuine for part in found) and all(c.status is Status.PASSED for c in between),
            complete=all(part.complete for part in found),
            simulated=any(part.simulated for part in found),
            checks=tuple(checks),
        )


def _format_check(problem: str) -> Check:
    expected, found = "a processor's evidence and that of its GPUs", problem or "all parts, whole"
    return settled(not problem, "composite.format", expected, found, _SOURCE, common.FORMAT)


def _class_check(parts: tuple[Verification, ...]) -> Check:
    """A simulated GPU says nothing of a genuine machine, nor the other way round."""
    name, expected = "composite.class", "parts that are all genuine, or all simulated"
    words = ", ".join(f"{part.evidence.kind} {'simulated' if part.simulated else 'not simulated'}" for part in parts)
    alike = len({part.simulated for part in parts}) == 1
    return settled(alike, name, expected, words, "trust anchors", MIXED)


def _distinct_check(devices: tuple[Verification, ...]) -> Check:
    """By the bytes, and by the vendor's identities of the devices where they are told."""
    name, expected = "composite.devices", f"{len(devices)} devices that differ"
    for identities in (
        [device.evidence.raw.hex() for device in devices],
        [device.claims.hardware_id for device in devices if device.claims.hardware_id],
        [str(device.claims.details["ueid"]) for device in devices if device.claims.details.get("ueid")],
    ):
        if len(set(identities)) < len(identities):
            found = f"{len(set(identities))} for {len(identities)} pieces of evidence"
            return settled(False, name, expected, found, _SOURCE, REPEATED)
    return settled(True, name, expected, "they differ", _SOURCE, REPEATED)
