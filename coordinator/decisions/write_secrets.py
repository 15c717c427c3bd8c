"""A user sets values of user-defined secrets: all of them, or none (contract 1.11)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import SecretRefused
from coordinator.decisions.users import find_user, require
from coordinator.manifest.dry_run import dry_run, placeholder_context, secrets_beside
from coordinator.manifest.model import Action, Secret
from coordinator.secrets.user_defined import ValueUnfit, accept
from coordinator.state.events import SecretsWritten, StoredSecret
from coordinator.state.model import Deployment, State
from coordinator.state.phase import Ask
from coordinator.state.values import secret_value
from coordinator.wire.secrets import UserSecret
from pki.certificates import der


def write_secrets(
    state: State, leaf: bytes, given: Mapping[str, UserSecret], *, now: datetime
) -> Decision[tuple[str, ...]]:
    """Keep the values, if each fits its definition and every template that uses one can be rendered with it.

    leaf: the certificate that the connection proved, DER.  The reply: the names that were set.  Permission is asked
    before anything else, so that who may not write a secret learns nothing of it.
    Raises WrongPhase, UnknownUser, NotPermitted (also for a name that is not defined), SecretRefused.
    """
    admit(state, Ask.WRITE_SECRETS)
    deployment = state.deployed
    user = find_user(deployment.manifest, leaf)
    if not given:
        raise SecretRefused("expected at least one secret, got none")
    require(user, Action.WRITE_SECRET, given)
    values = {name: _accept(deployment.manifest.secrets[name], secret) for name, secret in given.items()}
    _check_size(deployment, values)
    _check_templates(state, deployment, values)
    return Decision((SecretsWritten(int(now.timestamp() * 1000), user.name, values),), tuple(values))


def _accept(secret: Secret, given: UserSecret) -> StoredSecret:
    try:
        return accept(secret, given)
    except ValueUnfit as cause:
        raise SecretRefused(str(cause)) from cause


def _check_size(deployment: Deployment, values: Mapping[str, StoredSecret]) -> None:
    """All values that users have set stay in memory, and in every snapshot."""
    kept = (
        len(value.cert_der or b"") + len(value.public) + len(value.private)
        for name, value in deployment.shared_secrets.items()
        if value.user_defined and name not in values
    )
    new = (len(value.certificate) + len(value.public) + len(value.private) for value in values.values())
    total = sum(kept) + sum(new)
    if total > MAX_TOTAL:
        raise SecretRefused(f"all user-defined secrets together: expected at most {MAX_TOTAL} bytes, got {total}")


def _check_templates(state: State, deployment: Deployment, values: Mapping[str, StoredSecret]) -> None:
    manifest = deployment.manifest
    fresh = {name: secret_value(manifest.secrets[name], value) for name, value in values.items() if value.public}
    used = secrets_beside(manifest, frozenset(fresh))
    there = deployment.shared_secrets
    known = {name: there[name] for name in used if name in there and name not in values}
    certificate = der(state.authority.marble_root)
    context = placeholder_context(manifest, certificate_der=certificate, known=known | fresh, only=used)
    findings = dry_run(manifest, context, using=frozenset(fresh))
    if findings:
        lines = [f"  {finding.path}: {finding.message}" for finding in findings[:_NAMED]]
        raise SecretRefused("\n".join([f"{len(findings)} templates cannot use the new values", *lines]))


MAX_TOTAL: Final = 16 * 1024 * 1024
_NAMED: Final = 10
