"""May this marble join, and what is it given?

The steps follow MarbleRun's order of refusals (contract 2.5): state, certificate, type, evidence, number of
activations, UUID, CSR, parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.appraisal import appraise
from attestation.binding import Bound
from attestation.checks import Check
from attestation.verification import Attested, NotGenuine, Verification
from attestation.waivers import in_use
from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import (
    CsrRefused,
    FreshEvidenceRequired,
    NotAttested,
    RequestInvalid,
    TooManyActivations,
    UnknownMarble,
)
from coordinator.decisions.grant import Certified, Keys, grant
from coordinator.decisions.vendors import check_vendor_limit, vendor_of
from coordinator.manifest.model import Marble, Package
from coordinator.secrets.generate import Entropy
from coordinator.secrets.parameters import AuthorityTexts
from coordinator.state.events import MarbleActivated
from coordinator.state.kept_evidence import KeptEvidence
from coordinator.state.model import Deployment, State
from coordinator.state.phase import Ask
from marble.protocol import Parameters, ProtocolFormatError, parse_uuid
from pki.certificates import CsrData, CsrInvalid, parse_csr


@dataclass(frozen=True, slots=True)
class Admission:
    """A marble that has shown who it is: its definition, its proof, its UUID (canonical) and its request.

    waived: a check for each waiver of the manifest without which it would have been refused.
    certificate: the leaf that its connection proved, DER.  evidence: as it was shown.  bound: what that had to bind.
    join: the protocol, in words.
    """

    marble: Marble
    package: Package
    attested: Attested
    certificate: bytes
    evidence: bytes
    evidence_digest: bytes
    uuid: str
    csr: CsrData
    waived: tuple[Check, ...]
    bound: Bound
    join: str

    def kept(self, now: datetime) -> KeptEvidence:
        """What is kept of it for a later look."""
        time_ms = int(now.timestamp() * 1000)
        bound = self.bound.report_data
        return KeptEvidence(time_ms, self.marble.type, self.uuid, self.join, self.certificate, self.evidence, bound)


def find_marble(state: State, marble_type: str) -> tuple[Deployment, Marble]:
    """The deployment and the definition of this type.  Raises WrongPhase, UnknownMarble."""
    admit(state, Ask.ACTIVATE)
    deployment = state.deployed
    marble = deployment.manifest.marbles.get(marble_type)
    if marble is None:
        raise UnknownMarble(f"unknown marble type '{marble_type[:100]}'")
    return deployment, marble


def check_evidence(
    packages: Mapping[str, Package], marble: Marble, verification: Verification
) -> tuple[Attested, tuple[Check, ...]]:
    """The proof, if it is genuine and what the manifest wants, and the waivers that it needed.

    Raises NotAttested with every check.
    """
    try:
        attested = verification.attested()
    except NotGenuine as cause:
        raise NotAttested(marble.type, cause.checks, genuine=False) from cause
    appraisal = appraise(attested, packages[marble.package].alternatives)
    if not appraisal.accepted:
        raise NotAttested(marble.type, appraisal.checks, genuine=True)
    return attested, in_use(appraisal.checks)


def check_fresh(marble: Marble, join: str) -> None:
    """Raises FreshEvidenceRequired where the manifest wants a nonce and this join has none."""
    if marble.fresh and join != NATIVE:
        raise FreshEvidenceRequired(
            f"marble '{marble.type}': expected a join with a nonce "
            f"(manifest /Marbles/{marble.type}/RequireFreshEvidence), got one without: {join}"
        )


def check_limit(deployment: Deployment, marble: Marble) -> None:
    """Raises TooManyActivations when `MaxActivations` is used up."""
    used = deployment.activations.get(marble.type, 0)
    if marble.max_activations and used >= marble.max_activations:
        raise TooManyActivations(
            f"marble '{marble.type}': maximum number of activations reached: "
            f"expected at most {marble.max_activations} (manifest /Marbles/{marble.type}/MaxActivations), "
            f"{used} were granted"
        )


def canonical_uuid(text: str) -> str:
    """Lower-case text of 36 characters, from any form that MarbleRun accepts (contract 2.4).  Raises RequestInvalid."""
    try:
        return str(parse_uuid(text))
    except ProtocolFormatError as cause:
        raise RequestInvalid(str(cause)) from cause


def read_csr(raw: bytes) -> CsrData:
    """The request's subject and names.  Raises CsrRefused."""
    try:
        return parse_csr(raw)
    except CsrInvalid as cause:
        raise CsrRefused(f"certificate signing request: {cause}") from cause


def activate_marble(
    state: State, admission: Admission, keys: Keys, texts: AuthorityTexts, *, now: datetime, entropy: Entropy
) -> Decision[Parameters]:
    """Admit one marble: count it, certify its key, render its parameters.

    Raises WrongPhase, TooManyActivations, ParametersFailed.
    """
    marble, uuid = admission.marble, admission.uuid
    deployment, current = find_marble(state, marble.type)
    if current is not marble or deployment.packages[marble.package] is not admission.package:
        raise RequestInvalid(f"marble '{marble.type}': the manifest changed while it joined; try again")
    check_limit(deployment, marble)
    vendor = vendor_of(admission.attested.claims)
    check_vendor_limit(deployment, marble, vendor)
    request = Certified(marble, uuid, admission.csr)
    granted = grant(state, deployment, request, keys, texts, now=now, entropy=entropy)
    event = MarbleActivated(
        time_ms=int(now.timestamp() * 1000),
        marble=marble.type,
        uuid=uuid,
        evidence=admission.evidence_digest,
        join=admission.join,
        vendor=vendor,
        platform=admission.attested.claims.kind.value,
        package=marble.package,
        until_ms=granted.until_ms,
        bound=admission.bound.digest,
    )
    return Decision((event,), granted.parameters)


COMPATIBLE: Final = "compatible, no nonce"
NATIVE: Final = "native, nonce"
"""The protocol by which a marble joined (design.md, 5), as journal, log and kept evidence say it."""
