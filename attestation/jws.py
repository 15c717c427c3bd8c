"""Signed JSON: tokens in JWS compact form with ES256 or ES384, and the keys that sign them.

Strict on purpose: two algorithms, no critical header, each member once, one encoding of every byte.
Source: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518, 3.4 and 6.2 (ECDSA), RFC 7519 (JWT).
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.strict_json import parse_json

MAX_TOKEN_BYTES: Final = 256 * 1024
_MAX_KEYS: Final = 64


@dataclass(frozen=True, slots=True)
class Algorithm:
    """name: JWS's.  curve: JWK's name.  number_bytes: of each of r and s."""

    name: str
    curve_name: str
    curve: ec.EllipticCurve
    hash: hashes.HashAlgorithm
    number_bytes: int


ES256: Final = Algorithm("ES256", "P-256", ec.SECP256R1(), hashes.SHA256(), 32)
ES384: Final = Algorithm("ES384", "P-384", ec.SECP384R1(), hashes.SHA384(), 48)
_ALGORITHMS: Final = {algorithm.name: algorithm for algorithm in (ES256, ES384)}
_CURVES: Final = {algorithm.curve_name: algorithm for algorithm in (ES256, ES384)}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may sign tokens with its curve's algorithm.  key_id: empty for a key without a name."""

    algorithm: Algorithm
    public: ec.EllipticCurvePublicKey
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed token; nothing in it is trusted yet.  signed: exactly the bytes under `signature` (r || s)."""

    algorithm: Algorithm
    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parse_token(text: str) -> Token:
    """Read a token.  Raises EvidenceFormatError for anything but header, claims and signature in one way of writing."""
    if len(text) > MAX_TOKEN_BYTES or not text.isascii():
        raise EvidenceFormatError(f"token: expected at most {MAX_TOKEN_BYTES} ASCII characters, got {len(text)}")
    parts = text.split(".")
    if len(parts) != 3:
        raise EvidenceFormatError(f"token: expected three parts with dots between them, got {len(parts)}")
    header = _object(_from_base64url(parts[0], "header"), "header")
    algorithm = _ALGORITHMS.get(str(header.get("alg")))
    if algorithm is None or "crit" in header:
        raise EvidenceFormatError(
            f"token header: expected alg {' or '.join(_ALGORITHMS)} and no crit, got {header.get('alg')!r:.40}"
        )
    return Token(
        algorithm,
        str(header.get("kid", "")),
        _object(_from_base64url(parts[1], "claims"), "claims"),
        f"{parts[0]}.{parts[1]}".encode(),
        _from_base64url(parts[2], "signature"),
    )


def is_signed_by(token: Token, keys: tuple[Key, ...]) -> bool:
    """Whether one of the keys signed the token; where both have names, only a key of that name counts."""
    return any(
        _verifies(token, key)
        for key in keys
        if key.algorithm is token.algorithm and (not key.key_id or not token.key_id or key.key_id == token.key_id)
    )


def sign_token(claims: Mapping[str, Any], key: ec.EllipticCurvePrivateKey, *, key_id: str = "") -> str:
    """A token with these claims.  key: on P-256 or P-384; ValueError otherwise."""
    algorithm = next((a for a in _ALGORITHMS.values() if a.curve.name == key.curve.name), None)
    if algorithm is None:
        raise ValueError(f"token key: expected one on P-256 or P-384, got {key.curve.name}")
    header = {"alg": algorithm.name, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    signed = ".".join(to_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(algorithm.hash)))
    size = algorithm.number_bytes
    return f"{signed}.{to_base64url(r.to_bytes(size, 'big') + s.to_bytes(size, 'big'))}"


def parse_keys(raw: bytes) -> tuple[Key, ...]:
    """The EC keys of a JWK or a JWKS; keys of other kinds are left out.  Raises EndorsementFormatError."""
    try:
        document = _object(raw, "keys")
    except EvidenceFormatError as error:
        raise EndorsementFormatError(str(error)) from error
    items = document.get("keys", [document])
    if not isinstance(items, list) or not 1 <= len(items) <= _MAX_KEYS:
        raise EndorsementFormatError(f"JWKS: expected 1 to {_MAX_KEYS} keys in a list")
    return tuple(_key(item) for item in items if isinstance(item, dict) and item.get("kty") == "EC")


def encode_key(key: ec.EllipticCurvePublicKey, *, key_id: str = "") -> dict[str, str]:
    """The JWK of a public key on P-256 or P-384."""
    algorithm = next(a for a in _ALGORITHMS.values() if a.curve.name == key.curve.name)
    numbers = key.public_numbers()
    x, y = (to_base64url(n.to_bytes(algorithm.number_bytes, "big")) for n in (numbers.x, numbers.y))
    jwk = {"kty": "EC", "crv": algorithm.curve_name, "alg": algorithm.name, "x": x, "y": y}
    return jwk | ({"kid": key_id} if key_id else {})


def to_base64url(raw: bytes) -> str:
    """Without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _verifies(token: Token, key: Key) -> bool:
    size = key.algorithm.number_bytes
    if len(token.signature) != 2 * size:
        return False
    r, s = (int.from_bytes(part, "big") for part in (token.signature[:size], token.signature[size:]))
    try:
        key.public.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(key.algorithm.hash))
    except InvalidSignature:
        return False
    return True


def _key(item: dict[str, Any]) -> Key:
    algorithm = _CURVES.get(str(item.get("crv")))
    if algorithm is None or "d" in item:
        raise EndorsementFormatError(
            f"JWK: expected a public key on {' or '.join(_CURVES)}, got curve {item.get('crv')!r:.40}"
            + (" with its private part" if "d" in item else "")
        )
    try:
        x, y = (int.from_bytes(_from_base64url(str(item.get(n)), n), "big") for n in ("x", "y"))
        public = ec.EllipticCurvePublicNumbers(x, y, algorithm.curve).public_key()
    except (ValueError, EvidenceFormatError) as error:
        raise EndorsementFormatError(f"JWK: expected a point of {algorithm.curve_name}, got {error}") from error
    return Key(algorithm, public, str(item.get("kid", "")))


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        document = parse_json(raw)
    except ValueError as error:
        raise EvidenceFormatError(f"{what}: expected JSON, got {error}") from error
    if not isinstance(document, dict):
        raise EvidenceFormatError(f"{what}: expected an object, got {type(document).__name__}")
    return document


def _from_base64url(text: str, what: str) -> bytes:
    """Only the one form that `to_base64url` gives."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise EvidenceFormatError(f"{what}: expected base64url, got {error}") from error
    if to_base64url(raw) != text:
        raise EvidenceFormatError(f"{what}: expected base64url without padding, got another form")
    return raw
