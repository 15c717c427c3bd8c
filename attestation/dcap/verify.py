"""Did that hardware say it?  From a quote's bytes to checks, platform and TCB status; the same for SGX and TDX.

The steps, each with its own check: format; chain of the PCK certificate; QE report signature; attestation key
binding; quote signature; collateral; revocation; QE identity; TDX module; TCB level.  A step is left out only where
what it needs is missing.  Source: Intel SGX ECDSA QuoteLibReference DCAP API, quote verification.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation import codes
from attestation.anchors import Anchor, TrustAnchors, common_name
from attestation.chain import Path, Window, build_path, read_pem_chain
from attestation.checks import Check, Status, missing, passed, settled
from attestation.dcap.collateral import VerifiedCollateral, verify_collateral
from attestation.dcap.format import (
    SPECIFICATION,
    CertificationType,
    QuotingEnclavePart,
    SignedPart,
    parse_quoting_enclave_part,
    parse_signature_part,
)
from attestation.dcap.pck import CA_NAMES, LEAF_NAME, PckPlatform, parse_pck_platform
from attestation.dcap.report import EnclaveReport, parse_enclave_report
from attestation.dcap.signature import is_signed_by, p256_key, p256_point
from attestation.dcap.tcb import TcbFindings, TdxTcb, assess
from attestation.endorsements import DcapCollateral, Endorsements
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.kinds import Kind

_DCAP: Final = "Intel SGX ECDSA QuoteLibReference DCAP API, quote verification"
_PCK_PROFILE: Final = "Intel SGX PCK Certificate and CRL Profile Specification"
_COLLATERALS_KEPT: Final = 64
_QUOTING_ENCLAVES_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class QuoteFindings:
    """checks: all that "genuine" needs.  tcb, platform: None where they could not be told."""

    checks: tuple[Check, ...]
    simulated: bool
    platform: PckPlatform | None = None
    tcb: TcbFindings | None = None


@dataclass(frozen=True, slots=True)
class CollateralFindings:
    """What holds of collateral at one time."""

    checks: tuple[Check, ...]
    holds: bool


@dataclass(frozen=True, slots=True)
class MachineFindings:
    """What holds, at any time, of a quoting enclave together with collateral.  tcb: None where it cannot be told."""

    checks: tuple[Check, ...]
    tcb: TcbFindings | None


@dataclass(frozen=True, slots=True)
class EnclaveFindings:
    """What holds, at any time, of the part of a quote that stays the same from quote to quote of one machine."""

    checks: tuple[Check, ...]
    windows: tuple[Window, ...]
    key: ec.EllipticCurvePublicKey | None
    report: EnclaveReport | None
    platform: PckPlatform | None
    anchor: Anchor | None
    simulated: bool
    ca: str
    serials: tuple[tuple[x509.Name, int], ...]


class QuoteVerifier:
    """Verifies DCAP quotes; remembers what it found about collateral and quoting enclaves (bounded, thread-safe).

    Time is judged in whole seconds, as certificates and collateral write it.
    """

    def __init__(self, anchors: TrustAnchors, endorsements: Endorsements) -> None:
        collateral = lru_cache(_COLLATERALS_KEPT)(partial(verify_collateral, anchors=anchors))
        quoting_enclave = lru_cache(_QUOTING_ENCLAVES_KEPT)(partial(verify_quoting_enclave, anchors=anchors))

        @lru_cache(_COLLATERALS_KEPT)
        def collateral_at(unverified: DcapCollateral, now: datetime) -> CollateralFindings:
            checks = collateral(unverified).checks_at(now)
            return CollateralFindings(checks, all(check.status is Status.PASSED for check in checks))

        @lru_cache(_QUOTING_ENCLAVES_KEPT)
        def machine(enclave: bytes, unverified: DcapCollateral, td: TdxTcb | None) -> MachineFindings:
            return _assess_machine(quoting_enclave(enclave), collateral(unverified), td)

        self._endorsements = endorsements
        self._quoting_enclave = quoting_enclave
        self._collateral_at = collateral_at
        self._machine = machine

    def verify(self, raw: bytes, signed: SignedPart, kind: Kind, td: TdxTcb | None, now: datetime) -> QuoteFindings:
        """Every check of a quote.  signed: its parsed first part; td: for TDX."""
        now = now.replace(microsecond=0)
        try:
            part = parse_signature_part(raw, signed)
            quoting_enclave = self._quoting_enclave(part.quoting_enclave)
        except EvidenceFormatError as error:
            return QuoteFindings((format_check(str(error)),), simulated=False)
        checks = [
            format_check(""),
            _signature_check(quoting_enclave, part.signature, signed.signed),
            *quoting_enclave.checks,
        ]
        if quoting_enclave.windows:
            checks.append(_validity_check(quoting_enclave.windows, now))
        platform = quoting_enclave.platform
        if platform is None:
            return QuoteFindings(tuple(checks), quoting_enclave.simulated)
        chosen = self._choose(kind, platform, quoting_enclave.ca, now)
        if chosen is None:
            checks.append(_no_collateral(self._endorsements, kind, platform, quoting_enclave.ca))
            return QuoteFindings(tuple(checks), quoting_enclave.simulated, platform)
        collateral, findings = chosen
        machine = self._machine(part.quoting_enclave, collateral, td)
        checks += findings.checks
        checks += machine.checks
        return QuoteFindings(tuple(checks), quoting_enclave.simulated, platform, machine.tcb)

    def _choose(
        self, kind: Kind, platform: PckPlatform, ca: str, now: datetime
    ) -> tuple[DcapCollateral, CollateralFindings] | None:
        """The first collateral for the machine that holds now, with its checks; else the last that there is."""
        found = None
        for collateral in self._endorsements.of_platform(kind, platform.fmspc.hex(), ca):
            found = collateral, self._collateral_at(collateral, now)
            if found[1].holds:
                break
        return found


def format_check(problem: str) -> Check:
    """Whether the bytes are a quote at all; empty `problem` for yes."""
    found = problem or "a whole quote"
    return settled(
        not problem, "quote.format", "a whole quote of version 3, 4 or 5", found, SPECIFICATION, codes.FORMAT
    )


def verify_quoting_enclave(raw: bytes, anchors: TrustAnchors) -> EnclaveFindings:
    """Chain of the PCK certificate, QE report signature, attestation key binding.

    raw: as `SignaturePart.quoting_enclave`.  Raises EvidenceFormatError if it cannot be split.
    """
    part = parse_quoting_enclave_part(raw)
    report = parse_enclave_report(part.report)
    key = p256_point(part.attestation_key)
    start = EnclaveFindings((_binding_check(part, report, key),), (), key, report, None, None, False, "", ())
    if part.certification_type != CertificationType.PCK_CHAIN:
        return replace(start, checks=(*start.checks, _no_pck(part.certification_type)))
    try:
        certificates = read_pem_chain(part.certification)
    except EndorsementFormatError as error:
        return replace(start, checks=(*start.checks, _chain_check("", str(error), codes.CHAIN)))
    leaf = certificates[0]
    path = build_path(leaf, certificates[1:], anchors)
    checks = [
        *start.checks,
        _chain_check(path.anchor.words if path.anchor else "", path.problem, path.code),
        _class_check(path),
        _roles_check(path),
        _report_signature_check(leaf, part),
    ]
    platform = None
    try:
        platform = parse_pck_platform(leaf)
    except EndorsementFormatError as error:
        checks.append(settled(False, "pck.extension", "the SGX extension", str(error), _PCK_PROFILE, codes.CHAIN))
    ca = common_name(path.certificates[1].subject) if len(path.certificates) > 1 else common_name(leaf.issuer)
    return replace(
        start,
        checks=tuple(checks),
        windows=path.windows,
        platform=platform,
        anchor=path.anchor,
        simulated=path.simulated,
        ca=ca,
        serials=path.serials,
    )


def _assess_machine(enclave: EnclaveFindings, collateral: VerifiedCollateral, td: TdxTcb | None) -> MachineFindings:
    checks = _chain_against_collateral(enclave, collateral)
    info, identity = collateral.tcb_info, collateral.qe_identity
    if info is None or identity is None or enclave.report is None or enclave.platform is None:
        return MachineFindings(checks, None)
    tcb = assess(info, identity, enclave.platform, enclave.report, td)
    return MachineFindings((*checks, *tcb.checks), tcb)


def _binding_check(part: QuotingEnclavePart, report: EnclaveReport, key: ec.EllipticCurvePublicKey | None) -> Check:
    wanted = sha256(part.attestation_key + part.authentication).digest() + bytes(32)
    return settled(
        key is not None and report.report_data == wanted,
        "qe.attestation-key-binding",
        f"QE report data {wanted.hex()} (SHA-256 of attestation key and authentication data)",
        report.report_data.hex() if key is not None else "an attestation key that is no point of P-256",
        _DCAP,
        codes.KEY_BINDING,
    )


def _signature_check(enclave: EnclaveFindings, signature: bytes, data: bytes) -> Check:
    holds = enclave.key is not None and is_signed_by(enclave.key, signature, data)
    return settled(
        holds,
        "quote.signature",
        "a signature by the attestation key over header and report",
        "it holds" if holds else "it does not hold",
        _DCAP,
        codes.QUOTE_SIGNATURE,
    )


def _report_signature_check(leaf: x509.Certificate, part: QuotingEnclavePart) -> Check:
    key = p256_key(leaf)
    holds = key is not None and is_signed_by(key, part.report_signature, part.report)
    return settled(
        holds,
        "qe.report-signature",
        "a signature by the PCK key over the QE report",
        "it holds" if holds else "it does not hold",
        _DCAP,
        codes.QE_SIGNATURE,
    )


def _no_pck(certification_type: int) -> Check:
    return missing(
        "pck.chain",
        "a PCK certificate chain in the quote (certification data type 5)",
        f"certification data type {certification_type}: the quote needs its PCK certificate from elsewhere",
        _DCAP,
        codes.NO_PCK,
    )


def _chain_check(anchor: str, problem: str, code: str) -> Check:
    expected = "a chain from the PCK certificate to a trust anchor"
    return settled(not problem, "pck.chain", expected, problem or f"a chain to the {anchor}", _PCK_PROFILE, code)


def _class_check(path: Path) -> Check:
    """Genuine or simulated, in words."""
    expected = "the vendor's root, or a simulated root that the operator configured"
    found = path.anchor.words if path.anchor else path.problem
    return settled(path.anchor is not None, "anchor.class", expected, found, "trust anchors", path.code)


def _roles_check(path: Path) -> Check:
    names = [common_name(c.subject) for c in path.certificates]
    return settled(
        len(names) == 2 and names[0] == LEAF_NAME and names[1] in CA_NAMES,
        "pck.roles",
        f"'{LEAF_NAME}' issued by one of '{CA_NAMES[0]}', '{CA_NAMES[1]}'",
        " issued by ".join(f"'{name}'" for name in names),
        _PCK_PROFILE,
        codes.CHAIN,
    )


def _validity_check(windows: tuple[Window, ...], now: datetime) -> Check:
    wrong = next((window for window in windows if not window.holds(now)), None)
    return settled(
        wrong is None,
        "pck.validity",
        f"every certificate valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        str(wrong) if wrong else "all are valid",
        _PCK_PROFILE,
        codes.VALIDITY,
    )


def _no_collateral(endorsements: Endorsements, kind: Kind, platform: PckPlatform, ca: str) -> Check:
    return missing(
        "collateral",
        f"collateral for {kind} FMSPC {platform.fmspc.hex()} ({ca})",
        f"there is collateral for: {endorsements.platforms()}",
        _DCAP,
        codes.NO_ENDORSEMENTS,
    )


def _chain_against_collateral(enclave: EnclaveFindings, collateral: VerifiedCollateral) -> tuple[Check, Check]:
    """No certificate of the quote is revoked, and collateral and quote have the same vendor."""
    revoked = next((serial for serial in enclave.serials if serial in collateral.revoked), None)
    crl = settled(
        revoked is None,
        "pck.crl",
        "no certificate of the quote is revoked",
        f"'{common_name(revoked[0])}' has revoked serial number {revoked[1]:x}" if revoked else "none is revoked",
        _PCK_PROFILE,
        codes.REVOKED,
    )
    same = enclave.anchor is not None and enclave.anchor is collateral.anchor
    expected = f"collateral of the {enclave.anchor.words if enclave.anchor else 'trust anchor of the quote'}"
    found = f"collateral of the {collateral.anchor.words}" if collateral.anchor else "collateral of no trust anchor"
    if same:
        return crl, passed("anchor.same", expected, found, "trust anchors")
    return crl, settled(False, "anchor.same", expected, found, "trust anchors", codes.UNKNOWN_ROOT)
