"""What do the bytes of an Arm CCA attestation token say?  A platform token and a realm token in one CBOR collection.

Source: Arm Realm Management Monitor specification (DEN0137), A7.2 (realm attestation); draft-ffm-rats-cca-token, 4.
Both profiles: the legacy one, where the realm's key is a bare point, and that of 2023, where it is a COSE_Key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.cbor import decode, decode_map
from attestation.cose import Sign1, parse_sign1
from attestation.errors import EvidenceFormatError

COLLECTION_TAG: Final = 399
PLATFORM_LABEL: Final = 44234
REALM_LABEL: Final = 44241
LEGACY_PLATFORM_PROFILE: Final = "http://arm.com/CCA-SSD/1.0.0"
PLATFORM_PROFILE: Final = "tag:arm.com,2023:cca_platform#1.0.0"
REALM_PROFILE: Final = "tag:arm.com,2023:realm#1.0.0"
CHALLENGE_BYTES: Final = 64
PERSONALIZATION_BYTES: Final = 64
IMPLEMENTATION_ID_BYTES: Final = 32
INSTANCE_ID_BYTES: Final = 33
EXTENSIBLE_MEASUREMENTS: Final = 4
HASH_BYTES: Final[Mapping[str, int]] = {"sha-256": 32, "sha-384": 48, "sha-512": 64}

# Lifecycle of the platform by its upper byte (draft-ffm-rats-cca-token, 4.4.6); the lower one is the implementer's.
LIFECYCLES: Final[Mapping[int, str]] = {
    0x00: "unknown",
    0x10: "assembly-and-test",
    0x20: "cca-platform-rot-provisioning",
    0x30: "secured",
    0x40: "non-cca-platform-rot-debug",
    0x50: "recoverable-cca-platform-rot-debug",
    0x60: "decommissioned",
}
_SECURED: Final = 0x30
_UEID_RANDOM: Final = 0x01
_MAX_COMPONENTS: Final = 64


@dataclass(frozen=True, slots=True)
class SoftwareComponent:
    """A component that the platform has loaded and measured.  kind, version: empty where not given."""

    kind: str
    measurement: bytes
    version: str
    signer_id: bytes
    hash_algorithm: str

    def __str__(self) -> str:
        named = " ".join(part for part in (self.kind or "unnamed", self.version) if part)
        return f"{named} {self.hash_algorithm}:{self.measurement.hex()} signed by {self.signer_id.hex()}"


@dataclass(frozen=True, slots=True)
class PlatformToken:
    """What the machine's firmware says.  challenge: a hash of the realm's key, which binds the realm token to this one.

    implementation_id: 32 bytes, of the design; instance_id: 33 bytes, of this very machine.
    """

    envelope: Sign1
    profile: str
    challenge: bytes
    implementation_id: bytes
    instance_id: bytes
    configuration: bytes
    lifecycle: int
    hash_algorithm: str
    components: tuple[SoftwareComponent, ...]
    verification_service: str

    @property
    def lifecycle_name(self) -> str:
        """The state in the specification's words."""
        return LIFECYCLES.get(self.lifecycle >> 8, "unknown")

    @property
    def secured(self) -> bool:
        """The one state in which realms have secrets from whoever owns the machine."""
        return self.lifecycle >> 8 == _SECURED


@dataclass(frozen=True, slots=True)
class RealmToken:
    """What the realm management monitor says of a realm.  rim, rems: initial and four extensible measurements.

    challenge: 64 bytes that the realm chose.  key: realm attestation key; raw_key: its bytes as they are hashed.
    profile: empty for the legacy one.
    """

    envelope: Sign1
    profile: str
    challenge: bytes
    personalization: bytes
    hash_algorithm: str
    key: ec.EllipticCurvePublicKey
    raw_key: bytes
    key_hash_algorithm: str
    rim: bytes
    rems: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """Both halves; only together do they say something of a realm on a machine."""

    platform: PlatformToken
    realm: RealmToken


