"""The webhook's own TLS certificate: self-signed, short-lived, and replaced long before it ends.

The API server trusts exactly this certificate (`caBundle`), so no authority is needed, and none is kept that could sign
another.  It is stored with its predecessor, which stays trusted until every replica shows the new one.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.certificates import (
    CertificateFormatError,
    CertificateTemplate,
    KeyUsage,
    build,
    common_name,
    load_pem_chain,
    pem,
    serial_number,
)
from pki.keys import KeyAlgorithm, PrivateKey, generate, private_pem

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
PREVIOUS: Final = "previous.crt"
_EARLIER: Final = timedelta(minutes=5)
"""Clocks differ a little; of a short life it is a tenth."""


class CredentialInvalid(Exception):
    """Certificate and key cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """certificate: what is shown.  previous: PEM of what was shown before it, or empty."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    previous: bytes = b""

    @property
    def bundle(self) -> bytes:
        """What the API server has to trust, PEM."""
        return pem(self.certificate) + self.previous

    def is_due(self, now: datetime) -> bool:
        """Whether two thirds of its life are over."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return not begin <= now < begin + (end - begin) * 2 / 3

    def names(self) -> frozenset[str]:
        """The DNS names in it."""
        extension = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return frozenset(extension.value.get_values_for_type(x509.DNSName))


def make(
    names: tuple[str, ...], lifetime: timedelta, previous: Credential | None, *, now: datetime, entropy: bytes
) -> Credential:
    """A new key and its certificate.  names: of the Service.  entropy: 16 bytes, for the serial number."""
    key = generate(KeyAlgorithm.EC_P256)
    subject = common_name(names[0][:64])
    template = CertificateTemplate(
        subject=subject,
        dns_names=names,
        key_usage=KeyUsage.DIGITAL_SIGNATURE,
        extended_key_usage=(ExtendedKeyUsageOID.SERVER_AUTH,),
    )
    certificate = build(
        template,
        public_key=key.public_key(),
        issuer_name=subject,
        issuer_key=key,
        not_before=now - min(_EARLIER, lifetime / 10),
        not_after=now + lifetime,
        serial=serial_number(entropy),
    )
    return Credential(certificate, key, b"" if previous is None else pem(previous.certificate))


def to_secret(credential: Credential) -> dict[str, str]:
    """The `data` of a Kubernetes Secret."""
    parts = {
        CERTIFICATE: pem(credential.certificate),
        KEY: private_pem(credential.key),
        PREVIOUS: credential.previous,
    }
    return {name: base64.b64encode(value).decode() for name, value in parts.items()}


def from_secret(data: Mapping[str, Any] | None) -> Credential | None:
    """The credential in a Secret's `data`, None where there is none yet.  Raises CredentialInvalid."""
    if not data or not data.get(CERTIFICATE):
        return None
    try:
        parts = {
            name: base64.b64decode(str(data.get(name, "")), validate=True) for name in (CERTIFICATE, KEY, PREVIOUS)
        }
    except binascii.Error as cause:
        raise CredentialInvalid("Secret: expected base64, got something else") from cause
    return read(parts[CERTIFICATE], parts[KEY], parts[PREVIOUS])


def read(certificate: bytes, key: bytes, previous: bytes = b"") -> Credential:
    """A credential from PEM.  Raises CredentialInvalid, which never shows the key."""
    try:
        leaf = load_pem_chain(certificate)[0]
        loaded = serialization.load_pem_private_key(key, None)
    except (CertificateFormatError, ValueError, TypeError) as cause:
        raise CredentialInvalid("expected a PEM certificate and its unencrypted key, got something else") from cause
    if not isinstance(loaded, PrivateKey):
        raise CredentialInvalid(f"expected an EC, Ed25519 or RSA key, got {type(loaded).__name__}")
    if loaded.public_key() != leaf.public_key():
        raise CredentialInvalid("expected the certificate's key, got another one")
    return Credential(leaf, loaded, previous)
