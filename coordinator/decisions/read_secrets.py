"""A user reads secrets: all that were asked for, or none (contract 1.11)."""

from collections.abc import Mapping, Sequence

from coordinator.decisions.decision import admit
from coordinator.decisions.errors import NeedsApproval
from coordinator.decisions.users import find_user, require
from coordinator.manifest.approvers import read_approvers
from coordinator.manifest.model import Action
from coordinator.manifest.template.values import SecretValue
from coordinator.state.events import StoredSecret
from coordinator.state.model import Deployment, State
from coordinator.state.phase import Ask
from coordinator.state.values import secret_value


def read_secrets(state: State, leaf: bytes, names: Sequence[str]) -> Mapping[str, SecretValue]:
    """The values by name (`values_of`), of secrets that need nobody's approval.

    leaf: the certificate that the connection proved, DER.  Raises WrongPhase, UnknownUser, NotPermitted (also for a
    name that is not defined), NeedsApproval.
    """
    admit(state, Ask.READ_SECRETS)
    deployment = state.deployed
    require(find_user(deployment.manifest, leaf), Action.READ_SECRET, names)
    for name in names:
        if (terms := deployment.manifest.secrets[name].read_approval) is not None:
            raise NeedsApproval(name, terms, read_approvers(deployment.manifest.users.values(), name))
    return values_of(deployment, names)


def values_of(deployment: Deployment, names: Sequence[str]) -> Mapping[str, SecretValue]:
    """The values by name, whoever asks; one that is not set yet has empty parts."""
    unset = StoredSecret(b"", b"", b"")
    return {
        name: deployment.shared_secrets.get(name) or secret_value(deployment.manifest.secrets[name], unset)
        for name in names
    }
