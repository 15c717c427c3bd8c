"""A coordinator's root, intermediate, marble root and marble certificates (contract, sections 2.6, 2.7 and 4)."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import oids
from pki.certificates import CertificateTemplate, ExtraExtension, KeyUsage, build, common_name, pem
from pki.keys import KeyAlgorithm, PrivateKey, generate, private_pem

MADE = datetime(2026, 1, 1, tzinfo=UTC)
UUID = "123e4567-e89b-12d3-a456-426614174000"
LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
BOTH_SIDES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class MarblePki:
    root_key: PrivateKey
    root: x509.Certificate
    intermediate_key: PrivateKey
    intermediate: x509.Certificate
    marble_root: x509.Certificate

    @classmethod
    def create(cls, root_key: PrivateKey | None = None, extra: Sequence[x509.ExtensionType] = ()) -> Self:
        """root_key: given where Evidence in `extra` binds it."""
        root_key = root_key or generate(KeyAlgorithm.EC_P384)
        key = generate(KeyAlgorithm.EC_P384)
        root_name = common_name("MarbleRun Coordinator")
        name = common_name("MarbleRun Coordinator - Intermediate CA")
        return cls(
            root_key,
            _ca(root_name, root_key, root_name, root_key, extra),
            key,
            _ca(name, key, root_name, root_key),
            _ca(name, key, name, key),
        )

    def given(
        self, marble_type: str | None = "web", uuid: str = UUID, dns_names: Sequence[str] = ("localhost",)
    ) -> dict[str, bytes]:
        """The four reserved variables of an activation; without a type, a certificate secret's chain."""
        key = generate(KeyAlgorithm.EC_P384)
        named = x509.UnrecognizedExtension(oids.MARBLE_TYPE, (marble_type or "").encode())
        leaf = build(
            CertificateTemplate(
                subject=common_name(uuid),
                dns_names=tuple(dns_names),
                ip_addresses=LOOPBACK,
                key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.KEY_AGREEMENT,
                extended_key_usage=BOTH_SIDES,
                extra=(ExtraExtension(named),) if marble_type else (),
            ),
            public_key=key.public_key(),
            issuer_name=self.intermediate.subject,
            issuer_key=self.intermediate_key,
            not_before=MADE,
            serial=x509.random_serial_number(),
        )
        return {
            "MARBLE_PREDEFINED_ROOT_CA": pem(self.marble_root),
            "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN": pem(leaf, self.intermediate),
            "MARBLE_PREDEFINED_PRIVATE_KEY": private_pem(key),
            "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA": pem(self.root),
        }


def _ca(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    extra: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    return build(
        CertificateTemplate(
            subject=subject,
            dns_names=("localhost",),
            ip_addresses=LOOPBACK,
            key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.CERT_SIGN,
            extended_key_usage=BOTH_SIDES,
            is_ca=True,
            subject_key_identifier=True,
            extra=tuple(ExtraExtension(extension) for extension in extra),
        ),
        public_key=key.public_key(),
        issuer_name=issuer,
        issuer_key=issuer_key,
        not_before=MADE,
        serial=x509.random_serial_number(),
    )
