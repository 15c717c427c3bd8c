"""A simulated AMD: keys, certificates with AMD's names and extensions, revocation lists, and signed reports.

The names are AMD's, since other verifiers check them; the root alone carries the marker of a simulated vendor.
Unlike AMD's, VCEK and VLEK have serial numbers that are not 0, which no library lets us write any more, and the RSA
keys are shorter by default: making AMD's 4096 bits takes ten seconds.
"""

import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from attestation.binding import whole_report_data
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.certificate import CSP_ID, HWID, HWID_BYTES, LEAF_NAMES, PRODUCT_NAME, SVNS
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import (
    ECDSA_P384_SHA384,
    PLATFORM_BITS,
    POLICY_BITS,
    REPORT_BYTES,
    SIGNED_BYTES,
    SigningKey,
    TableEntry,
    encode_table,
)
from attestation.sev_snp.tcb import LAYOUTS, Product, encode
from attestation.simulation.der import integer
from attestation.simulation.intel_pki import MARKER, random_bytes
from attestation.simulation.private_file import opened_private, write_private

PRIVATE_FILE: Final = "amd.private.json"
KEY_BITS: Final = 2048
VALIDITY: Final = timedelta(days=7 * 365)
SVN: Final = 20
"""Security version of every component of an up-to-date machine."""


_Authority: TypeAlias = tuple[rsa.RSAPrivateKey, x509.Certificate]


@dataclass(frozen=True, slots=True)
class Guest:
    """What a simulated guest says of itself.  policy, platform: names of POLICY_BITS and PLATFORM_BITS."""

    measurement: bytes
    host_data: bytes = bytes(32)
    id_key_digest: bytes = bytes(48)
    author_key_digest: bytes = bytes(48)
    family_id: bytes = bytes(16)
    image_id: bytes = bytes(16)
    guest_svn: int = 0
    vmpl: int = 0
    policy: frozenset[str] = frozenset({"smt"})
    platform: frozenset[str] = frozenset({"smt", "ecc", "alias-check-complete"})

    def debuggable(self) -> "Guest":
        """The same with the DEBUG policy bit."""
        return replace(self, policy=self.policy | {"debug"})


@dataclass(frozen=True, slots=True)
class Chip:
    """A simulated chip: its keys and certificates for one patch level.  chip_id: as in the report, 64 bytes."""

    product: Product
    chip_id: bytes
    svns: Mapping[str, int]
    vcek_key: ec.EllipticCurvePrivateKey
    vcek: x509.Certificate
    vlek_key: ec.EllipticCurvePrivateKey
    vlek: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    def report(
        self,
        guest: Guest,
        report_data: bytes,
        *,
        version: int = 5,
        signing_key: SigningKey = SigningKey.VCEK,
        reported: Mapping[str, int] | None = None,
        masked: bool = False,
        extended: bool = False,
    ) -> Evidence:
        """A signed report over 64 bytes of report data.

        reported: other security versions than the certificate's.  masked: the host hides the chip id.
        extended: with the certificate table.
        """
        raw = self._fields(guest, report_data, version, signing_key, self.svns if reported is None else reported)
        if masked or signing_key is SigningKey.VLEK:
            raw[0x1A0:0x1E0] = bytes(64)
        signed = bytes(raw[:SIGNED_BYTES])
        key = self.vlek_key if signing_key is SigningKey.VLEK else self.vcek_key
        return Evidence(Kind.SEV_SNP, sign_report(key, signed) + (self.table(signing_key) if extended else b""))

    def table(self, signing_key: SigningKey = SigningKey.VCEK) -> bytes:
        """The certificate table that a host gives with a report."""
        vlek = signing_key is SigningKey.VLEK
        ask, asvk, ark = (certificate.public_bytes(Encoding.DER) for certificate in self.issuers)
        leaf = (self.vlek if vlek else self.vcek).public_bytes(Encoding.DER)
        guid = TableEntry.VLEK if vlek else TableEntry.VCEK
        return encode_table(((guid, leaf), (TableEntry.ASK, asvk if vlek else ask), (TableEntry.ARK, ark)))

    def _fields(
        self, guest: Guest, report_data: bytes, version: int, signing_key: SigningKey, reported: Mapping[str, int]
    ) -> bytearray:
        whole_report_data(report_data)
        raw = bytearray(REPORT_BYTES)
        tcb = encode(self.svns, self.product)
        policy = _POLICY_BASE | _bits(guest.policy, POLICY_BITS)
        struct.pack_into("<IIQ", raw, 0, version, guest.guest_svn, policy)
        raw[0x10:0x20], raw[0x20:0x30] = guest.family_id, guest.image_id
        struct.pack_into("<II", raw, 0x30, guest.vmpl, ECDSA_P384_SHA384)
        raw[0x38:0x40] = tcb
        struct.pack_into("<QI", raw, 0x40, _bits(guest.platform, PLATFORM_BITS), signing_key << 2)
        raw[0x50:0x90] = report_data
        raw[0x90:0xC0], raw[0xC0:0xE0] = guest.measurement, guest.host_data
        raw[0xE0:0x110], raw[0x110:0x140] = guest.id_key_digest, guest.author_key_digest
        raw[0x140:0x160], raw[0x160:0x180] = random_bytes(32), b"\xff" * 32
        raw[0x180:0x188] = encode(reported, self.product)
        if version >= 3:
            raw[0x188:0x18B] = bytes(_CPUIDS[self.product])
        raw[0x1A0:0x1E0] = self.chip_id
        raw[0x1E0:0x1E8] = tcb
        raw[0x1E8:0x1F0] = _FIRMWARE * 2
        raw[0x1F0:0x1F8] = tcb
        return raw


