"""Who is this marble before it is activated?  A fresh key with a self-signed certificate, a CSR, and a UUID.

Source: MarbleRun contract, sections 2.2, 2.6 and 2.10.
"""

import os
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from marble.errors import SettingsInvalid
from marble.protocol import ProtocolFormatError, parse_uuid
from marble.settings import IpAddress
from pki.certificates import CertificateTemplate, KeyUsage, TemplateInvalid, build, common_name, der, pem
from pki.keys import KeyAlgorithm, generate, private_pem

SUBJECT: Final = "MarbleRun Marble"
_UUID_CHARACTERS: Final = 36


@dataclass(frozen=True, slots=True)
class Identity:
    """What a marble shows when it asks.  certificate_der is what its Evidence binds; csr_der has the same key."""

    certificate_der: bytes
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    csr_der: bytes


def make_identity(dns_names: tuple[str, ...], ip_addresses: tuple[IpAddress, ...], *, now: datetime) -> Identity:
    """A new P-384 key, its self-signed certificate and its CSR.  Raises SettingsInvalid for illegal names."""
    key = generate(KeyAlgorithm.EC_P384)
    subject = common_name(SUBJECT)
    template = CertificateTemplate(
        subject=subject,
        dns_names=dns_names,
        ip_addresses=ip_addresses,
        key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.KEY_AGREEMENT,
        extended_key_usage=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    )
    try:
        certificate = build(
            template,
            public_key=key.public_key(),
            issuer_name=subject,
            issuer_key=key,
            not_before=now,
            serial=x509.random_serial_number(),
        )
    except TemplateInvalid as cause:
        raise SettingsInvalid("A251", f"the marble's names cannot stand in a certificate: {cause}") from cause
    names = [*map(x509.DNSName, dns_names), *map(x509.IPAddress, ip_addresses)]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA384())
    )
    return Identity(
        certificate_der=der(certificate),
        certificate_pem=pem(certificate),
        key_pem=private_pem(key),
        csr_der=request.public_bytes(serialization.Encoding.DER),
    )


def load_or_create_uuid(path: Path, draw: Callable[[], uuid.UUID]) -> uuid.UUID:
    """The UUID in `path`; an absent file is made (mode 0600) with a drawn one, whole or not at all.

    Two processes that start at once end with the same UUID.
    Raises SettingsInvalid for a file that is not exactly 36 characters of UUID, or that cannot be used.
    """
    try:
        if not path.exists():
            _create_exclusively(path, str(draw()).encode())
        with path.open("rb") as file:
            raw = file.read(_UUID_CHARACTERS + 64)
    except OSError as cause:
        raise SettingsInvalid("A255", f"UUID file '{path}': {cause.strerror}", "set EDG_MARBLE_UUID_FILE") from cause
    if len(raw) != _UUID_CHARACTERS:
        hint = "remove the newline at its end" if raw.endswith(b"\n") else "remove the file to draw a new UUID"
        raise SettingsInvalid("A255", f"UUID file '{path}': expected 36 characters, got {len(raw)}", hint)
    try:
        return parse_uuid(raw.decode("ascii", "replace"))
    except ProtocolFormatError as cause:
        raise SettingsInvalid("A255", f"UUID file '{path}': {cause}", "remove the file to draw a new UUID") from cause


def _create_exclusively(path: Path, content: bytes) -> None:
    """Make the file with its content in one step; one that appeared meanwhile is kept."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.unlink(draft)
