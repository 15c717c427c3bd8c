"""Whose answer is this?  The identity that a marble was given, and whether the expected coordinator gave it.

Judged before anything of the answer is used.  Source: MarbleRun contract, sections 2.2, 2.6, 2.7 and 4; design.md, 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from attestation import binding
from attestation.appraisal import appraise
from attestation.certificate import evidence_of
from attestation.checks import Check, Status
from attestation.claims import ReferenceValues
from attestation.errors import AttestationError
from attestation.verification import Attested, NotGenuine
from attestation.verify import Verifier
from marble.errors import CoordinatorNotTrusted
from marble.peer import marble_type_of
from marble.settings import CERTIFICATE_CHAIN, COORDINATOR_ROOT_CA, PREDEFINED, PRIVATE_KEY, ROOT_CA
from pki.certificates import CertificateFormatError, der, load_der, load_pem_chain
from pki.chains import ChainInvalid, verify_path
from pki.keys import KeyFormatError, PublicKey, private_of_known_kind, public_of_known_kind, spki_der
from pki.malformed import MALFORMED
from pki.manifest_digest import manifest_digest_of

_MOST_CERTIFICATES: Final = 16
_DOOR_HINT: Final = "check that EDG_MARBLE_COORDINATOR_ADDR is a coordinator's marble door"
_REFERENCE_HINT: Final = "compare ENCLASP_COORDINATOR_REFERENCE with the coordinator, or find out who answers there"


@dataclass(frozen=True, slots=True)
class GivenIdentity:
    """The certificates that the coordinator gave, in agreement with each other."""

    leaf: x509.Certificate
    intermediate: x509.Certificate
    marble_root: x509.Certificate
    coordinator_root: x509.Certificate


@dataclass(frozen=True, slots=True)
class Expectation:
    """Which coordinator a marble accepts."""

    verifier: Verifier
    references: tuple[ReferenceValues, ...] = field(repr=False)


def read_identity(env: Mapping[str, bytes], marble_type: str, uuid: str, *, now: datetime) -> GivenIdentity:
    """The identity in the answer's reserved variables.

    Leaf and private key are a pair, the leaf is of this type and UUID, and leads to the marble root and, through
    the intermediate, to the coordinator's root.  Raises CoordinatorNotTrusted with every reason.
    """
    if missing := [name for name in PREDEFINED if not env.get(name)]:
        raise _unusable([f"{name}: expected PEM, got nothing" for name in missing])
    try:
        leaf, *above = _certificates(env, CERTIFICATE_CHAIN, 2, _MOST_CERTIFICATES)
        marble_root, *_ = _certificates(env, ROOT_CA, 1, _MOST_CERTIFICATES)
        (coordinator_root,) = _certificates(env, COORDINATOR_ROOT_CA, 1, 1)
        given = GivenIdentity(leaf, _intermediate(above, coordinator_root, marble_root), marble_root, coordinator_root)
        reasons = _disagreements(given, _public_half(env[PRIVATE_KEY]), marble_type, uuid, now)
    except MALFORMED as cause:
        raise _unusable([str(cause)]) from cause
    if reasons:
        raise _unusable(reasons)
    return given


def verify_root(root: x509.Certificate, expected: Expectation, *, now: datetime) -> Attested:
    """Make sure that this root certificate is the expected coordinator's.

    Its Evidence is genuine, binds its key and the manifest's digest, and meets the Reference Values.
    Raises CoordinatorNotTrusted with every reason.
    """
    attested = _attested_root(root, expected.verifier, now)
    appraisal = appraise(attested, expected.references)
    if not appraisal.accepted:
        raise _untrusted("its evidence does not meet the reference values", appraisal.checks)
    return attested


def read_root(raw: bytes) -> x509.Certificate:
    """The root certificate of a challenge, from DER; nothing about it is known yet.  Raises CoordinatorNotTrusted."""
    try:
        return load_der(raw)
    except CertificateFormatError as cause:
        raise _unusable([f"root certificate of the challenge: {cause}"]) from cause


def root_spki(root: x509.Certificate) -> bytes:
    """Its key as Evidence binds it.  Raises CoordinatorNotTrusted for a kind of key that none has."""
    try:
        return _spki(root)
    except MALFORMED as cause:
        raise _unusable([f"root certificate of the challenge: {cause}"]) from cause


def check_same_root(given: GivenIdentity, root: x509.Certificate) -> None:
    """Make sure that the identity comes from whom the challenge came: the root's key.  Raises CoordinatorNotTrusted."""
    if _spki(given.coordinator_root) != root_spki(root):
        raise _unusable([f"{COORDINATOR_ROOT_CA}: expected the key of the challenge's root, got another one"])