@dataclass(frozen=True, slots=True)
class SimulatedAmd:
    """A simulated AMD with one chip.  ark, ask, asvk: certificates with their keys."""

    product: Product
    ark_key: rsa.RSAPrivateKey
    ark: x509.Certificate
    ask_key: rsa.RSAPrivateKey
    ask: x509.Certificate
    asvk_key: rsa.RSAPrivateKey
    asvk: x509.Certificate
    chip: Chip
    made_at: datetime

    @property
    def trust_pem(self) -> bytes:
        """The root, for `TrustAnchors.with_simulated`."""
        return self.ark.public_bytes(Encoding.PEM)

    def endorsements(self, chip: Chip | None = None, crls: tuple[bytes, ...] = ()) -> SevSnpEndorsements:
        """All certificates of a chip (the vendor's own one by default), and revocation lists."""
        chip = chip or self.chip
        certificates = (chip.vcek, chip.vlek, self.ask, self.asvk, self.ark)
        return SevSnpEndorsements(tuple(c.public_bytes(Encoding.DER) for c in certificates), crls)

    def crl(self, revoked: Sequence[x509.Certificate] = (), validity: timedelta = VALIDITY) -> bytes:
        """The root's revocation list in DER."""
        issued = self.made_at - timedelta(days=1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.ark.subject)
            .last_update(issued)
            .next_update(self.made_at + validity)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(issued)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.ark_key, hashes.SHA384(), rsa_padding=_PSS).public_bytes(Encoding.DER)

    def new_chip(self, svn: int = SVN, *, validity: timedelta = VALIDITY) -> Chip:
        """Another chip, all of whose components have this security version."""
        ask, asvk = (self.ask_key, self.ask), (self.asvk_key, self.asvk)
        return _new_chip(self.product, ask, asvk, self.ark, self.made_at, svn, validity)


def new_amd(now: datetime, product: Product = Product.MILAN, *, key_bits: int = KEY_BITS) -> SimulatedAmd:
    """A vendor with fresh keys, in memory; its certificates are valid from a day before `now`."""
    made_at = now.astimezone(UTC).replace(microsecond=0)
    ends = made_at + VALIDITY
    with ThreadPoolExecutor(3) as pool:
        ark_key, ask_key, asvk_key = pool.map(partial(rsa.generate_private_key, 65537), [key_bits] * 3)
    ark_name = _name(f"ARK-{product.value}")

    def authority(name: str, key: rsa.RSAPrivateKey, extra: Sequence[x509.ExtensionType]) -> x509.Certificate:
        return _certificate(name, key.public_key(), ark_name, ark_key, made_at, ends, extra)

    ark = authority(f"ARK-{product.value}", ark_key, (*_ca_extensions(ark_key, None), MARKER))
    ask = authority(f"SEV-{product.value}", ask_key, _ca_extensions(ask_key, 0))
    asvk = authority(f"SEV-VLEK-{product.value}", asvk_key, _ca_extensions(asvk_key, 0))
    chip = _new_chip(product, (ask_key, ask), (asvk_key, asvk), ark, made_at, SVN, VALIDITY)
    return SimulatedAmd(product, ark_key, ark, ask_key, ask, asvk_key, asvk, chip, made_at)


