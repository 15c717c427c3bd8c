"""Do the certificates of a Nitro document lead to a trust anchor?  At any time: dates are kept for whoever judges them.

The order is the document's: the root first, each certificate issued by the one before it, the enclave's own last.
Source: AWS Nitro Enclaves NSM API, docs/attestation_process.md, 3.2.3 (semantical validation); RFC 5280, 6.1.
Revocation is not looked at, as AWS documents ("CRL must be disabled when doing the validation"); its certificates live
for hours and days instead.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation import codes as common
from attestation.anchors import (
    Anchor,
    common_name,
    is_issued_by,
    is_marked_simulated,
    key_digest,
    p384_key,
)
from attestation.chain import UNREADABLE, Window, issuing_problem, read_der_chain, window_of
from attestation.checks import Check
from attestation.errors import EndorsementFormatError
from attestation.nitro.codes import CHAIN
from attestation.nitro.steps import settled

_PROFILE: Final = "NSM API attestation_process.md, 3.2.3"
_CHAIN: Final = "nitro.chain"
_MAX_CERTIFICATES: Final = 9
_EXPECTED: Final = "certificates from a root to the enclave's, each issued by the one before it"


@dataclass(frozen=True, slots=True)
class Chain:
    """key: of the enclave's certificate, if it is on P-384; trusted only if the checks have passed.

    windows: validity of every certificate, the root's first.
    """

    checks: tuple[Check, ...]
    simulated: bool
    key: ec.EllipticCurvePublicKey | None = None
    windows: tuple[Window, ...] = ()


def verify_chain(certificate: bytes, cabundle: tuple[bytes, ...], *, anchors: tuple[Anchor, ...]) -> Chain:
    """The enclave's certificate and those above it (DER, root first) against the anchors.  Never raises."""
    try:
        certificates = read_der_chain((*cabundle, certificate), most=_MAX_CERTIFICATES)
        for item in certificates:
            key_digest(item)
    except (EndorsementFormatError, *UNREADABLE) as error:
        return Chain((_failed(f"a certificate that cannot be read: {error}"),), False)
    root, leaf = certificates[0], certificates[-1]
    anchor = next((a for a in anchors if _is_same(a.certificate, root)), None)
    path = (anchor.certificate if anchor else root, *certificates[1:])
    return Chain(
        checks=(_links_check(path), _class_check(anchor, root), _leaf_check(leaf)),
        simulated=anchor.simulated if anchor else is_marked_simulated(root),
        key=p384_key(leaf),
        windows=tuple(window_of(item) for item in path),
    )


def _is_same(anchor: x509.Certificate, root: x509.Certificate) -> bool:
    """By name and key, as anchors are compared."""
    return anchor.subject == root.subject and key_digest(anchor) == key_digest(root)


def _links_check(path: tuple[x509.Certificate, ...]) -> Check:
    """Each certificate below the root is issued by the one before it, which may do that."""
    for position, (issuer, subject) in enumerate(pairwise(path)):
        problem = _link_problem(issuer, subject, intermediates_below=len(path) - 2 - position)
        if problem:
            return _failed(problem)
    return settled(True, _CHAIN, _EXPECTED, f"{len(path)} certificates", _PROFILE, CHAIN)


def _link_problem(issuer: x509.Certificate, subject: x509.Certificate, *, intermediates_below: int) -> str:
    """Why `issuer` did not or may not issue `subject`; empty if it did."""
    if not is_issued_by(subject, issuer):
        return f"'{common_name(subject.subject)}' is not signed by '{common_name(issuer.subject)}'"
    return issuing_problem(subject, issuer, intermediates_below=intermediates_below)


def _leaf_check(leaf: x509.Certificate) -> Check:
    """The enclave's certificate signs documents, not certificates."""
    expected = "the enclave's certificate: on P-384, for signatures, no authority"
    problem = "" if p384_key(leaf) is not None else "a key that is not on P-384"
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            problem = "a certification authority"
        elif not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            problem = "a certificate that is not for signatures"
    except x509.ExtensionNotFound as error:
        problem = f"a certificate without {error.oid._name}"
    found = problem or f"'{common_name(leaf.subject)}'"
    return settled(not problem, "nitro.leaf", expected, found, _PROFILE, CHAIN)


def _class_check(anchor: Anchor | None, root: x509.Certificate) -> Check:
    """Genuine or simulated, in words."""
    name, expected, source = (
        "anchor.class",
        "AWS's root, or a simulated root that the operator configured",
        "trust anchors",
    )
    if anchor is not None:
        return settled(True, name, expected, anchor.words, source, common.UNKNOWN_ROOT)
    simulated = is_marked_simulated(root)
    kind = "a SIMULATED vendor's root" if simulated else "a root"
    found = f"{kind} '{common_name(root.subject)}' (key {key_digest(root)}) that is not among the trust anchors"
    return settled(False, name, expected, found, source, common.SIMULATED if simulated else common.UNKNOWN_ROOT)


def _failed(found: str) -> Check:
    return settled(False, _CHAIN, _EXPECTED, found, _PROFILE, CHAIN)
