"""SGX and TDX evidence: Intel's quote, together with the report of the room that it carries."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from attestation import codes
from attestation.anchors import TrustAnchors
from attestation.binding import REPORT_DATA_BYTES, Binding, Bound
from attestation.checks import Check, Status, missing, settled
from attestation.claims import Claims
from attestation.dcap.format import SignedPart, parse_signed_part
from attestation.dcap.tcb import TdxTcb
from attestation.dcap.verify import QuoteFindings, QuoteVerifier, format_check
from attestation.endorsements import Endorsements
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sgx import claims as sgx_claims
from attestation.sgx import format as sgx_format
from attestation.tdx import claims as tdx_claims
from attestation.tdx import format as tdx_format
from attestation.tdx.event_checks import event_log_checks
from attestation.tdx.event_log import LOG_FILE
from attestation.verification import Verification

_BINDING = "binding.report-data"


class IntelVerifier:
    """Verifies quotes; remembers collateral and quoting enclaves (bounded, thread-safe).

    A quote of a machine that is known costs one P-256 signature verification.
    """

    def __init__(self, anchors: TrustAnchors, endorsements: Endorsements) -> None:
        """anchors: Intel's, or those of a simulated Intel."""
        self._dcap = QuoteVerifier(anchors, endorsements)
        self._event_log = endorsements.files.get(LOG_FILE, b"")

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Did that hardware say it, of this key, at this time?  Every check is in the answer.

        now: aware.  `genuine` needs every check to pass but `binding.report-data` where the binding is Unbound,
        `tcb.level`, which is for policy to judge, and those of an event log that lay beside the quote: the hardware did
        not say that, but one that does not lead to the registers makes the verdict contraindicated.
        """
        try:
            signed = parse_signed_part(evidence.raw, evidence.kind)
        except EvidenceFormatError as error:
            claims = Claims(evidence.kind, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (format_check(str(error)),))
        claims, td = _read_body(evidence.kind, signed)
        findings = self._dcap.verify(evidence.raw, signed, evidence.kind, td, now)
        binding_check = _binding_check(claims.report_data, binding)
        needed = findings.checks if binding_check.status is Status.NOT_CHECKED else (*findings.checks, binding_check)
        short = [check for check in needed if check.status is not Status.PASSED]
        level = () if findings.tcb is None else (findings.tcb.level,)
        told = event_log_checks(self._event_log, claims) if self._event_log and evidence.kind is Kind.TDX else ()
        return Verification(
            evidence=evidence,
            claims=_with_platform(claims, findings, now),
            genuine=not short,
            complete=all(check.status is not Status.NOT_CHECKED for check in short),
            simulated=findings.simulated,
            checks=(*findings.checks, *level, *told, binding_check),
        )


def _read_body(kind: Kind, signed: SignedPart) -> tuple[Claims, TdxTcb | None]:
    """The room's own reading of the report; the body's length was checked with the quote's format."""
    if kind is Kind.SGX:
        return sgx_claims.claims_of(sgx_format.parse_body(signed.body)), None
    report = tdx_format.parse_body(signed.body)
    td = TdxTcb(report.tee_tcb_svn, report.mrsignerseam, report.seam_attributes, report.tee_tcb_svn2)
    return tdx_claims.claims_of(report), td


def _with_platform(claims: Claims, findings: QuoteFindings, now: datetime) -> Claims:
    """Claims of the program and of the platform together."""
    details: Mapping[str, str | int | bool] = claims.details
    if findings.platform is None:
        return claims
    platform = findings.platform
    details = {
        **details,
        "fmspc": platform.fmspc.hex(),
        "ppid": platform.ppid.hex(),
        "platform_cpusvn": platform.cpu_svn.hex(),
        "pcesvn": platform.pce_svn,
    }
    if findings.tcb is None:
        return replace(claims, hardware_id=platform.ppid.hex(), details=details)
    tcb = findings.tcb
    return replace(
        claims,
        tcb_status=tcb.status,
        advisories=tcb.advisories,
        tcb_date=tcb.date,
        hardware_id=platform.ppid.hex(),
        details={**details, **tcb.details, "tcb_evaluation_data_number": tcb.evaluation_number},
        as_of=now,
    )


def _binding_check(report_data: bytes, binding: Binding) -> Check:
    if not isinstance(binding, Bound):
        expected = f"{REPORT_DATA_BYTES} bytes that somebody names"
        return missing(_BINDING, expected, report_data.hex(), "nobody", codes.NOT_BOUND)
    return settled(
        report_data == binding.report_data,
        _BINDING,
        f"{binding.report_data.hex()} ({binding.what})",
        report_data.hex(),
        "the peer's binding",
        codes.REPORT_DATA,
    )
