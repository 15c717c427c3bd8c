"""A simulated NVIDIA: roots, intermediates, devices and signers of RIMs, with the vendor's names and extensions.

Only the markers in the roots, and their keys, tell them from the vendor's.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from attestation.anchors import common_name
from attestation.nvidia_gpu.roots import DEVICE_ROOT, GENUINE_ROOTS, RIM_ROOT
from attestation.simulation.der import integer, object_identifier, octets, sequence
from attestation.simulation.intel_pki import MARKER, pem
from attestation.simulation.private_file import key_pem, opened_private, read_key, write_private

PRIVATE_FILE: Final = "nvidia.private.json"
VALIDITY: Final = timedelta(days=3650)
_PRIVATE_FORMAT: Final = "enclasp-simulated-nvidia/1"
_SHA384: Final = "2.16.840.1.101.3.4.2.2"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate and its key, on P-384."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class SimulatedGpu:
    """A device.  chain: its attestation key, boot ROM, two intermediates, root.  fwid: of the firmware it booted."""

    model: str
    chain: tuple[Authority, ...]
    fwid: bytes

    @property
    def chain_pem(self) -> bytes:
        """As NVML returns it: leaf first, root last."""
        return b"".join(a.certificate.public_bytes(Encoding.PEM) for a in self.chain)


@dataclass(frozen=True)
class SimulatedNvidia:
    """The vendor.  rim_chain: signer of RIMs, two intermediates, root.  gpu: one device of it."""

    gpu: SimulatedGpu
    rim_chain: tuple[Authority, ...]
    made_at: datetime

    @cached_property
    def trust_pems(self) -> tuple[bytes, bytes]:
        """The roots of devices and of RIMs, for `TrustAnchors.with_simulated`, one by one."""
        device, rim = self.gpu.chain[-1].certificate, self.rim_chain[-1].certificate
        return device.public_bytes(Encoding.PEM), rim.public_bytes(Encoding.PEM)

    def new_gpu(
        self, model: str = "GH100", *, firmware: bytes | None = None, validity: timedelta = VALIDITY
    ) -> SimulatedGpu:
        """Another device of this vendor.  firmware: digest (48 bytes) of the firmware that it booted."""
        return _new_gpu(self.gpu.chain[-1], model, self.made_at, firmware, validity)

    def new_rim_signer(self, *, ends: datetime) -> "tuple[Authority, ...]":
        """A signer of RIMs that is valid until `ends`."""
        return (issue_certificate("HCC RIM L4 Signer", self.rim_chain[1], self.made_at, ends), *self.rim_chain[1:])

    def ocsp_responses(
        self,
        chain: Sequence[Authority],
        now: datetime,
        *,
        revoked: Sequence[int] = (),
        validity: timedelta = timedelta(days=1),
    ) -> list[bytes]:
        """An answer for each certificate of a chain but the root, as of now.  revoked: serial numbers."""
        return [
            _answer(subject.certificate, issuer, now, validity, subject.certificate.serial_number in revoked)
            for subject, issuer in pairwise(chain)
        ]


def new_nvidia(now: datetime) -> SimulatedNvidia:
    """A vendor with fresh keys, in memory; its certificates are valid from a day before `now`."""
    made_at = now.astimezone(UTC).replace(microsecond=0)
    ends = made_at + VALIDITY
    device_root = _root(DEVICE_ROOT, made_at, ends)
    rim_root = _root(RIM_ROOT, made_at, ends)
    rim_ca = issue_certificate("NVIDIA Reference Value GH100 CA", rim_root, made_at, ends, is_ca=True)
    rim_intermediate = issue_certificate("NVIDIA Reference Value L3 GH100 002", rim_ca, made_at, ends, is_ca=True)
    signer = issue_certificate("HCC RIM L4 Signer", rim_intermediate, made_at, ends)
    return SimulatedNvidia(
        _new_gpu(device_root, "GH100", made_at, None, VALIDITY), (signer, rim_intermediate, rim_ca, rim_root), made_at
    )


def save(folder: Path, vendor: SimulatedNvidia) -> None:
    """Write the vendor's keys into a folder, for its owner only.  Raises OSError, also if there are keys already."""
    stored = {
        "format": _PRIVATE_FORMAT,
        "made_at": vendor.made_at.isoformat(),
        "model": vendor.gpu.model,
        "fwid": vendor.gpu.fwid.hex(),
        "gpu": [_encode(authority) for authority in vendor.gpu.chain],
        "rim": [_encode(authority) for authority in vendor.rim_chain],
    }
    write_private(folder / PRIVATE_FILE, stored)


