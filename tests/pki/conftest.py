"""A clock that stands still, and small authorities made with the code under test."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509

from pki.certificates import CertificateTemplate, KeyUsage, build, common_name
from pki.keys import KeyAlgorithm, PrivateKey, generate

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
Make = Callable[..., tuple[x509.Certificate, PrivateKey]]


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def make() -> Make:
    """make(name, issuer=(certificate, key) | None, **fields): a certificate and its key; without issuer self-signed."""
    serials = iter(range(1, 1000))

    def _make(
        name: str,
        issuer: tuple[x509.Certificate, PrivateKey] | None = None,
        *,
        key: PrivateKey | None = None,
        not_before: datetime = NOON,
        not_after: datetime | None = None,
        **fields: object,
    ) -> tuple[x509.Certificate, PrivateKey]:
        key = key or generate(KeyAlgorithm.EC_P256)
        fields.setdefault("key_usage", KeyUsage.DIGITAL_SIGNATURE | KeyUsage.CERT_SIGN)
        template = CertificateTemplate(common_name(name), **fields)  # type: ignore[arg-type]
        certificate = build(
            template,
            public_key=key.public_key(),
            issuer_name=issuer[0].subject if issuer else template.subject,
            issuer_key=issuer[1] if issuer else key,
            not_before=not_before,
            not_after=not_after,
            serial=next(serials),
        )
        return certificate, key

    return _make
