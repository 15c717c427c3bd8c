"""A simulated AWS: the certificates above a Nitro enclave and attestation documents, with AWS's names and formats.

What marks everything as simulated is the marker extension of the root.  The authorities live ten years instead of
days, since nobody renews them on a developer's machine; an enclave's own certificate lives three hours as AWS's does.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from attestation.cbor import encode
from attestation.cose import sign
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.format import MEASURED_AT_START, PCR_BYTES
from attestation.simulation.intel_pki import MARKER, pem
from attestation.simulation.private_file import key_pem, opened_private, read_key, write_private

PRIVATE_FILE: Final = "aws.private.json"
AUTHORITY_VALIDITY: Final = timedelta(days=3650)
ENCLAVE_VALIDITY: Final = timedelta(hours=3)
_FORMAT: Final = "enclasp-simulated-aws/1"
_REGION: Final = "us-east-1"
_INSTANCE: Final = "i-0123456789abcdef0"
_ENCLAVE: Final = f"{_INSTANCE}-enc0123456789abcdef"
# Common names below the root, and how many authorities may stand below each.  The last one issues to enclaves.
_AUTHORITIES: Final = (
    (f"0123456789abcdef.{_REGION}.aws.nitro-enclaves", 2),
    (f"fedcba9876543210.zonal.{_REGION}.aws.nitro-enclaves", 1),
    (f"{_INSTANCE}.{_REGION}.aws.nitro-enclaves", 0),
)


@dataclass(frozen=True, slots=True)
class NitroEnclave:
    """What a simulated enclave says of itself.  pcrs: number to 48 bytes; those that are not named are zero."""

    pcrs: dict[int, bytes]
    module_id: str = _ENCLAVE
    nonce: bytes | None = None
    public_key: bytes | None = None

    def debuggable(self) -> "NitroEnclave":
        """The same, started with --debug-mode: PCR0 to 2 are zero."""
        return replace(self, pcrs={n: value for n, value in self.pcrs.items() if n not in MEASURED_AT_START})


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that issues others, and its key."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate


@dataclass(frozen=True)
class SimulatedAws:
    """authorities: root first; the last one is the instance's, which certifies enclaves."""

    authorities: tuple[Authority, ...]
    made_at: datetime

    @cached_property
    def trust_pem(self) -> bytes:
        """The root, for `TrustAnchors.with_simulated`."""
        return self.authorities[0].certificate.public_bytes(Encoding.PEM)

    def document(
        self,
        enclave: NitroEnclave,
        user_data: bytes | None,
        *,
        now: datetime,
        validity: timedelta = ENCLAVE_VALIDITY,
    ) -> Evidence:
        """A document made at `now`, by an enclave that got its certificate then."""
        issuer, key = self.authorities[-1], _new_key()
        name = aws_name(f"{enclave.module_id}.{_REGION}.aws")
        leaf = issue_certificate(name, key, issuer, now - timedelta(seconds=3), now + validity)
        payload = encode(
            {
                "module_id": enclave.module_id,
                "digest": "SHA384",
                "timestamp": round(now.timestamp() * 1000),
                "pcrs": {number: enclave.pcrs.get(number, bytes(PCR_BYTES)) for number in range(16)},
                "certificate": leaf.public_bytes(Encoding.DER),
                "cabundle": [authority.certificate.public_bytes(Encoding.DER) for authority in self.authorities],
                "public_key": enclave.public_key,
                "user_data": user_data,
                "nonce": enclave.nonce,
            }
        )
        return Evidence(Kind.NITRO, sign(key, payload, tagged=False))


def new_aws(now: datetime) -> SimulatedAws:
    """A vendor with fresh keys, in memory; its authorities are valid from a day before `now`."""
    made_at = now.astimezone(UTC).replace(microsecond=0)
    starts, ends = made_at - timedelta(days=1), made_at + AUTHORITY_VALIDITY
    key = _new_key()
    name = aws_name("aws.nitro-enclaves")
    authorities = [Authority(key, issue_certificate(name, key, None, starts, ends, is_ca=True))]
    for common_name, below in _AUTHORITIES:
        key = _new_key()
        issued = issue_certificate(
            aws_name(common_name), key, authorities[-1], starts, ends, is_ca=True, path_length=below
        )
        authorities.append(Authority(key, issued))
    return SimulatedAws(tuple(authorities), made_at)


def save(folder: Path, vendor: SimulatedAws) -> None:
    """Write the vendor's keys into a folder, for its owner only.  Raises OSError, also if there are keys already."""
    document = {
        "format": _FORMAT,
        "made_at": vendor.made_at.isoformat(),
        "authorities": [
            {"key": key_pem(authority.key), "certificate": pem(authority.certificate).decode()}
            for authority in vendor.authorities
        ],
    }
    write_private(folder / PRIVATE_FILE, document)


def load(folder: Path) -> SimulatedAws:
    """The vendor that `save` wrote.  Raises EndorsementFormatError if there is none, or it cannot be read."""
    with opened_private(folder / PRIVATE_FILE, _FORMAT) as stored:
        authorities = tuple(
            Authority(read_key(item["key"]), x509.load_pem_x509_certificate(item["certificate"].encode()))
            for item in stored["authorities"]
        )
        return SimulatedAws(authorities, datetime.fromisoformat(stored["made_at"]))


def issue_certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    starts: datetime,
    ends: datetime,
    *,
    is_ca: bool = False,
    path_length: int | None = None,
) -> x509.Certificate:
    """A certificate with the extensions that AWS's have.  issuer: None for the root, which alone carries the marker."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
        .add_extension(x509.KeyUsage(True, not is_ca, False, False, False, is_ca, is_ca, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is None:
        return builder.add_extension(MARKER, critical=False).sign(key, hashes.SHA384())
    return builder.sign(issuer.key, hashes.SHA384())


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def aws_name(common_name: str) -> x509.Name:
    """A name as AWS gives to its authorities."""
    parts = (
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.ORGANIZATION_NAME, "Amazon"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "AWS"),
        (NameOID.COMMON_NAME, common_name),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
