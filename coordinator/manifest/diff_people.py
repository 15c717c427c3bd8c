"""What changes for people: who is known by which certificate, and what each of them may do."""

from collections.abc import Iterator, Mapping

from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.document import step
from coordinator.manifest.model import Action, User


def people_changes(before: Mapping[str, User], after: Mapping[str, User]) -> Iterator[Change]:
    """Every change of a user or of a user's power; roles that nobody has change nothing."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        path = step("/Users", name)
        if old is not None and new is not None and old.certificate != new.certificate:
            meaning = f'somebody else may be user "{name}": the certificate is another one'
            yield Change(Gravity.REPLACES, step(path, "Certificate"), meaning)
        if old is None:
            yield Change(Gravity.NEUTRAL, path, f'user "{name}" is new; what the user may do is said apart')
        if new is None:
            yield Change(Gravity.NARROWS, path, f'user "{name}" is not known any more')
        powers_before, powers_after = _powers(old), _powers(new)
        for power in sorted(powers_after - powers_before):
            yield Change(Gravity.WIDENS, step(path, "Roles"), f'user "{name}" may now {_words(*power)}')
        if new is not None:
            for power in sorted(powers_before - powers_after):
                yield Change(Gravity.NARROWS, step(path, "Roles"), f'user "{name}" may not {_words(*power)} any more')


def power_words(user: User) -> tuple[str, ...]:
    """What a user may do, each power in words."""
    return tuple(_words(*power) for power in sorted(_powers(user)))


def _powers(user: User | None) -> frozenset[tuple[Action, str]]:
    roles = user.roles if user is not None else ()
    return frozenset((action, name) for role in roles for action in role.actions for name in role.resources)


def _words(action: Action, resource: str) -> str:
    match action:
        case Action.READ_SECRET:
            return f'read secret "{resource}"'
        case Action.APPROVE_READ:
            return f'approve that secret "{resource}" is read'
        case Action.WRITE_SECRET:
            return f'set secret "{resource}"'
        case Action.UPDATE_SECURITY_VERSION:
            return f'raise the security version of package "{resource}"'
        case Action.UPDATE_MANIFEST:
            return "update the manifest"
