"""From a certificate of NVIDIA's to its root, whatever the order in which the certificates come.

Time and revocation are not judged here: a path keeps its validity windows and certificates for whoever does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from attestation import codes
from attestation.anchors import MALFORMED, Anchor, common_name, is_issued_by, is_marked_simulated, key_digest
from attestation.errors import EndorsementFormatError

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
MAX_CERTIFICATES: Final = 8
_MAX_INTERMEDIATES: Final = 4
# Whoever makes warnings errors gets a refusal, too.
_UNREADABLE: Final = (*MALFORMED, Warning)
_UNDERSTOOD: Final = (x509.BasicConstraints, x509.KeyUsage)


@dataclass(frozen=True, slots=True)
class Window:
    """When a certificate is valid; both ends belong to it."""

    what: str
    not_before: datetime
    not_after: datetime

    def holds(self, now: datetime) -> bool:
        """Whether `now` is inside."""
        return self.not_before <= now <= self.not_after

    def __str__(self) -> str:
        return f"{self.what} is valid from {self.not_before:%Y-%m-%dT%H:%M:%SZ} to {self.not_after:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Path:
    """certificates: leaf first, without the anchor.  Without an anchor, `problem` says why, with its message code.

    simulated: it ends, or would end, at a root with the marker extension.
    """

    certificates: tuple[x509.Certificate, ...]
    anchor: Anchor | None
    simulated: bool
    problem: str = ""
    code: str = ""

    @property
    def windows(self) -> tuple[Window, ...]:
        """Validity of every certificate, the anchor's included."""
        anchor = () if self.anchor is None else (self.anchor.certificate,)
        return tuple(_window_of(c) for c in (*self.certificates, *anchor))

    def issuer_of(self, position: int) -> x509.Certificate | None:
        """Who issued the certificate at this position."""
        if position + 1 < len(self.certificates):
            return self.certificates[position + 1]
        return self.anchor.certificate if self.anchor else None


def read_pem_chain(raw: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text, in its order; anything between them is skipped.

    Raises EndorsementFormatError if there is none, one cannot be read, or there are too many.
    """
    blocks = _PEM.findall(raw)
    if not 1 <= len(blocks) <= MAX_CERTIFICATES:
        raise EndorsementFormatError(f"certificates: expected 1 to {MAX_CERTIFICATES} in PEM, got {len(blocks)}")
    try:
        return tuple(_readable(x509.load_pem_x509_certificate(block)) for block in blocks)
    except _UNREADABLE as error:
        raise EndorsementFormatError(f"certificate: expected X.509 in PEM, got {type(error).__name__}") from error


def read_der_chain(raw: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """The same for DER."""
    if not 1 <= len(raw) <= MAX_CERTIFICATES:
        raise EndorsementFormatError(f"certificates: expected 1 to {MAX_CERTIFICATES}, got {len(raw)}")
    try:
        return tuple(_readable(x509.load_der_x509_certificate(item)) for item in raw)
    except _UNREADABLE as error:
        raise EndorsementFormatError(f"certificate: expected X.509 in DER, got {type(error).__name__}") from error


def build_path(certificates: Sequence[x509.Certificate], anchors: tuple[Anchor, ...]) -> Path:
    """The path from the first certificate to an anchor: signatures, names, constraints, usage, path length.

    The others come in any order; roots among them are not believed, they only help to say which root it is.
    Source: RFC 5280, 6.1, without policies and name constraints, which NVIDIA's PKI does not use.
    """
    leaf, others = certificates[0], certificates[1:]
    if problem := _objection_to_leaf(leaf):
        return Path((leaf,), None, False, problem, codes.CHAIN)
    path = [leaf]
    while True:
        last = path[-1]
        anchor = next((a for a in anchors if is_issued_by(last, a.certificate)), None)
        if anchor is not None:
            return Path(tuple(path), anchor, anchor.simulated)
        issuer = next((c for c in others if c.subject != c.issuer and is_issued_by(last, c)), None)
        if issuer is None:
            return _no_path(tuple(path), others)
        if problem := _objection_to_issuer(issuer, len(path) - 1):
            return Path(tuple(path), None, False, problem, codes.CHAIN)
        if len(path) > _MAX_INTERMEDIATES:
            return Path(tuple(path), None, False, "the chain is longer than NVIDIA's", codes.CHAIN)
        path.append(issuer)


def _readable(certificate: x509.Certificate) -> x509.Certificate:
    _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.not_valid_before_utc
    return certificate


def _window_of(certificate: x509.Certificate) -> Window:
    name = f"certificate '{common_name(certificate.subject)}'"
    return Window(name, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _not_understood(certificate: x509.Certificate) -> str:
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            return (
                f"'{common_name(certificate.subject)}' has the critical extension {extension.oid.dotted_string}, "
                "which is not understood"
            )
    return ""


def _objection_to_leaf(certificate: x509.Certificate) -> str:
    """A leaf signs data: digitalSignature, and no CA."""
    name = common_name(certificate.subject)
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            return f"'{name}' is a CA certificate, which signs no data"
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.digital_signature:
            return f"the key of '{name}' may not sign data"
    return _not_understood(certificate)


def _objection_to_issuer(certificate: x509.Certificate, intermediates_below: int) -> str:
    """CA:TRUE, keyCertSign, and a path length that allows what stands below."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return f"'{common_name(certificate.subject)}' is no CA certificate"
    long_enough = constraints.path_length is None or constraints.path_length >= intermediates_below
    if not (constraints.ca and usage.key_cert_sign and long_enough):
        return f"'{common_name(certificate.subject)}' is not allowed to issue what stands below it"
    return _not_understood(certificate)


def _no_path(path: tuple[x509.Certificate, ...], others: Sequence[x509.Certificate]) -> Path:
    """Say why the last certificate of `path` leads to no anchor."""
    last = path[-1]
    wanted = common_name(last.issuer)
    named = [c for c in (*others, last) if c.subject == last.issuer]
    root = next((c for c in named if is_issued_by(last, c)), None)
    if not named:
        problem = f"'{common_name(last.subject)}' is not signed by a trust anchor, and '{wanted}' is not in the chain"
        return Path(path, None, False, problem, codes.CHAIN)
    if root is None:
        problem = f"'{common_name(last.subject)}' is not signed by '{wanted}', whose name it bears"
        return Path(path, None, False, problem, codes.CHAIN)
    if is_marked_simulated(root):
        problem = f"signed by a simulated vendor; its root (key {key_digest(root)}) is not among the trust anchors"
        return Path(path, None, True, problem, codes.SIMULATED)
    problem = f"root '{wanted}' (key {key_digest(root)}) is not among the trust anchors"
    return Path(path, None, False, problem, codes.UNKNOWN_ROOT)
