"""May this marble, which runs, have new certificates, and which files hold them?

It is no activation: nothing is counted, and nothing but certificates is given.  So it must be the very marble that was
activated, which its certificate proves; and what the manifest in force demands of it, its Evidence must meet once more.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from attestation.verification import Attested
from coordinator.decisions.activate_marble import find_marble
from coordinator.decisions.errors import RequestInvalid
from coordinator.decisions.grant import Certified, Keys, grant
from coordinator.decisions.marble_name import Bearer
from coordinator.manifest.model import Marble, Package, Parameters
from coordinator.manifest.template.render import ALL_SECRETS
from coordinator.secrets.generate import Entropy
from coordinator.secrets.parameters import AuthorityTexts
from coordinator.state.events import RenewedMarble
from coordinator.state.model import State
from marble import protocol
from marble.join_protocol import Renewable


@dataclass(frozen=True, slots=True)
class Renewal:
    """A marble that has shown who it is.  marble: its definition; package: of it, in force."""

    bearer: Bearer
    marble: Marble
    package: Package
    attested: Attested


@dataclass(frozen=True, slots=True)
class Renewed:
    """parameters: the files that have certificates, and the identity in the variables for it.  entry: for the roll."""

    parameters: protocol.Parameters
    entry: RenewedMarble


def renewable(marble: Marble) -> Renewable | None:
    """What a marble of this type gets anew while it runs; None where nothing of it ends, or is in a file."""
    if marble.lifetime is None or not marble.renewed:
        return None
    return Renewable(marble.renewed, marble.renewal_signal)


def of_certificates(marble: Marble) -> Marble:
    """The same marble with the part of its parameters that has certificates, and the secrets that those use."""
    files = {path: marble.parameters.files[path] for path in marble.renewed}
    used = {name for template in files.values() for name in template.secrets}
    secrets = marble.secrets if used & ALL_SECRETS else marble.secrets & used
    return replace(marble, parameters=Parameters(files), tls=(), secrets=secrets)


def renew_marble(
    state: State, renewal: Renewal, keys: Keys, texts: AuthorityTexts, *, now: datetime, entropy: Entropy
) -> Renewed:
    """Certify a new key under the names of the present certificate, and render what has certificates.

    keys: for `of_certificates` of the marble.  Raises WrongPhase, UnknownMarble, RequestInvalid, ParametersFailed.
    """
    name, marble = renewal.bearer.name, renewal.marble
    deployment, current = find_marble(state, name.type)
    if current is not marble or deployment.packages[marble.package] is not renewal.package:
        raise RequestInvalid(f"marble '{marble.type}': the manifest changed while it renewed; try again")
    to = Certified(of_certificates(marble), name.uuid, renewal.bearer.names)
    granted = grant(state, deployment, to, keys, texts, now=now, entropy=entropy)
    entry = RenewedMarble(
        time_ms=int(now.timestamp() * 1000),
        marble=marble.type,
        uuid=name.uuid,
        number=len(deployment.history.versions),
        platform=renewal.attested.claims.kind.value,
        package=marble.package,
        until_ms=granted.until_ms,
    )
    return Renewed(granted.parameters, entry)
