"""Did that device say it?  From evidence of an NVIDIA GPU or NVSwitch to a Verification.

The steps, each with its own check: format; chain of the device's certificate; its role; validity; revocation; report
signature; firmware identity; nonce; the RIM of the driver and of the VBIOS; measurements against both.
`genuine` needs all up to the nonce but revocation.  RIMs are endorsements: without them the verdict is "none".
Source: DMTF DSP0274 (SPDM 1.1); NVIDIA's attestation SDK and documentation for what its devices report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import NameOID

from attestation import codes
from attestation.anchors import Anchor, TrustAnchors, common_name, p384_key
from attestation.binding import Asked, Binding, Bound, Nonced
from attestation.chain import Path, Window, build_path, read_pem_chain
from attestation.checks import Check, Status
from attestation.claims import Claims
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu import codes as room_codes
from attestation.nvidia_gpu.claims import Device, Revocation, claims_of
from attestation.nvidia_gpu.compare import compare
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import (
    NONCE_BYTES,
    SPECIFICATION,
    Field,
    MeasurementReport,
    parse_container,
    parse_measurements,
)
from attestation.nvidia_gpu.nras import NrasVerifier
from attestation.nvidia_gpu.ocsp import Answers, read_answers
from attestation.nvidia_gpu.rim import VerifiedRim, verify_rim
from attestation.nvidia_gpu.roots import DEVICE_ROOT, INTERMEDIATES, RIM_ROOT, with_name
from attestation.nvidia_gpu.signature import is_signed_by
from attestation.nvidia_gpu.steps import missing, settled
from attestation.starts import is_nras_token
from attestation.verification import Verification

BINDING: Final = "binding.report-data"
_DICE: Final = "TCG DICE Attestation Architecture, TCB info extension"
_DEVICE_NAME: Final = "DMTF DSP0274, device name in the subject alternative name"
_CHAINS_KEPT: Final = 256
_TCB_INFO: Final = ("2.23.133.5.4.1", "2.23.133.5.4.1.1")
_DMTF_DEVICE: Final = x509.ObjectIdentifier("1.3.6.1.4.1.412.274.1")
# AlgorithmIdentifier's SHA-384 and the head of an OCTET STRING of 48 bytes: what stands before a firmware's digest.
_FWID_HEAD: Final = bytes.fromhex("0609608648016503040202" + "0430")
_FWID_BYTES: Final = 48


@dataclass(frozen=True, slots=True)
class DeviceChain:
    """What holds, at any time, of the certificates of a device.  fwid: of the firmware that the leaf was issued to."""

    path: Path
    device: Device
    fwid: bytes


class NvidiaGpuVerifier:
    """Verifies evidence of NVIDIA devices; remembers chains and RIMs (bounded, thread-safe).

    anchors: of any vendor; only those with the names of NVIDIA's roots are looked at.
    nras_keys: a JWKS of NVIDIA's attestation service that somebody decided to trust; empty for none.
    """

    def __init__(
        self, anchors: tuple[Anchor, ...], endorsements: NvidiaGpuEndorsements, nras_keys: bytes = b""
    ) -> None:
        device_anchors = with_name(anchors, DEVICE_ROOT)
        self._chain = lru_cache(_CHAINS_KEPT)(partial(_read_chain, anchors=device_anchors))
        self._rims = tuple(verify_rim(raw, with_name(anchors, RIM_ROOT)) for raw in endorsements.rims)
        self._answers = read_answers(endorsements.ocsp_responses)
        self._nras = NrasVerifier(nras_keys)

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Did that device say it, for this nonce, at this time?  Every check is in the answer.

        binding: its first 32 bytes are the nonce.  now: aware.
        """
        return self.verify_asked(evidence, binding, now=now)

    def verify_asked(self, evidence: Evidence, binding: Asked, *, now: datetime) -> Verification:
        """The same; a Nonced binding is the whole nonce."""
        if is_nras_token(evidence.raw):
            return self._nras.verify(evidence, lambda nonce: _binding_check(nonce, binding), now)
        try:
            container = parse_container(evidence.raw)
            report = parse_measurements(container.measurements)
            chain = self._chain(container.chain)
        except (EvidenceFormatError, EndorsementFormatError) as error:
            return _malformed(evidence, str(error))
        return self._judge(evidence, report, chain, _binding_check(report.nonce, binding), now)

    def _judge(
        self, evidence: Evidence, report: MeasurementReport, chain: DeviceChain, bound: Check, now: datetime
    ) -> Verification:
        path = chain.path
        needed = [
            format_check(""),
            *_chain_checks(path, now),
            _role_check(chain.device),
            _signature_check(path, report),
        ]
        if (firmware := _firmware_check(report, chain.fwid)) is not None:
            needed.append(firmware)
        if bound.status is not Status.NOT_CHECKED:
            needed.append(bound)
        simulated = path.simulated
        rims, compared = compare(report, chain.device.model, self._rims, simulated=simulated, now=now)
        revocation = _revocation_checks(self._answers, path, rims.used, now)
        checks = (
            *needed,
            *(() if bound in needed else (bound,)),
            *revocation,
            *rims.checks,
        )
        return Verification(
            evidence=evidence,
            claims=claims_of(report, chain.device, compared, _revocation(revocation)),
            genuine=all(check.status is Status.PASSED for check in needed)
            and all(check.status is not Status.FAILED for check in revocation),
            complete=all(check.status is not Status.NOT_CHECKED for check in (*needed, *rims.checks)),
            simulated=simulated,
            checks=checks,
        )