def sign_report(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """A whole report: 672 signed bytes, then r and s in 72 bytes each, little endian, and zeros."""
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA384())))
    return (signed + r.to_bytes(72, "little") + s.to_bytes(72, "little")).ljust(REPORT_BYTES, b"\0")


def save(folder: Path, vendor: SimulatedAmd) -> None:
    """Write the vendor's keys into a folder, for its owner only.  Raises OSError, also if there are keys already."""
    write_private(folder / PRIVATE_FILE, _encode(vendor))


def load(folder: Path) -> SimulatedAmd:
    """The vendor that `save` wrote.  Raises EndorsementFormatError if there is none, or it cannot be read."""
    with opened_private(folder / PRIVATE_FILE, _PRIVATE_FORMAT) as stored:
        return _decode(stored)


def _new_chip(
    product: Product,
    ask: _Authority,
    asvk: _Authority,
    ark: x509.Certificate,
    made_at: datetime,
    svn: int,
    validity: timedelta,
) -> Chip:
    hwid = random_bytes(HWID_BYTES[product])
    svns = dict.fromkeys(LAYOUTS[product], svn)
    vcek_key, vlek_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    ends = made_at + validity
    chip = x509.UnrecognizedExtension(HWID, hwid)
    provider = x509.UnrecognizedExtension(CSP_ID, _ia5_string("simulated-provider"))

    def leaf(
        kind: SigningKey, key: ec.EllipticCurvePrivateKey, issuer: _Authority, identity: x509.ExtensionType
    ) -> x509.Certificate:
        issuer_key, certificate = issuer
        name = _STEPPINGS.get(product, product.value) if kind is SigningKey.VCEK else product.value
        extensions = (*_leaf_extensions(product, name, svns), identity)
        return _certificate(
            LEAF_NAMES[kind], key.public_key(), certificate.subject, issuer_key, made_at, ends, extensions
        )

    return Chip(
        product=product,
        chip_id=hwid.ljust(64, b"\0"),
        svns=svns,
        vcek_key=vcek_key,
        vcek=leaf(SigningKey.VCEK, vcek_key, ask, chip),
        vlek_key=vlek_key,
        vlek=leaf(SigningKey.VLEK, vlek_key, asvk, provider),
        issuers=(ask[1], asvk[1], ark),
    )


def _encode(vendor: SimulatedAmd) -> dict[str, Any]:
    chip = vendor.chip
    keys = {name: getattr(vendor, f"{name}_key") for name in _AUTHORITIES}
    keys |= {name: getattr(chip, f"{name}_key") for name in _LEAVES}
    certificates = {name: getattr(vendor, name) for name in _AUTHORITIES}
    certificates |= {name: getattr(chip, name) for name in _LEAVES}
    return {
        "format": _PRIVATE_FORMAT,
        "made_at": vendor.made_at.isoformat(),
        "product": vendor.product.value,
        "chip_id": chip.chip_id.hex(),
        "svns": dict(chip.svns),
        "keys": {
            n: k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for n, k in keys.items()
        },
        "certificates": {n: c.public_bytes(Encoding.PEM).decode() for n, c in certificates.items()},
    }


