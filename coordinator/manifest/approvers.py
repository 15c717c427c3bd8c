"""Who must approve an update of a manifest, and by which keys."""

from coordinator.manifest.model import WHOLE_MANIFEST, Action, Manifest, User
from pki.certificates import CertificateFormatError, load_der
from pki.keys import KeyFormatError, PublicKey, public_of_known_kind


def updaters(manifest: Manifest) -> tuple[User, ...]:
    """The users who may update the manifest."""
    return tuple(user for user in manifest.users.values() if user.may(Action.UPDATE_MANIFEST, WHOLE_MANIFEST))


def needed(manifest: Manifest) -> int:
    """How many approvals an update of this manifest wants (contract 1.10)."""
    return manifest.config.update_threshold or len(updaters(manifest))


def key_of(user: User) -> PublicKey | None:
    """The user's public key; None for a kind that signs nothing here."""
    try:
        return public_of_known_kind(load_der(user.certificate).public_key())
    except (CertificateFormatError, KeyFormatError, ValueError):
        return None