def format_check(problem: str) -> Check:
    """Whether the bytes are evidence at all; empty `problem` for yes."""
    found = problem or "whole measurements and a certificate chain"
    expected = "whole SPDM 1.1 measurements and a certificate chain"
    return settled(not problem, "gpu.format", expected, found, SPECIFICATION, room_codes.FORMAT)


def _malformed(evidence: Evidence, problem: str) -> Verification:
    claims = Claims(Kind.NVIDIA_GPU, False, b"", {}, None, (), None, "")
    return Verification(evidence, claims, False, True, False, (format_check(problem),))


def _read_chain(raw: bytes, anchors: tuple[Anchor, ...]) -> DeviceChain:
    certificates = read_pem_chain(raw)
    leaf = certificates[0]
    path = build_path(leaf, certificates[1:], TrustAnchors(anchors), intermediates=INTERMEDIATES, signs_data=True)
    model, serial = _device_name(leaf)
    issuer = path.issuer_of(0)
    device = Device(
        model=model,
        serial=serial,
        hardware_id=_subject_serial(issuer) if issuer is not None else "",
        hwmodel=common_name(leaf.issuer),
        ueid=f"{leaf.serial_number:x}",
    )
    return DeviceChain(path, device, _fwid(leaf))


def _chain_checks(path: Path, now: datetime) -> tuple[Check, ...]:
    found = path.anchor.words if path.anchor else path.problem
    chain = settled(
        path.anchor is not None,
        "gpu.chain",
        "a chain of certificates from the device to a trust anchor",
        found,
        "RFC 5280, 6.1",
        path.code or codes.CHAIN,
    )
    return chain, validity_check("gpu.validity", path.windows, now)


def validity_check(name: str, windows: tuple[Window, ...], now: datetime) -> Check:
    """Whether all windows hold."""
    wrong = [str(window) for window in windows if not window.holds(now)]
    expected = f"certificates that are valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return settled(not wrong, name, expected, "; ".join(wrong) or "all valid", "RFC 5280, 4.1.2.5", codes.VALIDITY)


def _role_check(device: Device) -> Check:
    """NVIDIA's CAs issue more than device certificates; a device's bears the name that DMTF asks for."""
    found = f"NVIDIA:{device.model}:{device.serial}" if device.model else "a certificate without it"
    expected = "a device's certificate, with the name NVIDIA:MODEL:SERIAL"
    return settled(bool(device.model), "gpu.role", expected, found, _DEVICE_NAME, room_codes.ROLES)


def _signature_check(path: Path, report: MeasurementReport) -> Check:
    key = p384_key(path.certificates[0])
    holds = key is not None and is_signed_by(key, report.signature, report.signed)
    expected = "a signature by the device's key over request and response"
    found = "it holds" if holds else "it does not hold"
    return settled(holds, "gpu.signature", expected, found, SPECIFICATION, room_codes.SIGNATURE)


