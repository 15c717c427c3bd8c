"""X.509: frozen template in, certificate out; PEM, DER and certificate requests.

Form and order of extensions are those of Go's x509.CreateCertificate, so that clients of MarbleRun see what they know
(contract, sections 2.6, 3.6 and 4).  Time and serial numbers are arguments.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntFlag
from functools import lru_cache
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pki.keys import KeyFormatError, PrivateKey, PublicKey, public_of_known_kind
from pki.malformed import MALFORMED

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

FOREVER: Final = timedelta(microseconds=(2**63 - 1) // 1000)
"""2^63-1 nanoseconds, about 292 years: the lifetime of MarbleRun's certificates (contract, 4)."""

MAX_CSR_BYTES: Final = 64 * 1024


class TemplateInvalid(ValueError):
    """No certificate can say what this template demands."""


class CertificateFormatError(ValueError):
    """These bytes are no certificate, or no list of certificates."""


class CsrInvalid(ValueError):
    """A certificate request cannot be read, or is not signed by the key that it holds."""


class KeyUsage(IntFlag):
    """What a key may do.  The numbers are Go's, which manifests use (contract, 3.6)."""

    NONE = 0
    DIGITAL_SIGNATURE = 1
    CONTENT_COMMITMENT = 2
    KEY_ENCIPHERMENT = 4
    DATA_ENCIPHERMENT = 8
    KEY_AGREEMENT = 16
    CERT_SIGN = 32
    CRL_SIGN = 64
    ENCIPHER_ONLY = 128
    DECIPHER_ONLY = 256


@dataclass(frozen=True, slots=True)
class ExtraExtension:
    """An extension beyond the usual ones; `x509.UnrecognizedExtension` carries any identifier and bytes."""

    value: x509.ExtensionType
    critical: bool = False


@dataclass(frozen=True, slots=True)
class CertificateTemplate:
    """What a certificate says about its holder.

    key_usage NONE, an empty extended_key_usage and four empty name lists leave their extension out.
    dns_names, email_addresses, uris: ASCII.  path_length: only with is_ca; None = unlimited.
    subject_key_identifier: whether to write one (SHA-1 of the public key's bits, RFC 5280, 4.2.1.2, method 1).
    """

    subject: x509.Name
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[IpAddress, ...] = ()
    email_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    key_usage: KeyUsage = KeyUsage.NONE
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] = ()
    is_ca: bool = False
    path_length: int | None = None
    subject_key_identifier: bool = False
    extra: tuple[ExtraExtension, ...] = ()


@dataclass(frozen=True, slots=True)
class CsrData:
    """What a certificate request asks for; its signature has been checked with `public_key`."""

    subject: x509.Name
    dns_names: tuple[str, ...]
    ip_addresses: tuple[IpAddress, ...]
    public_key: PublicKey


def common_name(text: str) -> x509.Name:
    """A subject that is a common name only; TemplateInvalid if it is not 1 to 64 characters long."""
    try:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    except ValueError as cause:
        raise TemplateInvalid(f"common name '{text}': {cause}") from cause


def serial_number(entropy: bytes) -> int:
    """A serial number of 16 random bytes; never 0.  ValueError for another length."""
    if len(entropy) != 16:
        raise ValueError(f"serial number: expected 16 bytes of entropy, got {len(entropy)}")
    return int.from_bytes(entropy, "big") or 1


def build(
    template: CertificateTemplate,
    *,
    public_key: PublicKey,
    issuer_name: x509.Name,
    issuer_key: PrivateKey,
    not_before: datetime,
    serial: int,
    not_after: datetime | None = None,
) -> x509.Certificate:
    """Sign a certificate for `public_key`.  For a self-signed one, issuer_name is the subject and issuer_key its key.

    The authority key identifier is written unless the certificate is self-signed.  The hash follows the issuer's key
    (SHA-384 for P-384).  serial: positive, at most 159 bits.  not_before, not_after: aware, UTC; without not_after it
    lasts FOREVER.  A not_after in the past is legal (contract, 3.6): the certificate has then expired when it is made.
    Raises TemplateInvalid if the template cannot be written as X.509.
    """
    end = not_before + FOREVER if not_after is None else not_after
    try:
        self_signed = issuer_name == template.subject and issuer_key.public_key() == public_key
        extensions = _extensions(template, public_key, issuer_key, self_signed=self_signed)
        builder = (
            x509.CertificateBuilder(extensions=extensions)  # one by one they cost as much as a tenth of the signature
            .subject_name(template.subject)
            .issuer_name(issuer_name)
            .public_key(public_key)
            .serial_number(serial)
            .not_valid_before(min(not_before, end))
            .not_valid_after(end)
        )
        return builder.sign(issuer_key, _signature_hash(issuer_key))
    except (ValueError, TypeError) as cause:
        raise TemplateInvalid(f"certificate for '{template.subject.rfc4514_string()}': {cause}") from cause


def der(certificate: x509.Certificate) -> bytes:
    """The certificate's bytes."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(*certificates: x509.Certificate) -> bytes:
    """`CERTIFICATE` blocks in the given order, LF line ends, 64 columns."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def load_der(raw: bytes) -> x509.Certificate:
    """Read one certificate; trailing bytes are refused.  Raises CertificateFormatError."""
    try:
        return x509.load_der_x509_certificate(raw)
    except MALFORMED as cause:
        raise CertificateFormatError(f"certificate: expected X.509 in DER, got {len(raw)} other bytes") from cause