def parse_token(raw: bytes) -> Token:
    """Read a token.  Nothing in it is trusted yet.  Raises EvidenceFormatError."""
    what = "CCA token"
    value = decode(raw, what, tags=frozenset({COLLECTION_TAG}))
    if not isinstance(value, cbor2.CBORTag) or value.tag != COLLECTION_TAG:
        raise EvidenceFormatError(f"{what}: expected tag {COLLECTION_TAG}, got {type(value).__name__}")
    collection = value.value
    if not isinstance(collection, Mapping) or set(collection) != {PLATFORM_LABEL, REALM_LABEL}:
        found = ", ".join(map(str, collection)) if isinstance(collection, Mapping) else type(collection).__name__
        raise EvidenceFormatError(
            f"{what}: expected a platform token ({PLATFORM_LABEL}) and a realm token ({REALM_LABEL}), got {found:.80}"
        )
    platform, realm = collection[PLATFORM_LABEL], collection[REALM_LABEL]
    if not isinstance(platform, bytes) or not isinstance(realm, bytes):
        raise EvidenceFormatError(f"{what}: expected both tokens as byte strings, got another type")
    return Token(_platform(platform), _realm(realm))


def _platform(raw: bytes) -> PlatformToken:
    envelope = parse_sign1(raw, "CCA platform token", tagged=True)
    claims = _Claims(decode_map(envelope.payload, "CCA platform token"), "CCA platform token")
    profile = claims.text(265, "profile")
    if profile not in (LEGACY_PLATFORM_PROFILE, PLATFORM_PROFILE):
        raise claims.error("profile", f"'{PLATFORM_PROFILE}' or '{LEGACY_PLATFORM_PROFILE}'", f"{profile!r:.80}")
    algorithm = claims.hash_name(2402, "hash algorithm")
    instance_id = claims.sized(256, "instance id", INSTANCE_ID_BYTES)
    if instance_id[0] != _UEID_RANDOM:
        raise claims.error("instance id", "a UEID of type 01", f"type {instance_id[0]:02x}")
    lifecycle = claims.number(2395, "lifecycle")
    if not 0 <= lifecycle <= 0xFFFF:
        raise claims.error("lifecycle", "two bytes", str(lifecycle))
    return PlatformToken(
        envelope=envelope,
        profile=profile,
        challenge=claims.sized(10, "challenge", *HASH_BYTES.values()),
        implementation_id=claims.sized(2396, "implementation id", IMPLEMENTATION_ID_BYTES),
        instance_id=instance_id,
        configuration=claims.octets(2401, "configuration"),
        lifecycle=lifecycle,
        hash_algorithm=algorithm,
        components=_components(claims, algorithm),
        verification_service=claims.text(2400, "verification service") if claims.has(2400) else "",
    )


def _components(claims: "_Claims", default_algorithm: str) -> tuple[SoftwareComponent, ...]:
    items = claims.items(2399, "software components")
    if not 1 <= len(items) <= _MAX_COMPONENTS:
        raise claims.error("software components", f"1 to {_MAX_COMPONENTS}", str(len(items)))
    components = []
    for position, item in enumerate(items):
        what = f"CCA platform token, software component {position}"
        if not isinstance(item, Mapping):
            raise EvidenceFormatError(f"{what}: expected a map, got {type(item).__name__}")
        fields = _Claims(item, what)
        components.append(
            SoftwareComponent(
                kind=fields.text(1, "type") if fields.has(1) else "",
                measurement=fields.sized(2, "measurement", *HASH_BYTES.values()),
                version=fields.text(4, "version") if fields.has(4) else "",
                signer_id=fields.sized(5, "signer id", *HASH_BYTES.values()),
                hash_algorithm=fields.hash_name(6, "hash algorithm") if fields.has(6) else default_algorithm,
            )
        )
    return tuple(components)


def _realm(raw: bytes) -> RealmToken:
    envelope = parse_sign1(raw, "CCA realm token", tagged=True)
    claims = _Claims(decode_map(envelope.payload, "CCA realm token"), "CCA realm token")
    profile = claims.text(265, "profile") if claims.has(265) else ""
    if profile not in ("", REALM_PROFILE):
        raise claims.error("profile", f"'{REALM_PROFILE}', or none (legacy)", f"{profile!r:.80}")
    algorithm = claims.hash_name(44236, "hash algorithm")
    raw_key = claims.octets(44237, "public key")
    rems = claims.items(44239, "extensible measurements")
    if len(rems) != EXTENSIBLE_MEASUREMENTS:
        raise claims.error("extensible measurements", str(EXTENSIBLE_MEASUREMENTS), str(len(rems)))
    size = HASH_BYTES[algorithm]
    return RealmToken(
        envelope=envelope,
        profile=profile,
        challenge=claims.sized(10, "challenge", CHALLENGE_BYTES),
        personalization=claims.sized(44235, "personalization value", PERSONALIZATION_BYTES),
        hash_algorithm=algorithm,
        key=_cose_key(raw_key) if profile else _bare_point(raw_key),
        raw_key=raw_key,
        key_hash_algorithm=claims.hash_name(44240, "public key hash algorithm"),
        rim=claims.sized(44238, "initial measurement", size),
        rems=tuple(_Claims({i: rem}, claims.what).sized(i, f"REM{i}", size) for i, rem in enumerate(rems)),
    )


