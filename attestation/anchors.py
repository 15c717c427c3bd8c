"""Whom do we believe?  The vendor's root, built in; and simulated roots, which only an operator can add."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from hashlib import sha256
from importlib import import_module
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.errors import EndorsementFormatError
from pki.keys import is_slow
from pki.malformed import MALFORMED as MALFORMED
from pki.oids import SIMULATED_VENDOR

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_MAX_SIMULATED: Final = 64

_CERTIFIED_KEPT: Final = 256
_MOST_RSA_BITS: Final = 4096
"""AMD's; every other vendor has elliptic curves."""


class Vendor(StrEnum):
    """Whose hardware it is; the value is the module in `attestation/roots` with the vendor's own roots."""

    INTEL = "intel"
    AMD = "amd"
    AWS = "aws"
    NVIDIA = "nvidia"
    ARM = "arm"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A root that we believe.  Compared by key and name: Intel has issued its root certificate several times."""

    certificate: x509.Certificate
    simulated: bool

    @property
    def words(self) -> str:
        """What this anchor is, for people."""
        name = common_name(self.certificate.subject)
        return f"SIMULATED vendor's root '{name}'" if self.simulated else f"genuine root '{name}'"


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """The roots that end a certificate chain, and keys of services that an operator trusts in their place."""

    anchors: tuple[Anchor, ...]
    nras_keys: bytes = b""
    """JWKS of NVIDIA's attestation service that the operator trusts; empty for none."""

    @staticmethod
    def genuine() -> "TrustAnchors":
        """Only the vendors' own roots."""
        return TrustAnchors(tuple(anchor for vendor in Vendor for anchor in _genuine(vendor)))

    def of(self, vendor: Vendor) -> "TrustAnchors":
        """The anchors that bear the name of one of this vendor's roots: no vendor speaks for another.

        Arm has no root of its own (roots/arm.py); its are the simulated ones that bear nobody else's name.
        """
        return TrustAnchors(tuple(a for a in self.anchors if _vendor_of(a) is vendor))

    def with_simulated(self, roots_pem: bytes) -> "TrustAnchors":
        """These anchors and the roots of simulated vendors, one or several in PEM.

        Raises EndorsementFormatError if one is no self-signed CA certificate with the marker extension: nothing that
        an operator adds can be classed genuine.
        """
        roots = _PEM.findall(roots_pem)
        if not 1 <= len(roots) <= _MAX_SIMULATED:
            raise EndorsementFormatError(
                f"trust anchor: expected 1 to {_MAX_SIMULATED} CA certificates in PEM, got {len(roots)}"
            )
        return replace(self, anchors=(*self.anchors, *(Anchor(_simulated_root(root), True) for root in roots)))

    def with_nras_keys(self, jwks: bytes) -> "TrustAnchors":
        """These anchors, and these keys of NVIDIA's attestation service instead of any before.

        Whether they can be read, the room of NVIDIA says.
        """
        return replace(self, nras_keys=jwks)

    def issuer_of(self, certificate: x509.Certificate) -> Anchor | None:
        """The anchor that signed this certificate."""
        return next((a for a in self.anchors if _is_certified(certificate, a)), None)

    def signer_of(self, revocations: x509.CertificateRevocationList) -> Anchor | None:
        """The anchor that signed this revocation list."""
        return next((a for a in self.anchors if is_crl_of(revocations, a.certificate)), None)


def is_marked_simulated(certificate: x509.Certificate) -> bool:
    """Whether a certificate carries the marker extension.  Raises ValueError if its extensions are malformed."""
    return any(extension.oid == SIMULATED_VENDOR for extension in certificate.extensions)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Name and signature; False for anything malformed, and for keys as no vendor has them, which take long."""
    try:
        if is_slow(issuer.public_key(), most_bits=_MOST_RSA_BITS):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (*MALFORMED, InvalidSignature):
        return False
    return True


def _is_certified(certificate: x509.Certificate, anchor: Anchor) -> bool:
    """As `is_issued_by`, which is remembered: vendors have few authorities below their roots, for many machines."""
    try:
        named = certificate.issuer == anchor.certificate.subject
    except MALFORMED:
        return False
    return named and _certified(certificate, anchor.certificate)


@lru_cache(_CERTIFIED_KEPT)
def _certified(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    return is_issued_by(certificate, issuer)


def is_crl_of(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Name and signature; False for anything malformed."""
    try:
        key = issuer.public_key()
        # The signature type says which keys can sign; every other key raises TypeError here.
        return revocations.issuer == issuer.subject and revocations.is_signature_valid(key)  # type: ignore[arg-type]
    except MALFORMED:
        return False


def key_digest(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo), hex; stable when the certificate is issued anew."""
    return sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def p384_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | None:
    """A certificate's key if it is on P-384; None for any other, and for one that cannot be read."""
    try:
        key = certificate.public_key()
    except MALFORMED:
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return key
    return None


def common_name(name: x509.Name) -> str:
    """The common name, or the whole name where there is none."""
    for attribute in name.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        return str(attribute.value)
    return name.rfc4514_string()


def _simulated_root(pem: bytes) -> x509.Certificate:
    try:
        root = x509.load_pem_x509_certificate(pem)
        root.verify_directly_issued_by(root)
        is_ca = root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        marked = is_marked_simulated(root)
    except (*MALFORMED, InvalidSignature, x509.ExtensionNotFound) as error:
        raise EndorsementFormatError(
            f"trust anchor: expected a self-signed CA certificate in PEM, got {type(error).__name__}: {error}"
        ) from error
    if not is_ca or not marked:
        raise EndorsementFormatError(
            "trust anchor: expected a CA certificate with the extension that marks a simulated vendor "
            f"({SIMULATED_VENDOR.dotted_string}), got '{common_name(root.subject)}' without it; "
            "the vendors' own roots are built in and need not be named"
        )
    return root


@cache
def _genuine(vendor: Vendor) -> tuple[Anchor, ...]:
    roots = import_module(f"attestation.roots.{vendor.value}").GENUINE_ROOTS
    return tuple(Anchor(x509.load_pem_x509_certificate(pem), simulated=False) for pem in roots)


def _vendor_of(anchor: Anchor) -> Vendor:
    return next((vendor for vendor in Vendor if anchor.certificate.subject in _root_names(vendor)), Vendor.ARM)


@cache
def _root_names(vendor: Vendor) -> frozenset[x509.Name]:
    return frozenset(anchor.certificate.subject for anchor in _genuine(vendor))
