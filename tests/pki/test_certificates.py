import ipaddress
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import certificates, oids
from pki.certificates import CertificateTemplate, ExtraExtension, KeyUsage
from pki.keys import KeyAlgorithm, generate

LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
Make = Callable[..., tuple[x509.Certificate, object]]


def test_a_root_looks_like_the_contract_says(make: Make, noon: datetime) -> None:
    key = generate(KeyAlgorithm.EC_P384)
    root, _ = make(
        "MarbleRun Coordinator",
        key=key,
        dns_names=("localhost",),
        ip_addresses=LOOPBACK,
        extended_key_usage=BOTH,
        is_ca=True,
        subject_key_identifier=True,
    )
    assert root.signature_algorithm_oid._name == "ecdsa-with-SHA384"
    assert root.subject == root.issuer
    assert (noon, datetime(2319, 3, 7, 11, 47, 16, tzinfo=UTC)) == (root.not_valid_before_utc, root.not_valid_after_utc)
    assert [extension.oid._name for extension in root.extensions] == [
        "keyUsage",
        "extendedKeyUsage",
        "basicConstraints",
        "subjectKeyIdentifier",
        "subjectAltName",
    ]
    assert [extension.critical for extension in root.extensions] == [True, False, True, False, False]
    assert x509.BasicConstraints(True, None) == root.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, True, False)


def test_an_intermediate_names_its_issuers_key(make: Make) -> None:
    root = make("root", is_ca=True, subject_key_identifier=True)
    intermediate, _ = make("intermediate", root, is_ca=True, path_length=0)
    authority = intermediate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    issuer = root[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert issuer.digest == authority.key_identifier
    assert intermediate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    intermediate.verify_directly_issued_by(root[0])


def test_a_marble_leaf_carries_its_type_as_raw_bytes(make: Make) -> None:
    extra = ExtraExtension(x509.UnrecognizedExtension(oids.MARBLE_TYPE, "bäckend".encode()))
    leaf, _ = make("uuid", make("root", is_ca=True), extra=(extra,))
    found = leaf.extensions.get_extension_for_oid(oids.MARBLE_TYPE)
    assert ("bäckend".encode(), False) == (found.value.public_bytes(), found.critical)
    assert x509.BasicConstraints(False, None) == leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_openssl_reads_every_kind_of_name_and_our_own_arc(make: Make, tmp_path: Path) -> None:
    certificate, _ = make(
        "everything",
        dns_names=("a.example", "*.b.example"),
        ip_addresses=LOOPBACK,
        email_addresses=("ops@example.com",),
        uris=("spiffe://example/web",),
        extra=(ExtraExtension(x509.UnrecognizedExtension(oids.MANIFEST_DIGEST, b"\x04\x00")),),
    )
    (tmp_path / "c.pem").write_bytes(certificates.pem(certificate))
    text = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "c.pem", "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    names = "DNS:a.example, DNS:*.b.example, email:ops@example.com, IP Address:127.0.0.1, "
    assert names + "IP Address:0:0:0:0:0:0:0:1, URI:spiffe://example/web" in text
    assert oids.MANIFEST_DIGEST.dotted_string in text


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (KeyAlgorithm.EC_P224, "sha256"),
        (KeyAlgorithm.EC_P256, "sha256"),
        (KeyAlgorithm.EC_P384, "sha384"),
        (KeyAlgorithm.EC_P521, "sha512"),
        (KeyAlgorithm.ED25519, None),
    ],
)
def test_the_hash_follows_the_issuers_key(make: Make, algorithm: KeyAlgorithm, expected: str | None) -> None:
    certificate, _ = make("ca", key=generate(algorithm))
    found = certificate.signature_hash_algorithm
    assert expected == (found.name if found else None)


@given(st.integers(min_value=0, max_value=127))
@settings(max_examples=20, deadline=None)
def test_key_usage_numbers_of_a_manifest_come_out_as_the_same_bits(number: int) -> None:
    key = generate(KeyAlgorithm.EC_P256)
    certificate = certificates.build(
        CertificateTemplate(certificates.common_name("x"), key_usage=KeyUsage(number)),
        public_key=key.public_key(),
        issuer_name=certificates.common_name("issuer"),
        issuer_key=key,
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        serial=1,
    )
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        assert number == 0
        return
    bits = [
        usage.digital_signature,
        usage.content_commitment,
        usage.key_encipherment,
        usage.data_encipherment,
        usage.key_agreement,
        usage.key_cert_sign,
        usage.crl_sign,
    ]
    assert number == sum(1 << position for position, on in enumerate(bits) if on)


