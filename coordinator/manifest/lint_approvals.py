"""Secrets that are read only with the approval of others: can one person alone get round it?"""

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.manifest.approvers import needed, people, person, read_approvers, updaters
from coordinator.manifest.model import Action, Manifest, Secret


@dataclass(frozen=True, slots=True)
class Remark:
    """path: keys that lead to the place."""

    code: str
    path: tuple[str, ...]
    message: str
    hint: str


def lint_approvals(manifest: Manifest) -> Iterator[Remark]:
    """A remark for each way round, and for a secret that nobody can ask for; none where nothing has a ReadApproval."""
    guarded = [secret for secret in manifest.secrets.values() if secret.read_approval is not None]
    for secret in guarded:
        yield from _secret(manifest, secret)
    if guarded:
        names = ", ".join(secret.name for secret in guarded[:_NAMED]) + (", …" if len(guarded) > _NAMED else "")
        yield from _law(manifest, names)
        yield from _spare_key(manifest, names)


def _secret(manifest: Manifest, secret: Secret) -> Iterator[Remark]:
    assert secret.read_approval is not None, "only guarded secrets come here"
    path = ("Secrets", secret.name, "ReadApproval")
    readers = [user for user in manifest.users.values() if user.may(Action.READ_SECRET, secret.name)]
    if not readers:
        message = f'no user may read secret "{secret.name}", so nobody can ask for it'
        yield Remark("V315", path, message, "give a user a role with ReadSecret for it, or remove ReadApproval")
    approvers = people(read_approvers(manifest.users.values(), secret.name))
    alone = [user.name for user in readers if person(user) in approvers]
    if secret.read_approval.threshold == 1 and alone:
        message = (
            f'{", ".join(alone[:_NAMED])} may read secret "{secret.name}" and may approve that, '
            "so each of them reads it alone"
        )
        hint = "Threshold 2, since who asks counts as one; or let others approve than those who read"
        yield Remark("V314", (*path, "Threshold"), message, hint)


def _law(manifest: Manifest, names: str) -> Iterator[Remark]:
    """Who may update the manifest alone may write the approval out of it, and the value stays."""
    mighty = sorted(user.name for user in updaters(manifest.users.values())) if needed(manifest) == 1 else []
    if mighty:
        who = ", ".join(mighty[:_NAMED])
        message = f"{who} may update the manifest alone, and so remove the ReadApproval of {names}"
        path = ("Config", "UpdateThreshold") if manifest.config.update_threshold else ("Users", mighty[0])
        yield Remark("V314", path, message, "UpdateThreshold 2 or more, of users who may update the manifest")


def _spare_key(manifest: Manifest, names: str) -> Iterator[Remark]:
    owners = list(manifest.recovery_keys)
    if len(owners) == 1:
        message = f'the owner of recovery key "{owners[0]}" opens the whole state alone, {names} included'
        yield Remark("V314", ("RecoveryKeys", owners[0]), message, "give several owners a share, and a threshold")


_NAMED = 4
