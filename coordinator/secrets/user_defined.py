"""Values that users set: do they fit the manifest's definition?  (contract 1.11)"""

from cryptography.exceptions import UnsupportedAlgorithm

from coordinator.manifest.model import Secret, SecretType
from coordinator.state.events import StoredSecret
from coordinator.wire.secrets import UserSecret
from pki.certificates import CertificateFormatError, load_der
from pki.keys import KeyFormatError, public_of_known_kind, spki_der


class ValueUnfit(Exception):
    """The value cannot be this secret's; the text holds nothing of it."""


def accept(secret: Secret, given: UserSecret) -> StoredSecret:
    """The value as it is kept; empty for a plain secret without Key, which unsets it.  Raises ValueUnfit.

    A certificate's public part is derived from it.  Its private key is kept as sent, and may be missing.
    """
    what = f"secret '{secret.name}' of type {secret.type.value}"
    if secret.type.is_certificate:
        if given.key:
            raise ValueUnfit(f"{what}: expected Cert (and Private), got Key")
        return _certificate(what, given)
    if given.certificate or given.private:
        raise ValueUnfit(f"{what}: expected Key, got Cert or Private")
    expected = secret.size // 8
    if secret.type is SecretType.SYMMETRIC_KEY and len(given.key) != expected:
        raise ValueUnfit(f"{what}: expected a Key of {expected} bytes (Size {secret.size}), got {len(given.key)}")
    return StoredSecret(b"", given.key, given.key)


def _certificate(what: str, given: UserSecret) -> StoredSecret:
    if not given.certificate:
        raise ValueUnfit(f"{what}: expected Cert, a certificate in DER as base64, got none")
    try:
        public = public_of_known_kind(load_der(given.certificate).public_key())
    except (CertificateFormatError, KeyFormatError, UnsupportedAlgorithm, ValueError) as cause:
        raise ValueUnfit(f"{what}: Cert is no X.509 certificate in DER with a key of a known kind") from cause
    return StoredSecret(given.certificate, spki_der(public), given.private)
