"""What do the bytes of a TDX quote's body say?  The report of a trust domain (TD).

Source: Intel TDX DCAP Quoting Library API, appendix A.3.2 (TD quote body) and A.4.2 (TD 1.5); Intel TDX module
base architecture specification, TD_ATTRIBUTES.
"""

from dataclasses import dataclass

from attestation.dcap.format import BODY_BYTES, BodyType
from attestation.errors import EvidenceFormatError

ATTRIBUTES = {0: "debug", 28: "sept-ve-disable", 29: "migratable", 30: "pks", 31: "kl", 63: "perfmon"}


@dataclass(frozen=True, slots=True)
class TdReport:
    """Fields of a TD report.  Measurements are 48 bytes each; the last two exist in TD 1.5 only, else are empty."""

    tee_tcb_svn: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: bytes
    attributes: bytes
    xfam: bytes
    mrtd: bytes
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    tee_tcb_svn2: bytes
    mrservicetd: bytes

    def has(self, attribute: str) -> bool:
        """Whether a TD attribute of this name is set."""
        return attribute in attribute_names(self)

    @property
    def debuggable(self) -> bool:
        """TUD.DEBUG: any bit of the first byte makes the TD untrusted."""
        return self.attributes[0] != 0


def parse_body(raw: bytes) -> TdReport:
    """Read a TD report body: 584 bytes (TD 1.0) or 648 (TD 1.5).  Raises EvidenceFormatError for another length."""
    if len(raw) not in (BODY_BYTES[BodyType.TD_1_0], BODY_BYTES[BodyType.TD_1_5]):
        raise EvidenceFormatError(f"TD report body: expected 584 or 648 bytes, got {len(raw)}")
    return TdReport(
        tee_tcb_svn=raw[0:16],
        mrseam=raw[16:64],
        mrsignerseam=raw[64:112],
        seam_attributes=raw[112:120],
        attributes=raw[120:128],
        xfam=raw[128:136],
        mrtd=raw[136:184],
        mrconfigid=raw[184:232],
        mrowner=raw[232:280],
        mrownerconfig=raw[280:328],
        rtmrs=(raw[328:376], raw[376:424], raw[424:472], raw[472:520]),
        report_data=raw[520:584],
        tee_tcb_svn2=raw[584:600],
        mrservicetd=raw[600:648],
    )


def attribute_names(report: TdReport) -> tuple[str, ...]:
    """Names of the TD attributes that are set."""
    bits = int.from_bytes(report.attributes, "little")
    return tuple(name for bit, name in ATTRIBUTES.items() if bits >> bit & 1)
