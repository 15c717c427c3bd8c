"""What tests of manifests share: the corpus, a placeholder certificate, and documents with one change."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.parse import Parsed, parse

UUID = "11111111-2222-3333-4444-555555555555"

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def certificate_der() -> bytes:
    """A self-signed CA certificate for localhost with a marble's UUID as its name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, UUID)])
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2035, 2, 3, 4, 5, 6, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, False, False, False), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture
def document() -> dict[str, Any]:
    """A small legal manifest as data, for tests that change one thing."""
    return {
        "Packages": {
            "web": {"TDX": {"MRTD": "11" * 48}},
            "database": {"SignerID": "22" * 32, "ProductID": 7, "SecurityVersion": 2},
        },
        "Marbles": {
            "web": {
                "Package": "web",
                "MaxActivations": 3,
                "TLS": ["door"],
                "Parameters": {
                    "Argv": ["web"],
                    "Env": {"KEY": "{{ hex .Secrets.session }}", "PLAIN": "value"},
                    "Files": {"/etc/web": {"Data": "AAEC", "Encoding": "base64", "NoTemplates": True}},
                },
            },
            "database": {"Package": "database", "DisableSecretBinding": True},
        },
        "Secrets": {
            "session": {"Type": "symmetric-key", "Size": 256, "Shared": True},
            "site": {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "ValidFor": 30},
        },
        "TLS": {
            "door": {
                "Incoming": [{"Port": "8443", "Cert": "site", "DisableClientAuth": True}],
                "Outgoing": [{"Addr": "db.example", "Port": "5432"}],
            }
        },
    }


@pytest.fixture
def parsed() -> Callable[..., Parsed]:
    """Parse data as a JSON manifest."""

    def parse_data(data: Mapping[str, Any], *, compatible: bool = False) -> Parsed:
        return parse(json.dumps(data, indent=1).encode(), name="test.json", compatible=compatible)

    return parse_data


@pytest.fixture
def refused(parsed: Callable[..., Parsed]) -> Callable[..., list[Finding]]:
    """The errors for which data is refused as a JSON manifest; the test fails where it is accepted."""

    def errors(data: Mapping[str, Any], *, compatible: bool = False) -> list[Finding]:
        with pytest.raises(ManifestInvalid) as refusal:
            parsed(data, compatible=compatible)
        return [finding for finding in refusal.value.findings if finding.severity is Severity.ERROR]

    return errors
