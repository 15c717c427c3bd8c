"""A simulated maker of Arm CCA platforms: attestation keys and tokens in the real format, of both profiles.

CCA has no vendor's root, so nothing of Arm's is imitated but the token: the maker's root, which carries the marker
extension, certifies the platform's key (CPAK), and the implementation id starts with `SIM`.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from attestation.cbor import encode
from attestation.cca.endorsements import CcaEndorsements, Cpak
from attestation.cca.format import (
    COLLECTION_TAG,
    EXTENSIBLE_MEASUREMENTS,
    LEGACY_PLATFORM_PROFILE,
    PERSONALIZATION_BYTES,
    PLATFORM_LABEL,
    PLATFORM_PROFILE,
    REALM_LABEL,
    REALM_PROFILE,
    SoftwareComponent,
)
from attestation.cose import sign
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.intel_pki import MARKER, pem
from attestation.simulation.private_file import key_pem, opened_private, read_key, write_private

PRIVATE_FILE: Final = "arm.private.json"
VALIDITY: Final = timedelta(days=3650)
SECURED: Final = 0x3000
DEBUG: Final = 0x4000
IMPLEMENTATION_ID: Final = b"SIM".ljust(32, b"\0")
_FORMAT: Final = "enclasp-simulated-arm/1"


@dataclass(frozen=True, slots=True)
class Realm:
    """What a simulated realm says of itself; measurements are 32, 48 or 64 bytes, all of the same length."""

    rim: bytes
    rems: tuple[bytes, ...] = (bytes(32),) * EXTENSIBLE_MEASUREMENTS
    personalization: bytes = bytes(PERSONALIZATION_BYTES)


@dataclass(frozen=True, slots=True)
class Platform:
    """What a simulated platform says of itself.  lifecycle: two bytes."""

    lifecycle: int = SECURED
    configuration: bytes = b"simulated"
    components: tuple[SoftwareComponent, ...] = (
        SoftwareComponent("RMM", sha256(b"simulated RMM").digest(), "1.0", sha256(b"SIMULATED").digest(), "sha-256"),
    )
    implementation_id: bytes = IMPLEMENTATION_ID
    legacy: bool = False


@dataclass(frozen=True)
class SimulatedArm:
    """One maker with one machine: its root, the machine's CPAK with its certificate, and the realm attestation key."""

    root_key: ec.EllipticCurvePrivateKey = field(repr=False)
    root: x509.Certificate
    cpak: ec.EllipticCurvePrivateKey = field(repr=False)
    cpak_certificate: x509.Certificate
    rak: ec.EllipticCurvePrivateKey = field(repr=False)
    made_at: datetime

    @cached_property
    def trust_pem(self) -> bytes:
        """The root, for `TrustAnchors.with_simulated`."""
        return self.root.public_bytes(Encoding.PEM)

    @cached_property
    def endorsements(self) -> CcaEndorsements:
        """The machine's CPAK with its certificates, ready for a Verifier."""
        certificates = (self.cpak_certificate, self.root)
        return CcaEndorsements((Cpak(self.cpak.public_key(), self.instance_id, certificates=certificates),))

    @property
    def instance_id(self) -> bytes:
        """A UEID of type 01, of the CPAK's hash as in Arm's reference firmware."""
        return b"\x01" + sha256(_point(self.cpak)).digest()

    def token(self, realm: Realm, challenge: bytes, platform: Platform | None = None) -> Evidence:
        """A token over 64 bytes of challenge.  platform: as a good one says, unless given."""
        machine = platform or Platform()
        raw_key = _point(self.rak) if machine.legacy else _cose_key(self.rak)
        parts = {
            PLATFORM_LABEL: sign(self.cpak, encode(self._platform_claims(machine, raw_key)), tagged=True),
            REALM_LABEL: sign(self.rak, encode(_realm_claims(realm, challenge, raw_key, machine.legacy)), tagged=True),
        }
        return Evidence(Kind.CCA, encode(cbor2.CBORTag(COLLECTION_TAG, parts)))

    def _platform_claims(self, machine: Platform, raw_key: bytes) -> dict[int, object]:
        return {
            265: LEGACY_PLATFORM_PROFILE if machine.legacy else PLATFORM_PROFILE,
            10: sha256(raw_key).digest(),
            2396: machine.implementation_id,
            256: self.instance_id,
            2401: machine.configuration,
            2395: machine.lifecycle,
            2402: "sha-256",
            2399: [_component_claims(component) for component in machine.components],
        }


