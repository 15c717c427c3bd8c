"""Which values an update of the manifest keeps (contract 1.10, the table)."""

from coordinator.manifest.model import Manifest, Secret


def stays(old: Manifest, new: Manifest, secret: Secret) -> bool:
    """Whether an update keeps the value of a secret of the new manifest: shared keys, and what users have set."""
    before = old.secrets.get(secret.name)
    if before is None or _definition(before) != _definition(secret):
        return False
    if secret.user_defined:
        return True
    return secret.shared and not (secret.type.is_certificate or secret.rotate or new.config.rotate_root_secret)


def _definition(secret: Secret) -> tuple[object, ...]:
    """What makes a value another one when it changes; a change of a certificate's template alone does not count."""
    return (secret.type, secret.size, secret.shared, secret.user_defined, secret.valid_days, secret.password)
