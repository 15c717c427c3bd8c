"""Make the values of the manifest's secrets (contract 3.6).

Symmetric values come from given entropy or are derived; key pairs are drawn by `cryptography` itself in `make_key`,
which is apart so that the slow ones (RSA) can run beside the event loop.
"""

import ipaddress
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from coordinator.authority import issue_below
from coordinator.manifest.model import CertificateTemplate, Marble, Secret, SecretType
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.password import draw_password, password_from
from coordinator.state.events import StoredSecret
from coordinator.state.model import Authority
from coordinator.state.values import secret_value
from pki import keys
from pki.certificates import CertificateTemplate as X509Template
from pki.certificates import ExtraExtension, KeyUsage, TemplateInvalid, der

Entropy: TypeAlias = Callable[[int], bytes]
"""Gives that many random bytes."""

DEFAULT_COMMON_NAME: Final = "MarbleRun Generated Certificate"
_DEFAULT_DAYS: Final = 365
_PASSWORD_LABEL: Final = b"enclasp password 1\0"
# The most that HKDF-SHA256 gives (RFC 5869, 2.3).
_LONGEST_STREAM: Final = 255 * 32
_CURVES: Final = {
    224: keys.KeyAlgorithm.EC_P224,
    256: keys.KeyAlgorithm.EC_P256,
    384: keys.KeyAlgorithm.EC_P384,
    521: keys.KeyAlgorithm.EC_P521,
}


def derive_symmetric(secret: Secret, marble: Marble, uuid: str, root_secret: bytes) -> SecretValue:
    """A per-marble key or password: the same UUID and type get the same one, for ever.

    HKDF-SHA256 over the root secret, salt = UUID text || secret name, info = marble type (or empty where the manifest
    says DisableSecretBinding), length = Size / 8.  Source: contract 3.6.  A password is made from a stream of the same
    derivation with a label of its own before the type.
    """
    info = marble.type.encode() if marble.secret_binding else b""
    salt = (uuid + secret.name).encode()
    if secret.password is not None:
        stream = HKDF(hashes.SHA256(), _LONGEST_STREAM, salt, _PASSWORD_LABEL + info).derive(root_secret)
        value = password_from(secret.password, stream)
    else:
        value = HKDF(hashes.SHA256(), secret.size // 8, salt, info).derive(root_secret)
    return secret_value(secret, StoredSecret(b"", value, value))


def draw_symmetric(secret: Secret, entropy: Entropy) -> StoredSecret:
    """A shared key (Size / 8 random bytes) or a shared password."""
    value = draw_password(secret.password, entropy) if secret.password is not None else entropy(secret.size // 8)
    return StoredSecret(b"", value, value)


def is_slow(secret: Secret) -> bool:
    """True where `make_key` takes long enough to run it in a thread."""
    return secret.type is SecretType.CERT_RSA


def make_key(secret: Secret) -> keys.PrivateKey:
    """A new key pair of the type and size that a certificate secret wants."""
    if secret.type is SecretType.CERT_RSA:
        return keys.generate_rsa(secret.size)
    if secret.type is SecretType.CERT_ED25519:
        return keys.generate(keys.KeyAlgorithm.ED25519)
    return keys.generate(_CURVES[secret.size])


def certify(secret: Secret, key: keys.PrivateKey, authority: Authority, *, now: datetime, serial: int) -> StoredSecret:
    """A key pair with its certificate, signed by the intermediate.  Raises TemplateInvalid."""
    wanted = secret.certificate
    if wanted.not_after is not None:
        not_after = datetime.fromisoformat(wanted.not_after)
    else:
        not_after = now + timedelta(days=secret.valid_days or _DEFAULT_DAYS)
    certificate = issue_below(
        authority, _x509(wanted), public_key=key.public_key(), now=now, serial=serial, not_after=not_after
    )
    return StoredSecret(der(certificate), keys.spki_der(key.public_key()), keys.private_der(key))


def _x509(wanted: CertificateTemplate) -> X509Template:
    dns_names = ("localhost",) if wanted.dns_names is None else wanted.dns_names
    addresses = ("127.0.0.1", "::1") if wanted.ip_addresses is None else wanted.ip_addresses
    usage = 33 if wanted.key_usage is None else wanted.key_usage
    extended = wanted.extended_key_usage
    try:
        return X509Template(
            subject=_subject(wanted.subject, dns_names),
            dns_names=dns_names,
            ip_addresses=tuple(ipaddress.ip_address(text) for text in addresses),
            email_addresses=wanted.email_addresses,
            uris=wanted.uris,
            key_usage=KeyUsage(usage),
            extended_key_usage=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
            if extended is None
            else tuple(x509.ObjectIdentifier(text) for text in extended),
            is_ca=wanted.is_ca,
            path_length=wanted.max_path_length if wanted.is_ca else None,
            subject_key_identifier=wanted.is_ca and not _has_key_identifier(wanted),
            extra=tuple(ExtraExtension(value, critical) for value, critical in wanted.further),
        )
    except ValueError as cause:
        raise TemplateInvalid(str(cause)) from cause


def _has_key_identifier(wanted: CertificateTemplate) -> bool:
    return any(isinstance(value, x509.SubjectKeyIdentifier) for value, _ in wanted.further)


def _subject(name: x509.Name, dns_names: tuple[str, ...]) -> x509.Name:
    if name.get_attributes_for_oid(NameOID.COMMON_NAME):
        return name
    common = dns_names[0] if len(dns_names) == 1 else DEFAULT_COMMON_NAME
    own = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    return x509.Name([*name.rdns, own])