def test_a_not_after_in_the_past_gives_a_certificate_that_has_expired(make: Make, noon: datetime) -> None:
    certificate, _ = make("old", not_after=noon - timedelta(days=400))
    assert noon - timedelta(days=400) == certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "fields",
    [
        {"dns_names": ("bücher.example",)},
        {"email_addresses": ("bü@example",)},
        {"uris": ("https://bücher.example",)},
        {"key_usage": KeyUsage.DECIPHER_ONLY},
        {"is_ca": False, "path_length": 1},
    ],
)
def test_what_x509_cannot_say_is_refused_with_the_subject(make: Make, fields: dict[str, object]) -> None:
    with pytest.raises(certificates.TemplateInvalid, match="certificate for 'CN=web'"):
        make("web", **fields)


def test_the_same_with_legal_values_passes(make: Make) -> None:
    usage = KeyUsage.DECIPHER_ONLY | KeyUsage.KEY_AGREEMENT
    make("web", dns_names=("xn--bcher-kva.example",), key_usage=usage, is_ca=True, path_length=1)


def test_a_serial_number_is_the_entropy_and_never_zero() -> None:
    assert certificates.serial_number(bytes(14) + b"\x01\x02") == 0x0102
    assert certificates.serial_number(bytes(16)) == 1
    with pytest.raises(ValueError, match="expected 16 bytes"):
        certificates.serial_number(bytes(15))


def test_pem_and_der_come_back_as_they_were(make: Make) -> None:
    one, two = make("one")[0], make("two")[0]
    text = certificates.pem(one, two)
    assert (one, two) == certificates.load_pem_chain(text)
    assert two == certificates.load_der(certificates.der(two))
    assert b"\r" not in text
    assert max(map(len, text.splitlines())) == 64
    with pytest.raises(certificates.CertificateFormatError):
        certificates.load_der(certificates.der(two) + b"\0")


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_parsers_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(certificates.CertificateFormatError):
        certificates.load_der(raw)
    with pytest.raises(certificates.CertificateFormatError):
        certificates.load_pem_chain(raw)
    with pytest.raises(certificates.CsrInvalid):
        certificates.parse_csr(raw)


def _csr(key: object, *names: x509.GeneralName) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.COMMON_NAME, "m")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


def test_a_request_gives_its_subject_names_addresses_and_key() -> None:
    key = generate(KeyAlgorithm.EC_P384)
    names = (x509.DNSName("web"), x509.IPAddress(LOOPBACK[0]), x509.IPAddress(LOOPBACK[1]), x509.RFC822Name("a@b"))
    found = certificates.parse_csr(_csr(key, *names))
    assert found.dns_names == ("web",)
    assert found.ip_addresses == LOOPBACK
    assert key.public_key() == found.public_key
    assert found.subject.rfc4514_string() == "CN=m,C=DE"


def test_a_request_without_names_and_with_an_rsa_key_is_fine() -> None:
    found = certificates.parse_csr(_csr(rsa.generate_private_key(public_exponent=65537, key_size=1024)))
    assert (found.dns_names, found.ip_addresses) == ((), ())


def test_a_request_that_another_key_signed_is_refused() -> None:
    raw = bytearray(_csr(generate(KeyAlgorithm.EC_P256), x509.DNSName("web")))
    raw[raw.index(b"web")] = ord("x")
    with pytest.raises(certificates.CsrInvalid, match="does not verify"):
        certificates.parse_csr(bytes(raw))


def test_a_request_for_a_key_that_cannot_sign_is_refused() -> None:
    raw = _csr(generate(KeyAlgorithm.ED25519) and generate(KeyAlgorithm.EC_P256))
    ours = generate(KeyAlgorithm.EC_P256)
    assert certificates.parse_csr(_csr(ours)).public_key == ours.public_key()
    spki = x25519.X25519PrivateKey.generate().public_key()
    foreign = spki.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    start = raw.index(bytes.fromhex("3059301306072a8648ce3d0201"))
    body = raw[:start] + foreign + raw[start + 0x5B :]
    with pytest.raises(certificates.CsrInvalid):
        certificates.parse_csr(body)


def test_a_request_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(certificates.CsrInvalid, match="expected at most 65536 bytes"):
        certificates.parse_csr(bytes(65537))
