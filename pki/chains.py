"""Does this leaf lead to one of these anchors?  A small, strict path validation for our own PKI.

An anchor vouches for what its key signed under its name, so that a root certificate that was issued anew for the same
key and name leads to the one that was pinned before.  Unknown critical extensions, name constraints and weak signature
hashes are refused; revocation is not looked at, since our PKI has none.
Source: RFC 5280, section 6.1, less policies and name constraints.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from pki.keys import KeyFormatError, public_of_known_kind

Path: TypeAlias = tuple[x509.Certificate, ...]

MAX_PATH: Final = 8
MAX_SIGNATURE_CHECKS: Final = 64
_MOST_NAME: Final = 200


class ChainInvalid(ValueError):
    """No path from the leaf to an anchor; the message says what speaks against each one that was tried."""


def verify_path(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    now: datetime,
) -> Path:
    """The path (leaf, …, anchor) of which every certificate is valid at `now`.

    A leaf that is itself an anchor is a path of one.  intermediates: in any order, more than needed is fine.
    Raises ChainInvalid with every reason that was found.  Purposes and names of the leaf are the caller's to judge.
    """
    search = _Search(tuple(intermediates), tuple(anchors), now)
    path = search.extend((leaf,))
    if path is None:
        reasons = dict.fromkeys(search.reasons) or {"no anchor and no intermediate has the name of its issuer": None}
        raise ChainInvalid(f"certificate '{_name(leaf)}' leads to no trusted anchor: {'; '.join(reasons)}")
    return path


class _Search:
    """Depth first, from the leaf up; bounded in depth and in signature checks, since the peer sends intermediates."""

    def __init__(self, intermediates: Path, anchors: Path, now: datetime) -> None:
        self._intermediates = intermediates
        self._anchors = anchors
        self._now = now
        self._checks_left = MAX_SIGNATURE_CHECKS
        self.reasons: list[str] = []

    def extend(self, path: Path) -> Path | None:
        last = path[-1]
        if objection := self._objection(path):
            self.reasons.append(f"'{_name(last)}' {objection}")
            return None
        if last in self._anchors:
            return path
        if len(path) == MAX_PATH:
            self.reasons.append(f"a path is longer than {MAX_PATH}")
            return None
        for issuer in (*self._anchors, *self._intermediates):
            if issuer.subject != last.issuer or issuer in path or not self._signed(last, issuer):
                continue
            if found := self.extend((*path, issuer)):
                return found
        return None

    def _objection(self, path: Path) -> str | None:
        certificate, is_leaf = path[-1], len(path) == 1
        if not certificate.not_valid_before_utc <= self._now:
            return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        if not self._now <= certificate.not_valid_after_utc:
            return f"expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        try:
            extensions = certificate.extensions
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return "has extensions that cannot be read"
        for extension in extensions:
            if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
                return f"has the critical extension {extension.oid.dotted_string}, which is not understood"
        return None if is_leaf else _issuer_objection(extensions, below=len(path) - 2)

    def _signed(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        if self._checks_left == 0:
            self.reasons.append(f"more than {MAX_SIGNATURE_CHECKS} signatures to check")
            return False
        self._checks_left -= 1
        try:
            algorithm = certificate.signature_hash_algorithm
            if algorithm is not None and not isinstance(algorithm, _HASHES):
                self.reasons.append(f"'{_name(certificate)}' is signed with {algorithm.name}")
                return False
            public_of_known_kind(issuer.public_key())
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, UnsupportedAlgorithm, KeyFormatError, ValueError, TypeError):
            self.reasons.append(f"'{_name(certificate)}' is not signed by the key of '{_name(issuer)}'")
            return False
        return True


def _issuer_objection(extensions: x509.Extensions, *, below: int) -> str | None:
    """What speaks against this certificate as an issuer.  below: how many intermediates stand under it."""
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "is no CA certificate (no basic constraints)"
    if not constraints.ca:
        return "is no CA certificate"
    if constraints.path_length is not None and below > constraints.path_length:
        return f"allows {constraints.path_length} intermediates below it, got {below}"
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if usage.key_cert_sign else "has a key that may not sign certificates"


def _name(certificate: x509.Certificate) -> str:
    """Bounded: a stranger's goes into logs."""
    name = certificate.subject.rfc4514_string()
    return name if len(name) <= _MOST_NAME else f"{name[:_MOST_NAME]} …"


_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