@dataclass(frozen=True, slots=True)
class _Claims:
    """A map of claims, read with errors that name the claim."""

    fields: Mapping[object, object]
    what: str

    def has(self, label: int) -> bool:
        return label in self.fields

    def error(self, name: str, expected: str, found: str) -> EvidenceFormatError:
        return EvidenceFormatError(f"{self.what}, {name}: expected {expected}, got {found}")

    def text(self, label: int, name: str) -> str:
        value = self.fields.get(label)
        if not isinstance(value, str) or not value.isprintable() or len(value) > 1024:
            raise self.error(name, "a printable text", self._found(value))
        return value

    def number(self, label: int, name: str) -> int:
        value = self.fields.get(label)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, "a number", self._found(value))
        return value

    def octets(self, label: int, name: str) -> bytes:
        value = self.fields.get(label)
        if not isinstance(value, bytes) or not value:
            raise self.error(name, "a byte string", self._found(value))
        return value

    def sized(self, label: int, name: str, *sizes: int) -> bytes:
        value = self.octets(label, name)
        if len(value) not in sizes:
            raise self.error(name, f"{' or '.join(map(str, sizes))} bytes", str(len(value)))
        return value

    def items(self, label: int, name: str) -> tuple[object, ...]:
        value = self.fields.get(label)
        if not isinstance(value, (list, tuple)):
            raise self.error(name, "a list", self._found(value))
        return tuple(value)

    def hash_name(self, label: int, name: str) -> str:
        value = self.text(label, name)
        if value not in HASH_BYTES:
            raise self.error(name, " or ".join(HASH_BYTES), f"{value!r:.40}")
        return value

    @staticmethod
    def _found(value: object) -> str:
        return "nothing" if value is None else type(value).__name__


def _bare_point(raw: bytes) -> ec.EllipticCurvePublicKey:
    """An uncompressed point; its length tells the curve."""
    curve = _CURVE_BY_POINT_BYTES.get(len(raw))
    if curve is None or raw[0] != 4:
        sizes = ", ".join(map(str, _CURVE_BY_POINT_BYTES))
        raise EvidenceFormatError(
            f"CCA realm token, public key: expected an uncompressed point of {sizes} bytes, got {len(raw)}"
        )
    return _point(curve, raw)


def _cose_key(raw: bytes) -> ec.EllipticCurvePublicKey:
    """A COSE_Key of type EC2 with both coordinates.  Source: RFC 9053, 7.1.1."""
    what = "CCA realm token, public key"
    key = decode_map(raw, what)
    curve = _CURVE_BY_COSE_LABEL.get(key.get(-1)) if isinstance(key.get(-1), int) else None
    x, y = key.get(-2), key.get(-3)
    if key.get(1) != 2 or curve is None or not isinstance(x, bytes) or not isinstance(y, bytes):
        raise EvidenceFormatError(f"{what}: expected a COSE_Key on P-256, P-384 or P-521 with x and y, got another")
    size = (curve.key_size + 7) // 8
    if len(x) != size or len(y) != size:
        raise EvidenceFormatError(f"{what}: expected coordinates of {size} bytes, got {len(x)} and {len(y)}")
    return _point(curve, b"\x04" + x + y)


def _point(curve: ec.EllipticCurve, raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
    except ValueError as error:
        raise EvidenceFormatError(
            f"CCA realm token, public key: expected a point of {curve.name}, got one that is not on it"
        ) from error


_CURVE_BY_POINT_BYTES: Final[Mapping[int, ec.EllipticCurve]] = {
    65: ec.SECP256R1(),
    97: ec.SECP384R1(),
    133: ec.SECP521R1(),
}
_CURVE_BY_COSE_LABEL: Final[Mapping[object, ec.EllipticCurve]] = {
    1: ec.SECP256R1(),
    2: ec.SECP384R1(),
    3: ec.SECP521R1(),
}
