"""Generated certificates say what the manifest says, field by field (contract 3.6)."""

import json
import subprocess
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from coordinator.cli.manifest_rehearsal import Rehearsal
from coordinator.manifest.parse import parse
from pki.certificates import der, load_der

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
UUID = "11111111-2222-3333-4444-555555555555"
E = TypeVar("E", bound=x509.ExtensionType)


def made(raw: bytes, secret: str, *, compatible: bool = False) -> x509.Certificate:
    manifest = parse(raw, name="m", compatible=compatible).manifest
    rehearsal = Rehearsal(manifest, compatible=compatible, now=NOON, entropy=Random(1).randbytes)
    marble = next(marble for marble in manifest.marbles.values() if secret in marble.secrets)
    value = rehearsal.activate(marble, UUID).secrets[secret]
    assert value.cert_der is not None
    return load_der(value.cert_der)


def of(fields: dict[str, Any]) -> x509.Certificate:
    document = {
        "Packages": {"p": {"UniqueID": "11" * 32}},
        "Marbles": {"m": {"Package": "p", "Parameters": {"Env": {"C": "{{ pem .Secrets.s.Cert }}"}}}},
        "Secrets": {"s": {"Type": "cert-ecdsa", "Size": 256, "Cert": fields}},
    }
    return made(json.dumps(document).encode(), "s")


def extension(certificate: x509.Certificate, kind: type[E]) -> x509.Extension[E]:
    return certificate.extensions.get_extension_for_class(kind)


@pytest.fixture(scope="module")
def authority() -> x509.Certificate:
    return made((ROOT / "docs" / "manifest" / "certificates.yaml").read_bytes(), "authority")


def test_the_manifests_example_has_every_extension(authority: x509.Certificate) -> None:
    names = extension(authority, x509.NameConstraints)
    assert names.critical
    assert names.value.permitted_subtrees == [
        x509.DNSName("shop.example"),
        x509.IPAddress(ip_network("192.0.2.0/24")),
        x509.RFC822Name("shop.example"),
        x509.UniformResourceIdentifier(".shop.example"),
    ]
    assert names.value.excluded_subtrees == [
        x509.DNSName("test.shop.example"),
        x509.IPAddress(ip_network("192.0.2.128/25")),
        x509.RFC822Name("root@shop.example"),
        x509.UniformResourceIdentifier("test.shop.example"),
    ]
    access = extension(authority, x509.AuthorityInformationAccess).value
    assert [(d.access_method, d.access_location.value) for d in access] == [
        (AuthorityInformationAccessOID.OCSP, "http://ocsp.shop.example"),
        (AuthorityInformationAccessOID.CA_ISSUERS, "http://pki.shop.example/root.crt"),
    ]
    (point,) = extension(authority, x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier("http://pki.shop.example/root.crl")]
    policies = extension(authority, x509.CertificatePolicies).value
    assert [p.policy_identifier.dotted_string for p in policies] == ["2.23.140.1.2.1", "1.3.6.1.4.1.99999.1"]
    assert extension(authority, x509.SubjectKeyIdentifier).value.digest == bytes(range(1, 21))
    own = authority.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2")).value
    assert isinstance(own, x509.UnrecognizedExtension)
    assert own.value == b"\x05\x00"


def test_openssl_reads_it_too(authority: x509.Certificate, tmp_path: Path) -> None:
    file = tmp_path / "authority.der"
    file.write_bytes(der(authority))
    command = ["openssl", "x509", "-inform", "DER", "-in", str(file), "-noout", "-text"]
    text = subprocess.run(command, capture_output=True, check=True, text=True, timeout=20).stdout
    for words in ("DNS:shop.example", "IP:192.0.2.0/255.255.255.0", "OCSP - URI:http://ocsp.shop.example"):
        assert words in text


def test_the_recorded_document_with_all_fields_is_made() -> None:
    raw = (ROOT / "tests" / "vectors" / "manifest" / "valid" / "v07-secret-cert-fields.json").read_bytes()
    document = json.loads(raw)
    document["Marbles"]["cart"]["Parameters"] = {"Env": {"C": "{{ pem .Secrets.srv.Cert }}"}}
    certificate = made(json.dumps(document).encode(), "srv", compatible=True)
    assert "2.5.4.5=42,CN=cart.shop.example" in certificate.subject.rfc4514_string().replace("SERIALNUMBER", "2.5.4.5")
    assert certificate.not_valid_after_utc == datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert extension(certificate, x509.BasicConstraints).value == x509.BasicConstraints(True, 1)
    assert extension(certificate, x509.NameConstraints).critical


def test_an_authority_has_a_key_identifier_and_others_have_none() -> None:
    key = extension(of({"IsCA": True}), x509.SubjectKeyIdentifier).value.digest
    assert len(key) == 20
    with pytest.raises(x509.ExtensionNotFound):
        extension(of({}), x509.SubjectKeyIdentifier)


def test_extra_names_override_those_of_their_type() -> None:
    subject = {
        "CommonName": "one",
        "ExtraNames": [{"Type": [2, 5, 4, 3], "Value": "two"}, {"Type": [2, 5, 4, 12], "Value": "t"}],
    }
    assert of({"Subject": subject}).subject.rfc4514_string() == "2.5.4.12=t,CN=two"
