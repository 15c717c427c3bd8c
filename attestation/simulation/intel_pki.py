"""The certificates, keys and revocation lists of a simulated Intel, with the extensions that Intel's have.

The names are the vendor's, since other verifiers check them; the root alone carries the marker of a simulated vendor.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from attestation.claims import TcbStatus
from attestation.dcap.pck import CA_NAMES, LEAF_NAME, SGX_EXTENSION
from attestation.simulation.collateral import FMSPC, PCE_ID, PCE_SVN, cpu_svn_of
from attestation.simulation.der import boolean, enumerated, integer, object_identifier, octets, sequence
from pki.oids import SIMULATED_VENDOR

ROOT_CA: Final = "Intel SGX Root CA"
PLATFORM_CA: Final = CA_NAMES[1]
TCB_SIGNING: Final = "Intel SGX TCB Signing"


@dataclass(frozen=True, slots=True)
class Machine:
    """A simulated machine: PCK certificate and key, attestation key, and the certificates above (PEM, leaf first)."""

    pck_key: ec.EllipticCurvePrivateKey
    attestation_key: ec.EllipticCurvePrivateKey
    cpu_svn: bytes
    chain_pem: bytes


def new_machine(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    status: TcbStatus,
    made_at: datetime,
    validity: timedelta,
) -> Machine:
    """A machine with fresh keys, whose patch level has this status in the vendor's TCB info."""
    key, cpu_svn = new_key(), cpu_svn_of(status)
    extension = x509.UnrecognizedExtension(SGX_EXTENSION, _sgx_extension(random_bytes(16), cpu_svn, random_bytes(16)))
    extra = (PCK_CRL_POINT, extension)
    leaf = certificate(LEAF_NAME, key, PLATFORM_CA, ca_key, made_at, validity, extra=extra)
    return Machine(key, new_key(), cpu_svn, pem(leaf, ca, root))


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    made_at: datetime,
    validity: timedelta,
    *,
    path_length: int | None = None,
    extra: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    """A certificate with the extensions that Intel's have; path_length: None for one that is no CA."""
    is_ca = path_length is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(_intel_name(name))
        .issuer_name(_intel_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - timedelta(days=1))
        .not_valid_after(made_at + validity)
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
        .add_extension(x509.KeyUsage(not is_ca, not is_ca, False, False, False, is_ca, is_ca, False, False), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def revocation_list(
    issuer: x509.Name, key: ec.EllipticCurvePrivateKey, issued: datetime, ends: datetime, revoked: Sequence[int]
) -> bytes:
    """A revocation list in DER.  revoked: serial numbers."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(issued)
        .next_update(ends)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(issued).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def pem(*certificates: x509.Certificate) -> bytes:
    """PEM of several certificates, in this order."""
    return b"".join(item.public_bytes(Encoding.PEM) for item in certificates)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def random_bytes(size: int) -> bytes:
    """Fresh random bytes."""
    return os.urandom(size)  # noqa: TID251 - shell: a new vendor draws its secrets


def _sgx_extension(ppid: bytes, cpu_svn: bytes, platform_instance: bytes) -> bytes:
    """Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5 (certificates of the Platform CA)."""

    def entry(suffix: str, value: bytes) -> bytes:
        return sequence(object_identifier(f"{SGX_EXTENSION.dotted_string}.{suffix}"), value)

    components = (entry(f"2.{i}", integer(svn)) for i, svn in enumerate(cpu_svn, start=1))
    configuration = (entry(f"7.{i}", boolean(i == 1)) for i in (1, 2, 3))
    return sequence(
        entry("1", octets(ppid)),
        entry("2", sequence(*components, entry("2.17", integer(PCE_SVN)), entry("2.18", octets(cpu_svn)))),
        entry("3", octets(PCE_ID)),
        entry("4", octets(FMSPC)),
        entry("5", enumerated(1)),
        entry("6", octets(platform_instance)),
        entry("7", sequence(*configuration)),
    )


def _intel_name(common_name: str) -> x509.Name:
    parts = (
        (NameOID.COMMON_NAME, common_name),
        (NameOID.ORGANIZATION_NAME, "Intel Corporation"),
        (NameOID.LOCALITY_NAME, "Santa Clara"),
        (NameOID.STATE_OR_PROVINCE_NAME, "CA"),
        (NameOID.COUNTRY_NAME, "US"),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _crl_point(url: str) -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


ROOT_CRL_POINT: Final = _crl_point("https://certificates.trustedservices.intel.com/IntelSGXRootCA.der")
PCK_CRL_POINT: Final = _crl_point(
    "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der"
)
MARKER: Final = x509.UnrecognizedExtension(SIMULATED_VENDOR, b"\x0c\x09SIMULATED")
