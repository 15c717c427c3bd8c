"""What does a certificate of AMD's hierarchy say?  VCEK and VLEK with their extensions, and how to load them.

Source: AMD VCEK certificate and KDS interface specification (57230), certificate extensions.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from attestation.anchors import MALFORMED, common_name
from attestation.errors import EndorsementFormatError
from attestation.sev_snp.format import SigningKey
from attestation.sev_snp.tcb import LAYOUTS, Product

SPECIFICATION: Final = "AMD VCEK certificate and KDS interface specification (57230)"
LEAF_NAMES: Final[Mapping[SigningKey, str]] = {SigningKey.VCEK: "SEV-VCEK", SigningKey.VLEK: "SEV-VLEK"}
HWID_BYTES: Final[Mapping[Product, int]] = {Product.MILAN: 64, Product.GENOA: 64, Product.TURIN: 8}

_ARC: Final = "1.3.6.1.4.1.3704.1"
PRODUCT_NAME: Final = x509.ObjectIdentifier(f"{_ARC}.2")
HWID: Final = x509.ObjectIdentifier(f"{_ARC}.4")
CSP_ID: Final = x509.ObjectIdentifier(f"{_ARC}.5")
SVNS: Final[Mapping[str, x509.ObjectIdentifier]] = {
    "bootloader": x509.ObjectIdentifier(f"{_ARC}.3.1"),
    "tee": x509.ObjectIdentifier(f"{_ARC}.3.2"),
    "snp": x509.ObjectIdentifier(f"{_ARC}.3.3"),
    "microcode": x509.ObjectIdentifier(f"{_ARC}.3.8"),
    "fmc": x509.ObjectIdentifier(f"{_ARC}.3.9"),
}


@dataclass(frozen=True, slots=True)
class EndorsedPlatform:
    """What AMD says of the owner of a key.

    product_name: as in the certificate, e.g. `Milan-B0`.  svns: of each component of the product's TCB.
    hwid: 64 bytes (Turin: 8), empty for a VLEK.  csp_id: of the provider, empty for a VCEK.
    """

    product: Product
    product_name: str
    svns: Mapping[str, int]
    hwid: bytes
    csp_id: str


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warning on serial number 0, which every VCEK and VLEK has; AMD issues them so.

    One thread at a time, since the filters of `warnings` belong to the process.
    """
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def load_certificates(raw: bytes, place: str) -> tuple[x509.Certificate, ...]:
    """One certificate in DER, or several in PEM.  place: for the text of an error.

    Raises EndorsementFormatError if one cannot be read.
    """
    try:
        with quiet():
            if raw.lstrip().startswith(b"-----BEGIN"):
                certificates = tuple(x509.load_pem_x509_certificates(raw))
            else:
                certificates = (x509.load_der_x509_certificate(raw),)
            for certificate in certificates:
                _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.not_valid_before_utc
                _ = certificate.not_valid_after_utc, certificate.public_bytes(Encoding.DER)
    except MALFORMED as error:
        raise EndorsementFormatError(f"{place}: expected X.509 certificates, got {type(error).__name__}") from error
    return certificates


def load_crl(raw: bytes, place: str) -> x509.CertificateRevocationList:
    """A revocation list in DER or PEM.  Raises EndorsementFormatError if it cannot be read, or names no next update."""
    try:
        pem = raw.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(raw) if pem else x509.load_der_x509_crl(raw)
        _ = crl.issuer, crl.last_update_utc, [revoked.serial_number for revoked in crl]
        if crl.next_update_utc is None:
            raise ValueError("no next update")
    except MALFORMED as error:
        raise EndorsementFormatError(f"{place}: expected a revocation list, got {type(error).__name__}") from error
    return crl


def signing_key_of(certificate: x509.Certificate) -> SigningKey | None:
    """Which kind of leaf a certificate calls itself; None for any other certificate."""
    name = common_name(certificate.subject)
    return next((key for key, leaf_name in LEAF_NAMES.items() if leaf_name == name), None)


def parse_platform(certificate: x509.Certificate) -> EndorsedPlatform:
    """AMD's extensions of a VCEK or VLEK.  Raises EndorsementFormatError if one is missing or malformed."""
    name = _ia5_string(_extension(certificate, PRODUCT_NAME, "product name"))
    product = next((p for p in Product if p == name.split("-")[0]), None)
    if product is None:
        raise EndorsementFormatError(f"product name: expected one of {', '.join(Product)}, got '{name:.40}'")
    svns = {component: _svn(_extension(certificate, SVNS[component], component)) for component in LAYOUTS[product]}
    if signing_key_of(certificate) is SigningKey.VLEK:
        csp_id = _ia5_string(_extension(certificate, CSP_ID, "CSP id"))
        return EndorsedPlatform(product, name, svns, b"", csp_id)
    hwid = _extension(certificate, HWID, "HWID")
    if len(hwid) == HWID_BYTES[product] + 2 and hwid[:2] == bytes([0x04, HWID_BYTES[product]]):
        hwid = hwid[2:]
    if len(hwid) != HWID_BYTES[product]:
        raise EndorsementFormatError(f"HWID: expected {HWID_BYTES[product]} bytes, got {len(hwid)}")
    return EndorsedPlatform(product, name, svns, hwid, "")


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier, name: str) -> bytes:
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound as error:
        raise EndorsementFormatError(f"extension {oid.dotted_string} ({name}): expected one, got none") from error
    return value.value if isinstance(value, x509.UnrecognizedExtension) else b""


def _svn(der: bytes) -> int:
    """An INTEGER of 0 to 255."""
    value = int.from_bytes(der[2:], "big")
    if (
        len(der) not in (3, 4)
        or der[0] != 0x02
        or der[1] != len(der) - 2
        or value > 0xFF
        or (len(der) == 3) != (value < 0x80)
    ):
        raise EndorsementFormatError(f"security version: expected an INTEGER of 0 to 255 in DER, got {der[:8].hex()}")
    return value


def _ia5_string(der: bytes) -> str:
    if len(der) < 2 or der[0] != 0x16 or der[1] != len(der) - 2 or der[1] > 0x7F or not der.isascii():
        raise EndorsementFormatError(f"string: expected an IA5String in DER, got {der[:8].hex()}")
    return der[2:].decode("ascii")


_QUIET: Final = Lock()
