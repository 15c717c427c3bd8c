"""From a certificate to a trust anchor, whatever the order in which the certificates come; the same for every vendor.

Time and revocation are not judged here: a path keeps its validity windows and certificates for whoever does.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from attestation import codes
from attestation.anchors import (
    MALFORMED,
    Anchor,
    TrustAnchors,
    common_name,
    is_issued_by,
    is_marked_simulated,
    key_digest,
)
from attestation.errors import EndorsementFormatError

MAX_CERTIFICATES: Final = 8
# Whoever makes warnings errors gets a refusal, too.
UNREADABLE: Final = (*MALFORMED, Warning)
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_UNDERSTOOD: Final = (x509.BasicConstraints, x509.KeyUsage)


@dataclass(frozen=True, slots=True)
class Window:
    """When something is valid; both ends belong to it."""

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
        return tuple(window_of(c) for c in (*self.certificates, *anchor))

    @property
    def serials(self) -> tuple[tuple[x509.Name, int], ...]:
        """(issuer, serial number) of every certificate below the anchor."""
        return tuple((c.issuer, c.serial_number) for c in self.certificates)

    def issuer_of(self, position: int) -> x509.Certificate | None:
        """Who issued the certificate at this position."""
        if position + 1 < len(self.certificates):
            return self.certificates[position + 1]
        return self.anchor.certificate if self.anchor else None


def read_pem_chain(raw: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text, in its order; anything between them is skipped.

    Raises EndorsementFormatError if there is none, one cannot be read, or there are too many.
    """
    return _read(_PEM.findall(raw), "PEM", x509.load_pem_x509_certificate, MAX_CERTIFICATES)


def read_der_chain(raw: Sequence[bytes], *, most: int = MAX_CERTIFICATES) -> tuple[x509.Certificate, ...]:
    """The same for DER."""
    return _read(raw, "DER", x509.load_der_x509_certificate, most)


def build_path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: TrustAnchors,
    *,
    intermediates: int = 1,
    signs_data: bool = False,
) -> Path:
    """The path from `leaf` to an anchor: signatures, names, basicConstraints, key usage, path length.

    others: in any order; roots among them are not believed, they only help to say which root it is.
    intermediates: how many the vendor has at most.  signs_data: the leaf must be no CA, and be for signatures.
    Source: RFC 5280, 6.1, without policies and name constraints, which no vendor's PKI uses; like every critical
    extension that is not understood, they are refused.
    """
    path = [leaf]
    problem = (signing_problem(leaf) if signs_data else "") or _not_understood(leaf)
    while not problem:
        anchor = anchors.issuer_of(path[-1])
        if anchor is not None:
            return Path(tuple(path), anchor, anchor.simulated)
        issuer = next((c for c in others if c.subject != c.issuer and is_issued_by(path[-1], c)), None)
        if issuer is None:
            return _no_path(tuple(path), others)
        problem = issuing_problem(path[-1], issuer, intermediates_below=len(path) - 1)
        if not problem and len(path) > intermediates:
            problem = f"more than {intermediates} intermediate certificates, which is more than the vendor has"
        if not problem:
            path.append(issuer)
    return Path(tuple(path), None, False, problem, codes.CHAIN)


def issuing_problem(subject: x509.Certificate, issuer: x509.Certificate, *, intermediates_below: int) -> str:
    """Why `issuer` may not issue `subject`: CA:TRUE, keyCertSign, path length, critical extensions.  Empty if it may.

    intermediates_below: how many authorities stand below the issuer.
    """
    name, refused = (
        f"'{common_name(issuer.subject)}'",
        f"is not allowed to issue '{common_name(subject.subject)}'",
    )
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        return f"{name} {refused}: it has no {error.oid._name}"
    if not constraints.ca or not usage.key_cert_sign:
        return f"{name} {refused}: it is no certification authority"
    if constraints.path_length is not None and constraints.path_length < intermediates_below:
        return f"{name} may have {constraints.path_length} authorities below it, got {intermediates_below}"
    return _not_understood(issuer)


def signing_problem(certificate: x509.Certificate) -> str:
    """Why the key of a certificate may not sign data: it is a CA's, or for something else.  Empty if it may."""
    name = common_name(certificate.subject)
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            return f"'{name}' is a CA certificate, which signs no data"
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.digital_signature:
            return f"the key of '{name}' may not sign data"
    return ""


def window_of(certificate: x509.Certificate) -> Window:
    """Validity of a certificate."""
    name = f"certificate '{common_name(certificate.subject)}'"
    return Window(name, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _read(
    raw: Sequence[bytes], encoding: str, load: Callable[[bytes], x509.Certificate], most: int
) -> tuple[x509.Certificate, ...]:
    if not 1 <= len(raw) <= most:
        raise EndorsementFormatError(f"certificates: expected 1 to {most} in {encoding}, got {len(raw)}")
    try:
        return tuple(_readable(map(load, raw)))
    except UNREADABLE as error:
        raise EndorsementFormatError(
            f"certificate: expected X.509 in {encoding}, got {type(error).__name__}"
        ) from error


def _readable(certificates: Iterable[x509.Certificate]) -> Iterable[x509.Certificate]:
    """The same certificates, all parts of which have been read: the library reads them late."""
    for certificate in certificates:
        _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.not_valid_before_utc
        yield certificate


def _not_understood(certificate: x509.Certificate) -> str:
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            return (
                f"'{common_name(certificate.subject)}' has the critical extension {extension.oid.dotted_string}, "
                "which is not understood"
            )
    return ""


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