def _firmware_check(report: MeasurementReport, fwid: bytes) -> Check | None:
    """The report's firmware id, where it has one, is the one that the boot ROM issued the certificate to."""
    reported = report.opaque.get(Field.FWID)
    if reported is None:
        return None
    found = reported.hex()
    expected = fwid.hex() or "a certificate with a firmware id"
    holds = bool(fwid) and reported == fwid
    return settled(holds, "gpu.firmware-id", expected, found, _DICE, room_codes.FIRMWARE)


def _binding_check(nonce: bytes, binding: Asked) -> Check:
    """The nonce is 32 bytes: the first half of report data; or the nonce that the device was asked with."""
    if isinstance(binding, Nonced):
        wanted, words = binding.nonce.ljust(NONCE_BYTES, b"\0"), "the nonce"
        if len(wanted) > NONCE_BYTES:
            words = f"a nonce of {len(wanted)} bytes; nvidia-gpu evidence can hold at most {NONCE_BYTES}"
    elif isinstance(binding, Bound):
        wanted, words = binding.report_data[:NONCE_BYTES], f"{binding.what}, first {NONCE_BYTES} bytes"
    else:
        return missing(BINDING, f"{NONCE_BYTES} bytes that somebody names", nonce.hex(), "nobody", codes.NOT_BOUND)
    return settled(
        nonce == wanted,
        BINDING,
        f"nonce {wanted.hex()} ({words})",
        nonce.hex(),
        "the peer's binding",
        room_codes.NONCE,
    )


def _revocation_checks(
    answers: Answers, path: Path, rims: Mapping[str, VerifiedRim], now: datetime
) -> tuple[Check, ...]:
    """NVIDIA answers for certificates of devices from the boot ROM's up, and for all that sign RIMs."""
    device = answers.check("gpu.revocation", _links(path, 1), now)
    return (device, *(answers.check(f"{name}.revocation", _links(rim.path, 0), now) for name, rim in rims.items()))


def _links(path: Path, first: int) -> tuple[tuple[x509.Certificate, x509.Certificate], ...]:
    pairs = ((path.certificates[i], path.issuer_of(i)) for i in range(first, len(path.certificates)))
    return tuple((certificate, issuer) for certificate, issuer in pairs if issuer is not None)


def _revocation(checks: tuple[Check, ...]) -> Revocation:
    if any(check.status is Status.FAILED for check in checks):
        return Revocation.REVOKED
    good = all(check.status is Status.PASSED for check in checks)
    return Revocation.GOOD if good else Revocation.UNKNOWN


def _device_name(leaf: x509.Certificate) -> tuple[str, str]:
    """(model, serial) of the DMTF device name "NVIDIA:MODEL:SERIAL"; empty for a certificate without it.

    Underscores in the model are left out, as NVIDIA's RIMs do ("LS_10" is "LS10").
    """
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            for other in extension.value.get_values_for_type(x509.OtherName):
                vendor, _, rest = _utf8(other.value).partition(":") if other.type_id == _DMTF_DEVICE else ("", "", "")
                parts = rest.split(":")
                if vendor == "NVIDIA" and len(parts) == 2 and all(parts):
                    return parts[0].replace("_", ""), parts[1]
    return "", ""


def _utf8(der: bytes) -> str:
    try:
        return asn1.decode_der(str, der)
    except ValueError:
        return ""


def _subject_serial(certificate: x509.Certificate) -> str:
    """The chip's own number, in the name of its boot ROM's certificate."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER):
        return str(attribute.value).lower()
    return ""


def _fwid(leaf: x509.Certificate) -> bytes:
    """The first firmware digest in the certificate's TCB info; empty for none."""
    for extension in leaf.extensions:
        if extension.oid.dotted_string in _TCB_INFO and isinstance(extension.value, x509.UnrecognizedExtension):
            _, head, rest = extension.value.value.partition(_FWID_HEAD)
            if head and len(rest) >= _FWID_BYTES:
                return rest[:_FWID_BYTES]
    return b""