def load(folder: Path) -> SimulatedNvidia:
    """The vendor that `save` wrote.  Raises EndorsementFormatError if there is none, or it cannot be read."""
    with opened_private(folder / PRIVATE_FILE, _PRIVATE_FORMAT) as stored:
        gpu, rim = (tuple(_decode(item) for item in stored[name]) for name in ("gpu", "rim"))
        made_at = datetime.fromisoformat(stored["made_at"])
        return SimulatedNvidia(SimulatedGpu(stored["model"], gpu, bytes.fromhex(stored["fwid"])), rim, made_at)


def _new_gpu(
    root: Authority, model: str, made_at: datetime, firmware: bytes | None, validity: timedelta
) -> SimulatedGpu:
    ends = made_at + validity
    fwid = firmware or _random(48)
    identity = issue_certificate(f"NVIDIA {model} Identity", root, made_at, ends, is_ca=True)
    provisioner = issue_certificate(f"NVIDIA {model} Provisioner ICA 1", identity, made_at, ends, is_ca=True)
    chip = _random(8)
    brom = issue_certificate(
        f"{model} A01 GSP BROM", provisioner, made_at, ends, is_ca=True, subject_serial="41" + chip.hex().upper()
    )
    key = ec.generate_private_key(ec.SECP384R1())
    leaf = issue_certificate(
        f"{model} A01 GSP FMC LF",
        brom,
        made_at,
        ends,
        key=key,
        subject_serial=_random(20).hex().upper(),
        extra=(_device_name(model, f"48B02D{chip[:5].hex().upper()}"), _tcb_info(key.public_key(), fwid)),
    )
    return SimulatedGpu(model, (leaf, brom, provisioner, identity, root), fwid)


def _device_name(model: str, serial: str) -> x509.SubjectAlternativeName:
    """DMTF's device name (DSP0274): otherName 1.3.6.1.4.1.412.274.1, a UTF8String."""
    text = f"NVIDIA:{model}:{serial}".encode()
    value = b"\x0c" + bytes([len(text)]) + text
    return x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.412.274.1"), value)])


def _tcb_info(key: ec.EllipticCurvePublicKey, fwid: bytes) -> x509.UnrecognizedExtension:
    """As Hopper's: version, the key of the device, digest of the firmware."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value = sequence(integer(1), spki, sequence(object_identifier(_SHA384), octets(fwid)))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.23.133.5.4.1"), value)


def _root(name: str, made_at: datetime, ends: datetime) -> Authority:
    """A root with the whole name of NVIDIA's own, by which `TrustAnchors.of` tells whose it is."""
    genuine = map(x509.load_pem_x509_certificate, GENUINE_ROOTS)
    subject = next(root.subject for root in genuine if common_name(root.subject) == name)
    return issue_certificate(name, None, made_at, ends, is_ca=True, extra=(MARKER,), subject=subject)


def issue_certificate(
    name: str,
    issuer: Authority | None,
    made_at: datetime,
    ends: datetime,
    *,
    is_ca: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    subject_serial: str = "",
    extra: Sequence[x509.ExtensionType] = (),
    subject: x509.Name | None = None,
) -> Authority:
    """A certificate with the extensions that NVIDIA's have; issuer None: it signs itself.  subject: instead of name."""
    key = key or ec.generate_private_key(ec.SECP384R1())
    parts = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "NVIDIA Corporation")]
    if subject_serial:
        parts.append((NameOID.SERIAL_NUMBER, subject_serial))
    subject = subject or x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    issuer_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    return Authority(builder.sign(issuer_key, hashes.SHA384()), key)


def _answer(
    certificate: x509.Certificate, issuer: Authority, now: datetime, validity: timedelta, revoked: bool
) -> bytes:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    responder = issue_certificate("NVIDIA OCSP Responder", issuer, now, now + validity, extra=(usage,))
    status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate,
        issuer.certificate,
        hashes.SHA384(),
        status,
        now,
        now + validity,
        now if revoked else None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    response = builder.certificates([responder.certificate]).sign(responder.key, hashes.SHA384())
    return response.public_bytes(Encoding.DER)


def _encode(authority: Authority) -> dict[str, str]:
    return {"certificate": pem(authority.certificate).decode(), "key": key_pem(authority.key)}


def _decode(stored: Any) -> Authority:
    return Authority(x509.load_pem_x509_certificate(stored["certificate"].encode()), read_key(stored["key"]))


def _random(size: int) -> bytes:
    return os.urandom(size)  # noqa: TID251 - shell: a new vendor draws its numbers
