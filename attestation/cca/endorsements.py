"""Which keys do Arm CCA platforms attest with?  Every CPAK (platform attestation key) that the operator vouches for.

There is no certificate chain and no vendor's root in CCA: the verifier's operator gets a machine's CPAK from whoever
owns the machine, and that alone makes its tokens genuine (draft-ffm-rats-cca-token, 5).
A simulated vendor's CPAK comes with a certificate (`x5c`, RFC 7517, 4.7) by its root, which must be a trust anchor: so
simulated tokens need the operator's word twice, as simulated evidence of every other kind does.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import MALFORMED
from attestation.cca.format import IMPLEMENTATION_ID_BYTES, INSTANCE_ID_BYTES
from attestation.errors import EndorsementFormatError

BUNDLE_KEY: Final = "cca"
CPAK_FILE: Final = "cpak.jwk.json"
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_MAX_CERTIFICATES: Final = 4


@dataclass(frozen=True, slots=True)
class Cpak:
    """The key of a platform.  instance_id (33 bytes), implementation_id (32): None where the key is for any.

    certificates: of this key, and above it; empty for a key that the operator himself vouches for.
    """

    key: ec.EllipticCurvePublicKey
    instance_id: bytes | None = None
    implementation_id: bytes | None = None
    certificates: tuple[x509.Certificate, ...] = ()

    def is_of(self, instance_id: bytes, implementation_id: bytes) -> bool:
        """Whether it may be the key of this machine."""
        return self.instance_id in (None, instance_id) and self.implementation_id in (None, implementation_id)


@dataclass(frozen=True, slots=True)
class CcaEndorsements:
    """All keys that a Verifier may use."""

    cpaks: tuple[Cpak, ...] = ()

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> "CcaEndorsements":
        """`cpak.jwk.json`: a JWK, or a list as in the bundle.  Raises EndorsementFormatError."""
        raw = files.get(CPAK_FILE)
        if raw is None:
            return CcaEndorsements()
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise EndorsementFormatError(f"{CPAK_FILE}: expected JSON, got {error}") from error
        return CcaEndorsements.from_json(document if isinstance(document, list) else [document])

    @staticmethod
    def from_json(items: object) -> "CcaEndorsements":
        """The bundle's list for CCA: JWKs, or `{"cpak": JWK, "instance_id": hex, "implementation_id": hex}`.

        Raises EndorsementFormatError.
        """
        place = f"collateral /{BUNDLE_KEY}"
        if not isinstance(items, list):
            raise EndorsementFormatError(f"{place}: expected a list, got {type(items).__name__}")
        return CcaEndorsements(tuple(_cpak(item, f"{place}/{i}") for i, item in enumerate(items)))

    def to_json(self) -> list[dict[str, Any]]:
        """The bundle's list for CCA."""
        return [_encode(cpak) for cpak in self.cpaks]

    def of_platform(self, instance_id: bytes, implementation_id: bytes) -> tuple[Cpak, ...]:
        """The keys that this machine may have."""
        return tuple(cpak for cpak in self.cpaks if cpak.is_of(instance_id, implementation_id))


def _cpak(item: object, place: str) -> Cpak:
    if not isinstance(item, dict):
        raise EndorsementFormatError(f"{place}: expected an object, got {type(item).__name__}")
    entry = {"cpak": item} if "kty" in item else item
    jwk = entry.get("cpak")
    if not isinstance(jwk, dict):
        raise EndorsementFormatError(f"{place}/cpak: expected a JWK, got {type(jwk).__name__}")
    key = _key(jwk, f"{place}/cpak")
    return Cpak(
        key=key,
        instance_id=_hex(entry, "instance_id", INSTANCE_ID_BYTES, place),
        implementation_id=_hex(entry, "implementation_id", IMPLEMENTATION_ID_BYTES, place),
        certificates=_certificates(jwk, key, f"{place}/cpak/x5c"),
    )


def _key(jwk: dict[str, Any], place: str) -> ec.EllipticCurvePublicKey:
    """Source: RFC 7518, 6.2.1.  A private key is refused: it has no place here."""
    curve = _CURVES.get(str(jwk.get("crv")))
    if jwk.get("kty") != "EC" or curve is None:
        raise EndorsementFormatError(
            f"{place}: expected kty EC and crv {', '.join(_CURVES)}, got {jwk.get('kty')!r:.20} {jwk.get('crv')!r:.20}"
        )
    if "d" in jwk:
        raise EndorsementFormatError(f"{place}: expected a public key, got a private one")
    size = (curve.key_size + 7) // 8
    x, y = (_base64url(jwk.get(name), size, f"{place}/{name}") for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)
    except ValueError as error:
        raise EndorsementFormatError(f"{place}: expected a point of {curve.name}, got one that is not on it") from error


def _certificates(jwk: dict[str, Any], key: ec.EllipticCurvePublicKey, place: str) -> tuple[x509.Certificate, ...]:
    texts = jwk.get("x5c", [])
    if not isinstance(texts, list) or len(texts) > _MAX_CERTIFICATES or not all(isinstance(t, str) for t in texts):
        raise EndorsementFormatError(f"{place}: expected at most {_MAX_CERTIFICATES} certificates in base64")
    try:
        chain = tuple(x509.load_der_x509_certificate(base64.b64decode(text, validate=True)) for text in texts)
        for certificate in chain:
            _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.not_valid_before_utc
        matches = not chain or chain[0].public_key() == key
    except (binascii.Error, *MALFORMED) as error:
        raise EndorsementFormatError(f"{place}: expected X.509 in base64, got {type(error).__name__}") from error
    if not matches:
        raise EndorsementFormatError(f"{place}/0: expected the certificate of this key, got that of another")
    return chain


def _encode(cpak: Cpak) -> dict[str, Any]:
    numbers, size = cpak.key.public_numbers(), (cpak.key.curve.key_size + 7) // 8
    jwk: dict[str, Any] = {
        "kty": "EC",
        "crv": next(name for name, curve in _CURVES.items() if curve.name == cpak.key.curve.name),
        "x": _text(numbers.x.to_bytes(size, "big")),
        "y": _text(numbers.y.to_bytes(size, "big")),
    }
    if cpak.certificates:
        jwk["x5c"] = [base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in cpak.certificates]
    ids = {"instance_id": cpak.instance_id, "implementation_id": cpak.implementation_id}
    return {"cpak": jwk, **{name: value.hex() for name, value in ids.items() if value is not None}}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _base64url(text: object, size: int, place: str) -> bytes:
    if not isinstance(text, str):
        raise EndorsementFormatError(f"{place}: expected base64url, got {type(text).__name__}")
    try:
        raw = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise EndorsementFormatError(f"{place}: expected base64url, got {text!r:.40}") from error
    if len(raw) != size:
        raise EndorsementFormatError(f"{place}: expected {size} bytes, got {len(raw)}")
    return raw


def _hex(entry: dict[str, Any], name: str, size: int, place: str) -> bytes | None:
    text = entry.get(name)
    if text is None:
        return None
    try:
        raw = bytes.fromhex(text)
    except (TypeError, ValueError) as error:
        raise EndorsementFormatError(f"{place}/{name}: expected hex digits, got {text!r:.40}") from error
    if len(raw) != size:
        raise EndorsementFormatError(f"{place}/{name}: expected {size} bytes, got {len(raw)}")
    return raw