def _decode(stored: Mapping[str, Any]) -> SimulatedAmd:
    certificates = {n: x509.load_pem_x509_certificate(pem.encode()) for n, pem in stored["certificates"].items()}
    keys = {n: serialization.load_pem_private_key(pem.encode(), None) for n, pem in stored["keys"].items()}
    product = Product(stored["product"])
    chip = Chip(
        product=product,
        chip_id=bytes.fromhex(stored["chip_id"]),
        svns=stored["svns"],
        vcek_key=_p384(keys["vcek"]),
        vcek=certificates["vcek"],
        vlek_key=_p384(keys["vlek"]),
        vlek=certificates["vlek"],
        issuers=(certificates["ask"], certificates["asvk"], certificates["ark"]),
    )
    return SimulatedAmd(
        product=product,
        ark_key=_rsa(keys["ark"]),
        ark=certificates["ark"],
        ask_key=_rsa(keys["ask"]),
        ask=certificates["ask"],
        asvk_key=_rsa(keys["asvk"]),
        asvk=certificates["asvk"],
        chip=chip,
        made_at=datetime.fromisoformat(stored["made_at"]),
    )


def _p384(key: object) -> ec.EllipticCurvePrivateKey:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("a key of a leaf is not on an elliptic curve")
    return key


def _rsa(key: object) -> rsa.RSAPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("a key of an authority is not of RSA")
    return key


def _certificate(
    name: str,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    made_at: datetime,
    ends: datetime,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - timedelta(days=1))
        .not_valid_after(ends)
    )
    for extension in extensions:
        critical = isinstance(extension, (x509.BasicConstraints, x509.KeyUsage))
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA384(), rsa_padding=_PSS)


def _ca_extensions(key: rsa.RSAPrivateKey, path_length: int | None) -> tuple[x509.ExtensionType, ...]:
    signs_lists = path_length is None
    return (
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.BasicConstraints(ca=True, path_length=path_length),
        x509.KeyUsage(False, False, False, False, False, True, signs_lists, False, False),
    )


def _leaf_extensions(product: Product, product_name: str, svns: Mapping[str, int]) -> tuple[x509.ExtensionType, ...]:
    """Source: AMD VCEK certificate and KDS interface specification (57230), certificate extensions."""
    version = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.3704.1.1"), integer(0))
    name = x509.UnrecognizedExtension(PRODUCT_NAME, _ia5_string(product_name))
    used = (x509.UnrecognizedExtension(SVNS[c], integer(svn)) for c, svn in svns.items())
    reserved = (x509.UnrecognizedExtension(oid, integer(0)) for oid in _RESERVED_SVNS[product])
    return (version, name, *used, *reserved)


def _ia5_string(text: str) -> bytes:
    return bytes([0x16, len(text)]) + text.encode("ascii")


def _bits(names: frozenset[str], bits: Mapping[str, int]) -> int:
    return sum(1 << bits[name] for name in names)


def _name(common_name: str) -> x509.Name:
    parts = (
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Engineering"),
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.LOCALITY_NAME, "Santa Clara"),
        (NameOID.STATE_OR_PROVINCE_NAME, "CA"),
        (NameOID.ORGANIZATION_NAME, "Advanced Micro Devices"),
        (NameOID.COMMON_NAME, common_name),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


_PRIVATE_FORMAT: Final = "enclasp-simulated-amd/1"
_AUTHORITIES: Final = ("ark", "ask", "asvk")
_LEAVES: Final = ("vcek", "vlek")
_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
_POLICY_BASE: Final = 1 << 17
_FIRMWARE: Final = bytes([1, 58, 1, 0])
# A VCEK of Milan names the stepping too; all other leaves name the product only.
_STEPPINGS: Final[Mapping[Product, str]] = {Product.MILAN: "Milan-B0"}
_FOUR: Final = (4, 5, 6, 7)
_RESERVED_SVNS: Final[Mapping[Product, tuple[x509.ObjectIdentifier, ...]]] = {
    product: tuple(x509.ObjectIdentifier(f"1.3.6.1.4.1.3704.1.3.{number}") for number in numbers)
    for product, numbers in ((Product.MILAN, _FOUR), (Product.GENOA, _FOUR), (Product.TURIN, _FOUR[1:]))
}
_CPUIDS: Final[Mapping[Product, tuple[int, int, int]]] = {
    Product.MILAN: (0x19, 0x01, 0x01),
    Product.GENOA: (0x19, 0x11, 0x01),
    Product.TURIN: (0x1A, 0x02, 0x01),
}
