"""Certificates and requests of a version that does not exist are refused like any other bytes that are none."""

import base64
import json

import pytest
from cryptography.x509 import load_der_x509_certificate

from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from pki import certificates
from pki.certificates import CertificateFormatError, CsrInvalid, load_der, load_pem_chain, parse_csr
from pki.keys import generate_p384
from tests.pki.conftest import Make
from tests.support import marble_client

# X.509 writes version 3 as 2, a request's version 1 as 0.
VERSION_3, VERSION_6 = bytes.fromhex("a003020102"), bytes.fromhex("a003020105")
REQUEST_1, REQUEST_6 = bytes.fromhex("020100"), bytes.fromhex("020105")


@pytest.fixture
def made_up(make: Make) -> bytes:
    """A certificate of version 6, DER."""
    der = certificates.der(make("somebody")[0])
    assert load_der_x509_certificate(der)
    return der.replace(VERSION_3, VERSION_6, 1)


def in_pem(der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def test_a_certificate_of_a_version_that_does_not_exist_is_no_certificate(made_up: bytes) -> None:
    with pytest.raises(CertificateFormatError):
        load_der(made_up)
    with pytest.raises(CertificateFormatError):
        load_pem_chain(in_pem(made_up).encode())


def test_a_request_of_a_version_that_does_not_exist_is_no_request() -> None:
    request = marble_client.signing_request(generate_p384())
    assert parse_csr(request).dns_names == ("m.example",)
    with pytest.raises(CsrInvalid):
        parse_csr(request.replace(REQUEST_1, REQUEST_6, 1))


def test_a_manifest_with_such_a_user_is_refused_at_its_place(made_up: bytes) -> None:
    document = {
        "Packages": {"a": {"SGX": {"MRENCLAVE": "00" * 32}}},
        "Marbles": {"a": {"Package": "a"}},
        "Users": {"eve": {"Certificate": in_pem(made_up)}},
    }
    with pytest.raises(ManifestInvalid) as refused:
        parse(json.dumps(document).encode(), name="m.json", compatible=False)
    assert "E026" in {finding.code for finding in refused.value.findings}
    good = in_pem(made_up.replace(VERSION_6, VERSION_3, 1))
    parse(json.dumps({**document, "Users": {"eve": {"Certificate": good}}}).encode(), name="m.json", compatible=False)
