"""What an admitted marble is given: a certificate for a new key, and its parameters, rendered with its secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.authority import issue_marble_leaf
from coordinator.decisions.errors import ParametersFailed, SecretNotSet
from coordinator.manifest.model import Manifest, Marble, Secret
from coordinator.manifest.template.render import ALL_SECRETS
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.generate import Entropy, certify, derive_symmetric
from coordinator.secrets.parameters import AuthorityTexts, Identity, RenderFailed, render
from coordinator.state.events import StoredSecret
from coordinator.state.model import Deployment, State
from coordinator.state.values import secret_value
from marble.protocol import Parameters
from pki.certificates import CsrData, TemplateInvalid, serial_number
from pki.keys import PrivateKey


@dataclass(frozen=True, slots=True)
class Keys:
    """Key pairs made before the decision: the marble's own, and one for each of its certificate secrets."""

    own: EllipticCurvePrivateKey
    secrets: Mapping[str, PrivateKey]


@dataclass(frozen=True, slots=True)
class Certified:
    """Who is given something.  marble: its definition, of which everything is rendered.  uuid: canonical.

    csr: the subject and the names that its certificate says.
    """

    marble: Marble
    uuid: str
    csr: CsrData


@dataclass(frozen=True, slots=True)
class Granted:
    """until_ms: when the marble's own certificate ends."""

    parameters: Parameters
    until_ms: int


def certificate_secrets(manifest: Manifest, marble: Marble) -> tuple[Secret, ...]:
    """The per-marble certificate secrets that this marble uses: each needs a key pair of its own."""
    return tuple(s for s in _used(manifest, marble) if s.type.is_certificate and not s.shared and not s.user_defined)


def grant(
    state: State,
    deployment: Deployment,
    to: Certified,
    keys: Keys,
    texts: AuthorityTexts,
    *,
    now: datetime,
    entropy: Entropy,
) -> Granted:
    """Certify its key, render its parameters.  Raises ParametersFailed."""
    marble = to.marble
    leaf = issue_marble_leaf(
        state.authority,
        to.csr,
        marble.type,
        to.uuid,
        public_key=keys.own.public_key(),
        now=now,
        serial=serial_number(entropy(16)),
        lifetime=marble.lifetime,
    )
    try:
        used = _used(deployment.manifest, marble)
        secrets = {
            secret.name: _secret(state, deployment, secret, to, keys, now=now, entropy=entropy) for secret in used
        }
        previous = _previous(deployment, used, to)
        parameters = render(deployment.manifest, marble, Identity(leaf, keys.own), texts.at(now), secrets, previous)
    except (RenderFailed, TemplateInvalid) as cause:
        raise _parameters_failed(deployment, marble, cause) from cause
    return Granted(parameters, int(leaf.not_valid_after_utc.timestamp() * 1000))


def _used(manifest: Manifest, marble: Marble) -> tuple[Secret, ...]:
    if marble.secrets >= ALL_SECRETS:
        return tuple(manifest.secrets.values())
    return tuple(manifest.secrets[name] for name in marble.secrets if name in manifest.secrets)


def _secret(
    state: State, deployment: Deployment, secret: Secret, to: Certified, keys: Keys, *, now: datetime, entropy: Entropy
) -> SecretValue:
    if secret.user_defined:
        return deployment.shared_secrets.get(secret.name) or secret_value(secret, StoredSecret(b"", b"", b""))
    if secret.shared:
        return deployment.shared_secrets[secret.name]
    if not secret.type.is_certificate:
        return derive_symmetric(secret, to.marble, to.uuid, deployment.root_secret)
    key = keys.secrets[secret.name]
    stored = certify(secret, key, state.authority, now=now, serial=serial_number(entropy(16)))
    return secret_value(secret, stored)


def _previous(deployment: Deployment, used: tuple[Secret, ...], to: Certified) -> Mapping[str, SecretValue]:
    """What these secrets were before an update made them anew; those that have not changed are left out."""
    previous = {secret.name: deployment.previous[secret.name] for secret in used if secret.name in deployment.previous}
    if root_secret := deployment.previous_root_secret:
        derived = (s for s in used if not s.shared and not s.user_defined and not s.type.is_certificate)
        previous |= {secret.name: derive_symmetric(secret, to.marble, to.uuid, root_secret) for secret in derived}
    return previous


def _parameters_failed(deployment: Deployment, marble: Marble, cause: Exception) -> ParametersFailed:
    """Why this marble cannot be given what the manifest promises it; what is not set yet is named."""
    used = _used(deployment.manifest, marble)
    unset = sorted(s.name for s in used if s.user_defined and s.name not in deployment.shared_secrets)
    if unset:
        return SecretNotSet(f"{cause}; not set yet: {', '.join(unset)}")
    return ParametersFailed(str(cause))