def with_certificate_until(vendor: SimulatedArm, ends: datetime) -> SimulatedArm:
    """The same maker and machine, whose CPAK has another certificate."""
    certificate = _certificate("CPAK", vendor.cpak, vendor.root, vendor.root_key, vendor.made_at, ends)
    return replace(vendor, cpak_certificate=certificate)


def new_arm(now: datetime) -> SimulatedArm:
    """A maker with fresh keys, in memory; its certificates are valid from a day before `now`."""
    made_at = now.astimezone(UTC).replace(microsecond=0)
    root_key, cpak, rak = new_key(), new_key(), new_key()
    ends = made_at + VALIDITY
    root = _certificate("Simulated CCA platform root", root_key, None, root_key, made_at, ends)
    certificate = _certificate("CPAK", cpak, root, root_key, made_at, ends)
    return SimulatedArm(root_key, root, cpak, certificate, rak, made_at)


def save(folder: Path, vendor: SimulatedArm) -> None:
    """Write the vendor's keys into a folder, for its owner only.  Raises OSError, also if there are keys already."""
    document = {
        "format": _FORMAT,
        "made_at": vendor.made_at.isoformat(),
        "root_key": key_pem(vendor.root_key),
        "root": pem(vendor.root).decode(),
        "cpak": key_pem(vendor.cpak),
        "cpak_certificate": pem(vendor.cpak_certificate).decode(),
        "rak": key_pem(vendor.rak),
    }
    write_private(folder / PRIVATE_FILE, document)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh key on P-384, as every key here is."""
    return ec.generate_private_key(ec.SECP384R1())


def load(folder: Path) -> SimulatedArm:
    """The maker that `save` wrote.  Raises EndorsementFormatError if there is none, or it cannot be read."""
    with opened_private(folder / PRIVATE_FILE, _FORMAT) as stored:
        return SimulatedArm(
            root_key=read_key(stored["root_key"]),
            root=x509.load_pem_x509_certificate(stored["root"].encode()),
            cpak=read_key(stored["cpak"]),
            cpak_certificate=x509.load_pem_x509_certificate(stored["cpak_certificate"].encode()),
            rak=read_key(stored["rak"]),
            made_at=datetime.fromisoformat(stored["made_at"]),
        )


def _component_claims(component: SoftwareComponent) -> dict[int, object]:
    return {
        1: component.kind,
        2: component.measurement,
        4: component.version,
        5: component.signer_id,
        6: component.hash_algorithm,
    }


def _realm_claims(realm: Realm, challenge: bytes, raw_key: bytes, legacy: bool) -> dict[int, object]:
    claims: dict[int, object] = {
        10: challenge,
        44235: realm.personalization,
        44236: f"sha-{len(realm.rim) * 8}",
        44237: raw_key,
        44238: realm.rim,
        44239: list(realm.rems),
        44240: "sha-256",
    }
    return claims if legacy else {265: REALM_PROFILE, **claims}


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _cose_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Source: RFC 9053, 7.1.1; curve 2 is P-384."""
    point = _point(key)
    size = len(point) // 2
    return encode({1: 2, -1: 2, -2: point[1 : 1 + size], -3: point[1 + size :]})


def _certificate(
    common_name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    made_at: datetime,
    ends: datetime,
) -> x509.Certificate:
    """issuer: None for the root, which alone is an authority and carries the marker."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    is_ca = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(is_ca, 0 if is_ca else None), critical=True)
        .add_extension(x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False), critical=True)
    )
    if is_ca:
        builder = builder.add_extension(MARKER, critical=False)
    return builder.sign(issuer_key, hashes.SHA384())
