"""A secret's two forms: as the journal keeps it, and as templates see it."""

from coordinator.manifest.model import Secret
from coordinator.manifest.template.values import SecretValue
from coordinator.state.events import StoredSecret


def secret_value(secret: Secret, stored: StoredSecret) -> SecretValue:
    """What templates see: the value together with its definition."""
    return SecretValue(
        type=secret.type.value,
        size=secret.size,
        shared=secret.shared,
        user_defined=secret.user_defined,
        valid_days=secret.valid_days,
        cert_der=stored.certificate or None,
        public=stored.public,
        private=stored.private,
    )


def stored_secret(value: SecretValue) -> StoredSecret:
    """What the journal keeps: the value alone; the definition stands in the manifest."""
    return StoredSecret(value.cert_der or b"", value.public, value.private)
