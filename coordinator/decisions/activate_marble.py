"""May this marble join, and what is it given?

The steps follow MarbleRun's order of refusals (contract 2.5): state, certificate, type, evidence, number of
activations, UUID, CSR, parameters.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from attestation.appraisal import appraise
from attestation.binding import Bound
from attestation.checks import Check
from attestation.verification import Attested, NotGenuine, Verification
from attestation.waivers import in_use
from coordinator.authority import issue_marble_leaf
from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import (
    CsrRefused,
    FreshEvidenceRequired,
    NotAttested,
    ParametersFailed,
    RequestInvalid,
    SecretNotSet,
    TooManyActivations,
    UnknownMarble,
)
from coordinator.decisions.vendors import check_vendor_limit, vendor_of
from coordinator.manifest.model import Manifest, Marble, Package, Secret
from coordinator.manifest.template.render import ALL_SECRETS
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.generate import Entropy, certify, derive_symmetric
from coordinator.secrets.parameters import AuthorityTexts, Identity, RenderFailed, render
from coordinator.state.events import MarbleActivated, StoredSecret
from coordinator.state.kept_evidence import KeptEvidence
from coordinator.state.model import Deployment, State
from coordinator.state.phase import Ask
from coordinator.state.values import secret_value
from marble.protocol import Parameters, ProtocolFormatError, parse_uuid
from pki.certificates import CsrData, CsrInvalid, TemplateInvalid, parse_csr, serial_number
from pki.keys import PrivateKey


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

    @property
    def bound_digest(self) -> bytes:
        """What tells this admission from others, whatever is changed in bytes of the Evidence that nobody signed."""
        return hashlib.sha256(self.bound.report_data).digest()

    def kept(self, now: datetime) -> KeptEvidence:
        """What is kept of it for a later look."""
        time_ms = int(now.timestamp() * 1000)
        bound = self.bound.report_data
        return KeptEvidence(time_ms, self.marble.type, self.uuid, self.join, self.certificate, self.evidence, bound)


@dataclass(frozen=True, slots=True)
class Keys:
    """Key pairs made before the decision: the marble's own, and one for each of its certificate secrets."""

    own: EllipticCurvePrivateKey
    secrets: Mapping[str, PrivateKey]


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


def certificate_secrets(manifest: Manifest, marble: Marble) -> tuple[Secret, ...]:
    """The per-marble certificate secrets that this marble uses: each needs a key pair of its own."""
    return tuple(s for s in _used(manifest, marble) if s.type.is_certificate and not s.shared and not s.user_defined)


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
    leaf = issue_marble_leaf(
        state.authority,
        admission.csr,
        marble.type,
        uuid,
        public_key=keys.own.public_key(),
        now=now,
        serial=serial_number(entropy(16)),
        lifetime=marble.lifetime,
    )
    try:
        used = _used(deployment.manifest, marble)
        secrets = {
            secret.name: _secret(state, deployment, secret, marble, uuid, keys, now=now, entropy=entropy)
            for secret in used
        }
        previous = _previous(deployment, used, marble, uuid)
        parameters = render(deployment.manifest, marble, Identity(leaf, keys.own), texts.at(now), secrets, previous)
    except (RenderFailed, TemplateInvalid) as cause:
        raise _parameters_failed(deployment, marble, cause) from cause
    event = MarbleActivated(
        time_ms=int(now.timestamp() * 1000),
        marble=marble.type,
        uuid=uuid,
        evidence=admission.evidence_digest,
        join=admission.join,
        vendor=vendor,
        platform=admission.attested.claims.kind.value,
        package=marble.package,
        until_ms=int(leaf.not_valid_after_utc.timestamp() * 1000),
        bound=admission.bound_digest,
    )
    return Decision((event,), parameters)


def _used(manifest: Manifest, marble: Marble) -> tuple[Secret, ...]:
    if marble.secrets >= ALL_SECRETS:
        return tuple(manifest.secrets.values())
    return tuple(manifest.secrets[name] for name in marble.secrets if name in manifest.secrets)


def _secret(
    state: State,
    deployment: Deployment,
    secret: Secret,
    marble: Marble,
    uuid: str,
    keys: Keys,
    *,
    now: datetime,
    entropy: Entropy,
) -> SecretValue:
    if secret.user_defined:
        return deployment.shared_secrets.get(secret.name) or secret_value(secret, StoredSecret(b"", b"", b""))
    if secret.shared:
        return deployment.shared_secrets[secret.name]
    if not secret.type.is_certificate:
        return derive_symmetric(secret, marble, uuid, deployment.root_secret)
    key = keys.secrets[secret.name]
    stored = certify(secret, key, state.authority, now=now, serial=serial_number(entropy(16)))
    return secret_value(secret, stored)


def _previous(deployment: Deployment, used: tuple[Secret, ...], marble: Marble, uuid: str) -> Mapping[str, SecretValue]:
    """What these secrets were before an update made them anew; those that have not changed are left out."""
    previous = {secret.name: deployment.previous[secret.name] for secret in used if secret.name in deployment.previous}
    if root_secret := deployment.previous_root_secret:
        derived = (s for s in used if not s.shared and not s.user_defined and not s.type.is_certificate)
        previous |= {secret.name: derive_symmetric(secret, marble, uuid, root_secret) for secret in derived}
    return previous


def _parameters_failed(deployment: Deployment, marble: Marble, cause: Exception) -> ParametersFailed:
    """Why this marble cannot be given what the manifest promises it; what is not set yet is named."""
    used = _used(deployment.manifest, marble)
    unset = sorted(s.name for s in used if s.user_defined and s.name not in deployment.shared_secrets)
    if unset:
        return SecretNotSet(f"{cause}; not set yet: {', '.join(unset)}")
    return ParametersFailed(str(cause))


COMPATIBLE: Final = "compatible, no nonce"
NATIVE: Final = "native, nonce"
"""The protocol by which a marble joined (design.md, 5), as journal, log and kept evidence say it."""