def load_pem_chain(raw: bytes) -> tuple[x509.Certificate, ...]:
    """Read one or more `CERTIFICATE` blocks, in their order.  Raises CertificateFormatError."""
    try:
        return tuple(x509.load_pem_x509_certificates(raw))
    except MALFORMED as cause:
        raise CertificateFormatError("certificates: expected one or more CERTIFICATE blocks in PEM") from cause


def parse_csr(raw: bytes) -> CsrData:
    """Read a PKCS#10 request in DER and check its own signature.  Raises CsrInvalid.

    Its key may be of any kind that we use; only DNS names and IP addresses are taken from its alternative names.
    """
    if len(raw) > MAX_CSR_BYTES:
        raise CsrInvalid(f"certificate request: expected at most {MAX_CSR_BYTES} bytes, got {len(raw)}")
    try:
        request = x509.load_der_x509_csr(raw)
        asked = _names_in(request)
        signed = request.is_signature_valid
    except KeyFormatError as cause:
        raise CsrInvalid(f"certificate request: {cause}") from cause
    except MALFORMED as cause:
        raise CsrInvalid("certificate request: expected PKCS#10 in DER with a key and names that we know") from cause
    if not signed:
        raise CsrInvalid("certificate request: its signature does not verify with the key that it holds")
    return asked


def names_of(certificate: x509.Certificate) -> CsrData:
    """What would have to be asked for to get the same names again.  Raises CertificateFormatError."""
    try:
        return _names_in(certificate)
    except (KeyFormatError, *MALFORMED) as cause:
        raise CertificateFormatError("certificate: expected a key and names that we know") from cause


def _extensions(
    template: CertificateTemplate, public_key: PublicKey, issuer_key: PrivateKey, *, self_signed: bool
) -> list[x509.Extension[x509.ExtensionType]]:
    found: list[x509.Extension[x509.ExtensionType]] = []
    if template.key_usage:
        found.append(_key_usage(template.key_usage))
    if template.extended_key_usage:
        found.append(_extended_key_usage(template.extended_key_usage))
    found.append(_basic_constraints(template.is_ca, template.path_length))
    if template.subject_key_identifier:
        found.append(_extension(x509.SubjectKeyIdentifier.from_public_key(public_key)))
    if not self_signed:
        found.append(_authority_key_identifier(issuer_key))
    names = (template.dns_names, template.email_addresses, template.ip_addresses, template.uris)
    if any(names):
        found.append(_subject_alternative_name(*names, critical=not list(template.subject)))
    found += [_extension(extra.value, critical=extra.critical) for extra in template.extra]
    if len({extension.oid for extension in found}) < len(found):
        raise ValueError("an extension is given twice")
    return found


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _encoded(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    """The same as bytes, which is how the next certificate needs it."""
    return x509.Extension(value.oid, critical, x509.UnrecognizedExtension(value.oid, value.public_bytes()))


# Certificates of one kind have these in common, so each is encoded once; the caches are small.


@lru_cache(maxsize=64)
def _key_usage(usage: KeyUsage) -> x509.Extension[x509.ExtensionType]:
    value = x509.KeyUsage(
        digital_signature=KeyUsage.DIGITAL_SIGNATURE in usage,
        content_commitment=KeyUsage.CONTENT_COMMITMENT in usage,
        key_encipherment=KeyUsage.KEY_ENCIPHERMENT in usage,
        data_encipherment=KeyUsage.DATA_ENCIPHERMENT in usage,
        key_agreement=KeyUsage.KEY_AGREEMENT in usage,
        key_cert_sign=KeyUsage.CERT_SIGN in usage,
        crl_sign=KeyUsage.CRL_SIGN in usage,
        encipher_only=KeyUsage.ENCIPHER_ONLY in usage,
        decipher_only=KeyUsage.DECIPHER_ONLY in usage,
    )
    return _encoded(value, critical=True)


@lru_cache(maxsize=64)
def _extended_key_usage(usages: tuple[x509.ObjectIdentifier, ...]) -> x509.Extension[x509.ExtensionType]:
    return _encoded(x509.ExtendedKeyUsage(usages))


@lru_cache(maxsize=64)
def _basic_constraints(is_ca: bool, path_length: int | None) -> x509.Extension[x509.ExtensionType]:
    return _encoded(x509.BasicConstraints(is_ca, path_length), critical=True)


@lru_cache(maxsize=8)
def _authority_key_identifier(issuer_key: PrivateKey) -> x509.Extension[x509.ExtensionType]:
    return _encoded(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()))


@lru_cache(maxsize=64)
def _subject_alternative_name(
    dns_names: tuple[str, ...],
    email_addresses: tuple[str, ...],
    ip_addresses: tuple[IpAddress, ...],
    uris: tuple[str, ...],
    *,
    critical: bool,
) -> x509.Extension[x509.ExtensionType]:
    names = (
        *(x509.DNSName(name) for name in dns_names),
        *(x509.RFC822Name(address) for address in email_addresses),
        *(x509.IPAddress(address) for address in ip_addresses),
        *(x509.UniformResourceIdentifier(uri) for uri in uris),
    )
    return _encoded(x509.SubjectAlternativeName(names), critical=critical)


def _signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 384:
        return hashes.SHA512()
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()


def _names_in(found: x509.CertificateSigningRequest | x509.Certificate) -> CsrData:
    public_key = public_of_known_kind(found.public_key())
    names = _alternative_names(found)
    addresses = tuple(_single_address(address) for address in names.get_values_for_type(x509.IPAddress))
    return CsrData(found.subject, tuple(names.get_values_for_type(x509.DNSName)), addresses, public_key)


def _alternative_names(found: x509.CertificateSigningRequest | x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _single_address(found: object) -> IpAddress:
    if isinstance(found, IpAddress):
        return found
    raise ValueError(f"expected an IP address, got {found}")
