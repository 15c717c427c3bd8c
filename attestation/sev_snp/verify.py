"""Did that hardware say it?  From a SEV-SNP report to a Verification, with every check.

The steps: format; version; algorithm; signing key; chain, roles, dates and revocation of its certificate; product,
chip and patch level of report and certificate; the report's signature; the binding.
Revocation: AMD's list is checked where it is given.  Where it is not, the check says so and the verdict does not
wait for it, since AMD revokes whole product intermediates and not machines; whoever wants it demands `revocation` in
the Reference Values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from attestation import codes as shared
from attestation.anchors import Anchor, TrustAnchors, is_crl_of, p384_key
from attestation.binding import REPORT_DATA_BYTES, Binding, Bound
from attestation.chain import MAX_CERTIFICATES
from attestation.checks import Check, Status
from attestation.claims import Claims
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp import codes
from attestation.sev_snp.certificate import (
    SPECIFICATION as KDS_SPECIFICATION,
)
from attestation.sev_snp.certificate import (
    EndorsedPlatform,
    load_certificates,
    load_crl,
    parse_platform,
    signing_key_of,
)
from attestation.sev_snp.claims import claims_of, tcb_matches
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import (
    ECDSA_P384_SHA384,
    NEWEST_VERSION,
    OLDEST_VERSION,
    SPECIFICATION,
    Report,
    SigningKey,
    SnpEvidence,
    TableEntry,
    parse_evidence,
    parse_table,
)
from attestation.sev_snp.leaf import LeafFindings, examine
from attestation.sev_snp.steps import missing, settled
from attestation.sev_snp.tcb import LAYOUTS, components, product_of_cpuid, words
from attestation.verification import Verification

CRL_CHECK: Final = "sev-snp.crl"
BINDING_CHECK: Final = "binding.report-data"
_LEAVES_KEPT: Final = 256
_TABLES_KEPT: Final = 64
_CRLS_KEPT: Final = 16
_SCALAR_BYTES: Final = 48
_FIELD_BYTES: Final = 72


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A VCEK or VLEK that may be the one; platform: None where its extensions cannot be read."""

    certificate: x509.Certificate
    signing_key: SigningKey
    platform: EndorsedPlatform | None


@dataclass(frozen=True, slots=True)
class _Material:
    """Certificates by use, and revocation lists in DER."""

    leaves: tuple[_Leaf, ...]
    issuers: tuple[x509.Certificate, ...]
    crls: tuple[bytes, ...]


