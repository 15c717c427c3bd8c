"""Who must approve an update of a manifest, or the reading of a secret, and by which keys."""

import hashlib
from collections.abc import Iterable, Mapping

from coordinator.manifest.model import WHOLE_MANIFEST, Action, Manifest, User
from pki.certificates import CertificateFormatError, load_der
from pki.keys import KeyFormatError, PublicKey, public_of_known_kind


def updaters(users: Iterable[User]) -> tuple[User, ...]:
    """The users who may update the manifest."""
    return tuple(user for user in users if user.may(Action.UPDATE_MANIFEST, WHOLE_MANIFEST))


def needed(manifest: Manifest) -> int:
    """How many people must approve an update of this manifest (contract 1.10).

    Never more than there are: a document of MarbleRun's may want more users than its users have keys.
    """
    able = len(people(updaters(manifest.users.values())))
    return min(manifest.config.update_threshold or able, able)


def read_approvers(users: Iterable[User], secret: str) -> tuple[User, ...]:
    """The users who may approve that somebody reads this secret."""
    return tuple(user for user in users if user.may(Action.APPROVE_READ, secret))


def people(users: Iterable[User]) -> Mapping[bytes, tuple[str, ...]]:
    """Each person among these users, with the names that the person has."""
    found: dict[bytes, tuple[str, ...]] = {}
    for user in users:
        found[person(user)] = (*found.get(person(user), ()), user.name)
    return found


def people_words(users: Iterable[User]) -> str:
    """The same for people; empty for nobody."""
    return ", ".join(" alias ".join(names) for names in people(users).values())


def person(user: User) -> bytes:
    """What two users have in common who are one person: the key, whatever certificates are made of it."""
    return user.key_digest or hashlib.sha256(user.certificate).digest()


def key_of(user: User) -> PublicKey | None:
    """The user's public key; None for a kind that signs nothing here."""
    try:
        return public_of_known_kind(load_der(user.certificate).public_key())
    except (CertificateFormatError, KeyFormatError, ValueError):
        return None
