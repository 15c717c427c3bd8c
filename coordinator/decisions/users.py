"""Who is this, and may they?  A user is known by the leaf certificate of the connection, and by nothing else."""

from collections.abc import Iterable

from coordinator.decisions.errors import NotPermitted, UnknownUser
from coordinator.manifest.model import Action, Manifest, User


def find_user(manifest: Manifest, leaf: bytes) -> User:
    """The user with exactly this certificate (DER), whose key the connection proved.  Raises UnknownUser.

    Certificates that follow the leaf never count; issuer, names and dates mean nothing (contract 1.14).  Of two
    users with one certificate it is the first in the manifest.
    """
    for user in manifest.users.values():
        if user.certificate == leaf:
            return user
    raise UnknownUser("the client certificate is not one of a user of the manifest")


def require(user: User, action: Action, resources: Iterable[str]) -> None:
    """Raises NotPermitted, with the names as the user sent them, unless the user may do this to all of them."""
    refused = [name for name in resources if not user.may(action, name)]
    if refused:
        more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        names = ", ".join(f"'{name[:100]}'" for name in refused[:_NAMED])
        raise NotPermitted(f"user '{user.name}' has no permission {action.value} for {names}{more}")


_NAMED = 10