class SevSnpVerifier:
    """Verifies SEV-SNP evidence; remembers what it found about certificates (bounded; any number of threads)."""

    def __init__(self, anchors: tuple[Anchor, ...], endorsements: SevSnpEndorsements) -> None:
        """anchors: the roots of AMD, and simulated ones.  Raises EndorsementFormatError for unreadable endorsements."""
        certificates = [load_certificates(der, "endorsement") for der in endorsements.certificates]
        self._endorsed = _sort([c for group in certificates for c in group], endorsements.crls)
        self._examine = lru_cache(_LEAVES_KEPT)(partial(examine, anchors=TrustAnchors(anchors)))
        self._table = lru_cache(_TABLES_KEPT)(read_table)
        self._signed_crls = lru_cache(_CRLS_KEPT)(_signed_crls)

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Did that chip say it, of this key, at this time?  now: aware."""
        try:
            parsed = parse_evidence(evidence.raw)
            carried = self._table(parsed.table)
        except (EvidenceFormatError, EndorsementFormatError) as error:
            claims = Claims(Kind.SEV_SNP, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (_format_check(str(error)),))
        report = parsed.report
        checks = [_format_check(""), _version_check(report), _algorithm_check(report), _signing_key_check(report)]
        material = _Material(
            carried.leaves + self._endorsed.leaves,
            carried.issuers + self._endorsed.issuers,
            carried.crls + self._endorsed.crls,
        )
        leaf = _choose(material.leaves, parsed)
        findings = None if leaf is None else self._examine(leaf.certificate, material.issuers)
        if findings is None:
            checks.append(_no_certificate(report, material.leaves))
        else:
            checks += findings.checks
            checks.append(_validity_check(findings, now))
            checks.append(self._revocation_check(findings, material.crls, now))
            checks += _platform_checks(report, findings.platform)
            checks.append(_signature_check(findings.key, parsed))
        checks.append(binding_check(report.report_data, binding))
        platform = findings.platform if findings is not None else None
        revocation = any(check.name == CRL_CHECK and check.status is Status.PASSED for check in checks)
        needed = [c for c in checks if c.status is not Status.NOT_CHECKED or c.name not in _MAY_BE_UNCHECKED]
        return Verification(
            evidence=evidence,
            claims=claims_of(report, platform, revocation_checked=revocation),
            genuine=all(check.status is Status.PASSED for check in needed),
            complete=not any(check.status is Status.NOT_CHECKED for check in needed),
            simulated=findings is not None and findings.simulated,
            checks=tuple(checks),
        )

    def _revocation_check(self, findings: LeafFindings, crls: tuple[bytes, ...], now: datetime) -> Check:
        """The newest list that the chain's root signed."""
        expected = "no certificate of the chain is revoked"
        signed = self._signed_crls(crls, findings.anchor) if findings.anchor else ()
        if not signed:
            found = (
                f"no revocation list of this root among {len(crls)} given" if crls else "no revocation list was given"
            )
            return missing(CRL_CHECK, expected, found, KDS_SPECIFICATION, codes.NO_CRL)
        crl = signed[0]
        ends = crl.next_update_utc
        if ends is None or not crl.last_update_utc <= now <= ends:
            expected = f"a revocation list that is valid at {_utc(now)}"
            found = f"one from {_utc(crl.last_update_utc)} to {_utc(ends) if ends else 'an unknown time'}"
            return settled(False, CRL_CHECK, expected, found, KDS_SPECIFICATION, codes.CRL_DATES)
        revoked = next((s for s in findings.serials if s[0] == crl.issuer and _lists(crl, s[1])), None)
        found = (
            f"serial number {revoked[1]:x} is revoked"
            if revoked
            else f"none, in the list of {_utc(crl.last_update_utc)}"
        )
        return settled(revoked is None, CRL_CHECK, expected, found, KDS_SPECIFICATION, shared.REVOKED)


def read_table(raw: bytes) -> _Material:
    """What a report's certificate table carries; entries of other GUIDs are skipped.

    Raises EvidenceFormatError or EndorsementFormatError if it cannot be read.
    """
    certificates: list[x509.Certificate] = []
    crls: list[bytes] = []
    for guid, content in parse_table(raw) if raw else ():
        if guid == TableEntry.CRL:
            load_crl(content, f"certificate table, entry {guid}")
            crls.append(content)
        elif guid in _CERTIFICATE_ENTRIES:
            certificates += load_certificates(content, f"certificate table, entry {guid}")
    if len(certificates) > MAX_CERTIFICATES:
        raise EvidenceFormatError(
            f"certificate table: expected at most {MAX_CERTIFICATES} certificates, got {len(certificates)}"
        )
    return _sort(certificates, tuple(crls))


def binding_check(report_data: bytes, binding: Binding) -> Check:
    """Whether the report data is what it should be; not checked where nobody said it."""
    if not isinstance(binding, Bound):
        expected = f"{REPORT_DATA_BYTES} bytes that somebody names"
        return missing(BINDING_CHECK, expected, report_data.hex(), "nobody", shared.NOT_BOUND)
    return settled(
        report_data == binding.report_data,
        BINDING_CHECK,
        f"{binding.report_data.hex()} ({binding.what})",
        report_data.hex(),
        "the peer's binding",
        shared.REPORT_DATA,
    )


