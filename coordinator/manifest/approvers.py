"""Who must approve an update of a manifest, or the reading of a secret, and by which keys."""

import hashlib
from collections.abc import Iterable

from coordinator.manifest.model import WHOLE_MANIFEST, Action, Manifest, User
from pki.certificates import CertificateFormatError, load_der
from pki.keys import KeyFormatError, PublicKey, public_of_known_kind


def updaters(manifest: Manifest) -> tuple[User, ...]:
    """The users who may update the manifest."""
    return tuple(user for user in manifest.users.values() if user.may(Action.UPDATE_MANIFEST, WHOLE_MANIFEST))


def needed(manifest: Manifest) -> int:
    """How many approvals an update of this manifest wants (contract 1.10)."""
    return manifest.config.update_threshold or len(updaters(manifest))


def read_approvers(users: Iterable[User], secret: str) -> tuple[User, ...]:
    """The users who may approve that somebody reads this secret."""
    return tuple(user for user in users if user.may(Action.APPROVE_READ, secret))


def person(user: User) -> bytes:
    """What two users have in common who are one person: the key, whatever certificates are made of it."""
    return user.key_digest or hashlib.sha256(user.certificate).digest()


def key_of(user: User) -> PublicKey | None:
    """The user's public key; None for a kind that signs nothing here."""
    try:
        return public_of_known_kind(load_der(user.certificate).public_key())
    except (CertificateFormatError, KeyFormatError, ValueError):
        return None