def check_pinned(root: x509.Certificate, pinned: bytes) -> None:
    """Make sure that it is the coordinator of before: its root key.  Raises CoordinatorNotTrusted."""
    if root_spki(root) != pinned:
        raise CoordinatorNotTrusted(
            "A264",
            "it is another one than this marble joined",
            ["root key: expected the one that this marble knows, got another one"],
            "start the marble anew, if it shall belong to the other deployment",
        )


def check_connection(given: GivenIdentity, server_der: bytes) -> None:
    """Make sure that the connection ended in the coordinator whose root was verified.

    The server showed the marble root, whose key is the intermediate's, which the root signed.
    server_der: the certificate that the server showed in this connection.  Raises CoordinatorNotTrusted.
    """
    if server_der != der(given.marble_root):
        raise CoordinatorNotTrusted(
            "A262",
            "somebody else ended the connection",
            [f"server certificate: expected the certificate in {ROOT_CA}, got another one"],
            "is a proxy that ends TLS in between?",
        )


def _attested_root(root: x509.Certificate, verifier: Verifier, now: datetime) -> Attested:
    try:
        evidence = evidence_of(root)
        digest = manifest_digest_of(root)
        if evidence is None:
            raise CoordinatorNotTrusted(
                "A262",
                "its root certificate carries no evidence",
                ["expected the extension id-pe-cmw, got none"],
                f"a coordinator of MarbleRun has none: unset the reference values to join it unverified ({_DOOR_HINT})",
            )
        bound = binding.of_root_key(spki_der(public_of_known_kind(root.public_key())), digest)
        return verifier.verify(evidence, bound, now=now).attested()
    except NotGenuine as cause:
        raise _untrusted("its evidence is not genuine", cause.checks) from cause
    except (AttestationError, *MALFORMED) as cause:
        raise CoordinatorNotTrusted("A262", "its root certificate cannot be read", [str(cause)]) from cause


def _disagreements(given: GivenIdentity, own_key: PublicKey, marble_type: str, uuid: str, now: datetime) -> list[str]:
    reasons = []
    leaf = given.leaf
    if spki_der(own_key) != _spki(leaf):
        reasons.append(f"{PRIVATE_KEY}: expected the key of the marble certificate, got another one")
    if _spki(given.intermediate) != _spki(given.marble_root):
        reasons.append(f"{ROOT_CA}: expected the key of the intermediate certificate, got another one")
    if (found := marble_type_of(leaf)) != marble_type:
        reasons.append(f"marble certificate: expected the type '{marble_type}', got {found!a}")
    names = [str(name.value) for name in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    if names != [uuid]:
        reasons.append(f"marble certificate: expected the common name {uuid}, got {names}")
    root, marble_root = (given.coordinator_root,), (given.marble_root,)
    for end, between, anchors in (
        (leaf, (), marble_root),
        (leaf, (given.intermediate,), root),
        (given.intermediate, (), root),
    ):
        try:
            verify_path(end, between, anchors, now=now)
        except ChainInvalid as cause:
            reasons.append(str(cause))
    return reasons


def _intermediate(
    above: Sequence[x509.Certificate], root: x509.Certificate, marble_root: x509.Certificate
) -> x509.Certificate:
    """The intermediate in force.  After an update a chain also has what leads marbles of before it to the leaf."""
    signed = (c for c in above if c.issuer == root.subject and _spki(c) == _spki(marble_root))
    return next(signed, above[0])


def _certificates(env: Mapping[str, bytes], name: str, least: int, most: int) -> tuple[x509.Certificate, ...]:
    found = load_pem_chain(env[name])
    if not least <= len(found) <= most:
        wanted = f"{least} certificates" if least == most else f"{least} to {most} certificates"
        raise CertificateFormatError(f"{name}: expected {wanted}, got {len(found)}")
    return found


def _public_half(key_pem: bytes) -> PublicKey:
    try:
        return private_of_known_kind(serialization.load_pem_private_key(key_pem, password=None)).public_key()
    except MALFORMED:
        raise KeyFormatError(f"{PRIVATE_KEY}: expected an unencrypted PKCS#8 key in PEM") from None


def _spki(certificate: x509.Certificate) -> bytes:
    return spki_der(public_of_known_kind(certificate.public_key()))


def _unusable(reasons: list[str]) -> CoordinatorNotTrusted:
    return CoordinatorNotTrusted("A261", "it gave no usable identity", reasons, _DOOR_HINT)


def _untrusted(what: str, checks: tuple[Check, ...]) -> CoordinatorNotTrusted:
    reasons = [
        f"{check.name}: expected {check.expected}, got {check.found} ({check.source})"
        for check in checks
        if check.status is not Status.PASSED
    ]
    hints = [check.hint for check in checks if check.status is not Status.PASSED and check.hint]
    return CoordinatorNotTrusted("A262", what, reasons, hints[0] if hints else _REFERENCE_HINT)