def _sort(certificates: Sequence[x509.Certificate], crls: tuple[bytes, ...]) -> _Material:
    leaves = []
    for certificate in certificates:
        signing_key = signing_key_of(certificate)
        if signing_key is not None:
            try:
                leaves.append(_Leaf(certificate, signing_key, parse_platform(certificate)))
            except EndorsementFormatError:
                leaves.append(_Leaf(certificate, signing_key, None))
    return _Material(tuple(leaves), tuple(c for c in certificates if signing_key_of(c) is None), crls)


def _choose(leaves: tuple[_Leaf, ...], evidence: SnpEvidence) -> _Leaf | None:
    """The leaf for this report: of the right chip and patch level, whose key signed it.

    Where none fits in all, the one that comes nearest, so that its checks say what is wrong.
    """
    report = evidence.report

    def fitness(leaf: _Leaf) -> tuple[bool, bool, bool]:
        if leaf.platform is None:
            return False, False, False
        chip, tcb = chip_matches(report, leaf.platform), tcb_matches(report, leaf.platform)
        # The signature is tried only where several could fit: it costs as much as the verification itself.
        several = len(candidates) > 1 and chip and tcb
        key = p384_key(leaf.certificate) if several else None
        return chip, tcb, key is not None and is_signed_by(key, evidence)

    candidates = [leaf for leaf in leaves if leaf.signing_key == report.signing_key]
    return max(candidates, key=fitness, default=None)


def chip_matches(report: Report, platform: EndorsedPlatform) -> bool:
    """Whether report and certificate name the same chip; a host may mask the report's (zeros), a VLEK names none."""
    masked = not any(report.chip_id)
    return masked or not platform.hwid or report.chip_id == platform.hwid.ljust(len(report.chip_id), b"\0")


def is_signed_by(key: ec.EllipticCurvePublicKey, evidence: SnpEvidence) -> bool:
    """Whether a P-384 key made the report's signature: r and s, 72 bytes each, little endian, the rest zeros."""
    r, s = evidence.signature[:_FIELD_BYTES], evidence.signature[_FIELD_BYTES : 2 * _FIELD_BYTES]
    if not isinstance(key.curve, ec.SECP384R1):
        return False
    if any(r[_SCALAR_BYTES:]) or any(s[_SCALAR_BYTES:]) or any(evidence.signature[2 * _FIELD_BYTES :]):
        return False
    signature = encode_dss_signature(int.from_bytes(r, "little"), int.from_bytes(s, "little"))
    try:
        key.verify(signature, evidence.signed, ec.ECDSA(SHA384()))
    except InvalidSignature:
        return False
    return True


def _signed_crls(crls: tuple[bytes, ...], anchor: Anchor) -> tuple[x509.CertificateRevocationList, ...]:
    """Those of an anchor, newest first."""
    lists = (load_crl(crl, "revocation list") for crl in crls)
    signed = [crl for crl in lists if is_crl_of(crl, anchor.certificate)]
    return tuple(sorted(signed, key=lambda crl: crl.last_update_utc, reverse=True))


def _lists(crl: x509.CertificateRevocationList, serial: int) -> bool:
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def _format_check(problem: str) -> Check:
    found = problem or "a whole report"
    return settled(not problem, "sev-snp.format", "a whole report", found, SPECIFICATION, codes.FORMAT)


def _version_check(report: Report) -> Check:
    found = str(report.version)
    if report.version > NEWEST_VERSION:
        found = (
            f"{report.version}, newer than we know: read as version {NEWEST_VERSION}, with which it shares the length"
        )
    return settled(
        report.version >= OLDEST_VERSION,
        "sev-snp.version",
        f"version {OLDEST_VERSION} or later",
        found,
        SPECIFICATION,
        codes.VERSION,
    )


def _algorithm_check(report: Report) -> Check:
    return settled(
        report.algorithm == ECDSA_P384_SHA384,
        "sev-snp.algorithm",
        f"{ECDSA_P384_SHA384} (ECDSA on P-384 with SHA-384)",
        str(report.algorithm),
        SPECIFICATION,
        codes.ALGORITHM,
    )


