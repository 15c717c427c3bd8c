"""COSE_Sign1 with ECDSA: the signed envelope of Nitro documents and Arm CCA tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from attestation.cbor import decode, decode_map, encode
from attestation.errors import EvidenceFormatError

TAG: Final = 18
ES256: Final = -7
ES384: Final = -35
ES512: Final = -36
_ALGORITHM_LABEL: Final = 1
_CONTENT_TYPE_LABEL: Final = 3


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An ECDSA algorithm.  size: bytes of each number of a signature (r || s)."""

    name: str
    curve: type[ec.EllipticCurve]
    digest: type[hashes.HashAlgorithm]
    size: int


# RFC 9053, 2.1; each with the one curve that these platforms use it with.
ALGORITHMS: Final[Mapping[int, Algorithm]] = {
    ES256: Algorithm("ES256", ec.SECP256R1, hashes.SHA256, 32),
    ES384: Algorithm("ES384", ec.SECP384R1, hashes.SHA384, 48),
    ES512: Algorithm("ES512", ec.SECP521R1, hashes.SHA512, 66),
}


@dataclass(frozen=True, slots=True)
class Sign1:
    """A signed payload.  protected: the exact header bytes that are signed too; signature: r || s, big endian."""

    protected: bytes
    algorithm: Algorithm
    payload: bytes
    signature: bytes

    @property
    def signed(self) -> bytes:
        """What the signature is over.  Source: RFC 9052, 4.4 (Sig_structure, no external data)."""
        return encode(["Signature1", self.protected, b"", self.payload])


def parse_sign1(raw: bytes, what: str, *, tagged: bool) -> Sign1:
    """Read a COSE_Sign1.  Nothing in it is trusted yet.

    tagged: whether CBOR tag 18 must stand before it, else it must not.
    The unprotected header must be empty: nobody signs it.  Raises EvidenceFormatError.
    """
    value = decode(raw, what, tags=frozenset({TAG}) if tagged else frozenset())
    if tagged:
        if not isinstance(value, cbor2.CBORTag) or value.tag != TAG:
            raise EvidenceFormatError(f"{what}: expected tag 18 (COSE_Sign1), got {type(value).__name__}")
        value = value.value
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        raise EvidenceFormatError(f"{what}: expected a COSE_Sign1 of four parts, got {type(value).__name__}")
    protected, unprotected, payload, signature = value
    if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise EvidenceFormatError(f"{what}: expected header, payload and signature as byte strings, got others")
    if not isinstance(unprotected, Mapping) or len(unprotected):
        raise EvidenceFormatError(f"{what}: expected an empty unprotected header, since nobody signs it, got entries")
    algorithm = _algorithm(protected, what)
    if len(signature) != 2 * algorithm.size:
        expected = 2 * algorithm.size
        raise EvidenceFormatError(f"{what}: expected {expected} bytes of signature, got {len(signature)}")
    return Sign1(protected, algorithm, payload, signature)


def is_signed_by(key: ec.EllipticCurvePublicKey, sign1: Sign1) -> bool:
    """Whether `key`, which must be on the algorithm's curve, made the signature."""
    algorithm, numbers = sign1.algorithm, sign1.signature
    if not isinstance(key.curve, algorithm.curve):
        return False
    r, s = (int.from_bytes(part, "big") for part in (numbers[: algorithm.size], numbers[algorithm.size :]))
    try:
        key.verify(encode_dss_signature(r, s), sign1.signed, ec.ECDSA(algorithm.digest()))
    except InvalidSignature:
        return False
    return True


def sign(key: ec.EllipticCurvePrivateKey, payload: bytes, *, tagged: bool) -> bytes:
    """An encoded COSE_Sign1 by the algorithm of the key's curve.  Raises ValueError for another curve."""
    label = next((n for n, algorithm in ALGORITHMS.items() if isinstance(key.curve, algorithm.curve)), None)
    if label is None:
        raise ValueError(f"COSE: expected a key on P-256, P-384 or P-521, got {key.curve.name}")
    algorithm, protected = ALGORITHMS[label], encode({_ALGORITHM_LABEL: label})
    data = Sign1(protected, algorithm, payload, b"").signed
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(algorithm.digest())))
    parts = [protected, {}, payload, r.to_bytes(algorithm.size, "big") + s.to_bytes(algorithm.size, "big")]
    return encode(cbor2.CBORTag(TAG, parts) if tagged else parts)


def _algorithm(protected: bytes, what: str) -> Algorithm:
    header = decode_map(protected, f"{what}, protected header")
    label = header.get(_ALGORITHM_LABEL)
    algorithm = ALGORITHMS.get(label) if isinstance(label, int) else None
    if algorithm is None or not set(header) <= {_ALGORITHM_LABEL, _CONTENT_TYPE_LABEL}:
        known = ", ".join(f"{a.name} ({n})" for n, a in ALGORITHMS.items())
        raise EvidenceFormatError(
            f"{what}, protected header: expected one of the algorithms {known} "
            f"and at most a content type, got labels {', '.join(map(str, header)):.80} and algorithm {label!r:.40}"
        )
    return algorithm
