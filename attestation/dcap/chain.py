"""From a certificate to a trust anchor, whatever the order in which the certificates come.

Time and revocation are not judged here: a path keeps its validity windows and serial numbers for whoever does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_MAX_CERTIFICATES = 8
_MAX_INTERMEDIATES = 1


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


def read_pem_chain(raw: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text, in its order; anything between them is skipped.

    Raises EndorsementFormatError if there is none, one cannot be read, or there are too many.
    """
    blocks = _PEM.findall(raw)
    if not 1 <= len(blocks) <= _MAX_CERTIFICATES:
        raise EndorsementFormatError(f"certificates: expected 1 to {_MAX_CERTIFICATES} in PEM, got {len(blocks)}")
    try:
        certificates = tuple(x509.load_pem_x509_certificate(block) for block in blocks)
        for certificate in certificates:
            _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.not_valid_before_utc
    except MALFORMED as error:
        raise EndorsementFormatError(f"certificate: expected X.509 in PEM, got {type(error).__name__}") from error
    return certificates


def build_path(leaf: x509.Certificate, others: Sequence[x509.Certificate], anchors: TrustAnchors) -> Path:
    """The path from `leaf` to an anchor: signatures, names, basicConstraints, key usage, path length.

    others: in any order; roots among them are not believed, they only help to say which root it is.
    Source: RFC 5280, 6.1, without policies and name constraints, which Intel's PKI does not use.
    """
    path = [leaf]
    while (anchor := anchors.issuer_of(path[-1])) is None:
        candidates = (c for c in others if c.subject != c.issuer and is_issued_by(path[-1], c))
        issuer = next(candidates, None)
        if issuer is None:
            return _no_path(tuple(path), others)
        if not _may_issue(issuer, len(path) - 1):
            problem = f"'{common_name(issuer.subject)}' is not allowed to issue '{common_name(path[-1].subject)}'"
            return Path(tuple(path), None, False, problem, codes.CHAIN)
        if len(path) > _MAX_INTERMEDIATES:
            return Path(tuple(path), None, False, "the chain is longer than Intel's", codes.CHAIN)
        path.append(issuer)
    return Path(tuple(path), anchor, anchor.simulated)


def window_of(certificate: x509.Certificate) -> Window:
    """Validity of a certificate."""
    name = f"certificate '{common_name(certificate.subject)}'"
    return Window(name, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _may_issue(certificate: x509.Certificate, intermediates_below: int) -> bool:
    """CA:TRUE, keyCertSign, and a path length that allows what stands below."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    long_enough = constraints.path_length is None or constraints.path_length >= intermediates_below
    return constraints.ca and usage.key_cert_sign and long_enough


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