def _signing_key_check(report: Report) -> Check:
    key = report.signing_key
    found = key.name if isinstance(key, SigningKey) else f"reserved value {key}"
    if report.masked_chip_key:
        found += ", with the chip's key masked"
    return settled(
        key in (SigningKey.VCEK, SigningKey.VLEK) and not report.masked_chip_key,
        "sev-snp.signing-key",
        "VCEK or VLEK, not masked",
        found,
        SPECIFICATION,
        codes.SIGNING_KEY,
    )


def _no_certificate(report: Report, leaves: tuple[_Leaf, ...]) -> Check:
    chip = report.chip_id.hex() if any(report.chip_id) else "masked"
    key = report.signing_key.name if isinstance(report.signing_key, SigningKey) else "signing key"
    there = ", ".join(sorted({leaf.signing_key.name for leaf in leaves})) or "none"
    return missing(
        "sev-snp.chain",
        f"the {key} of chip {chip:.32} for reported TCB {report.reported_tcb.hex()}",
        f"leaf certificates given: {there}",
        KDS_SPECIFICATION,
        codes.NO_CERTIFICATE,
    )


def _validity_check(findings: LeafFindings, now: datetime) -> Check:
    wrong = next((window for window in findings.windows if not window.holds(now)), None)
    return settled(
        wrong is None,
        "sev-snp.validity",
        f"every certificate valid at {_utc(now)}",
        str(wrong) if wrong else "all are valid",
        KDS_SPECIFICATION,
        shared.VALIDITY,
    )


def _platform_checks(report: Report, platform: EndorsedPlatform | None) -> tuple[Check, ...]:
    """Report and certificate speak of the same product, chip and patch level."""
    if platform is None:
        return ()
    by_cpuid = product_of_cpuid(*report.cpuid[:2]) if report.cpuid else None
    chip = report.chip_id.hex() if any(report.chip_id) else "zeros (masked by the host)"
    reported, committed, current = (
        components(tcb, platform.product) for tcb in (report.reported_tcb, report.committed_tcb, report.current_tcb)
    )
    return (
        settled(
            by_cpuid in (platform.product, None),
            "sev-snp.product",
            f"{platform.product} (the certificate's)",
            by_cpuid or "not said by this report's version or CPUID",
            SPECIFICATION,
            codes.PRODUCT,
        ),
        settled(
            chip_matches(report, platform),
            "sev-snp.chip-id",
            platform.hwid.hex() or f"any (VLEK of {platform.csp_id})",
            chip,
            KDS_SPECIFICATION,
            codes.CHIP,
        ),
        settled(
            tcb_matches(report, platform),
            "sev-snp.tcb",
            f"{words(platform.svns)} (the certificate's)",
            f"{words(reported)} (reported)",
            KDS_SPECIFICATION,
            codes.TCB_MISMATCH,
        ),
        settled(
            all(reported[name] <= committed[name] <= current[name] for name in LAYOUTS[platform.product]),
            "sev-snp.tcb-order",
            "reported TCB <= committed TCB <= current TCB",
            f"{words(reported)}; {words(committed)}; {words(current)}",
            SPECIFICATION,
            codes.TCB_ORDER,
        ),
    )


def _signature_check(key: ec.EllipticCurvePublicKey | None, evidence: SnpEvidence) -> Check:
    holds = key is not None and is_signed_by(key, evidence)
    return settled(
        holds,
        "sev-snp.signature",
        "a signature by the certificate's key over the report",
        "it holds" if holds else "it does not hold" if key is not None else "the certificate has no key on P-384",
        SPECIFICATION,
        codes.SIGNATURE,
    )


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


_CERTIFICATE_ENTRIES: Final = (TableEntry.VCEK, TableEntry.VLEK, TableEntry.ASK, TableEntry.ARK)
_MAY_BE_UNCHECKED: Final = (CRL_CHECK, BINDING_CHECK)
