"""What does an SGX enclave report say?  The body of SGX quotes, and the quoting enclave's own report."""

from dataclasses import dataclass

from attestation.errors import EvidenceFormatError

REPORT_BYTES = 384


@dataclass(frozen=True, slots=True)
class EnclaveReport:
    """Fields of sgx_report_body_t.  misc_select 4, attributes 16 (flags u64, XFRM u64) bytes, as they stand there."""

    cpu_svn: bytes
    misc_select: bytes
    attributes: bytes
    mrenclave: bytes
    mrsigner: bytes
    config_id: bytes
    product_id: int
    svn: int
    config_svn: int
    report_data: bytes

    @property
    def debuggable(self) -> bool:
        """SGX_FLAGS_DEBUG, bit 1 of the attributes."""
        return bool(self.attributes[0] & 0x02)


def parse_enclave_report(raw: bytes) -> EnclaveReport:
    """Read an SGX report body: exactly 384 bytes, little endian.

    Raises EvidenceFormatError if the length differs.  Source: sgx_report_body_t in sgx_report.h, Intel SGX SDK.
    """
    if len(raw) != REPORT_BYTES:
        raise EvidenceFormatError(f"SGX report body: expected {REPORT_BYTES} bytes, got {len(raw)}")
    return EnclaveReport(
        cpu_svn=raw[0:16],
        misc_select=raw[16:20],
        attributes=raw[48:64],
        mrenclave=raw[64:96],
        mrsigner=raw[128:160],
        config_id=raw[192:256],
        product_id=int.from_bytes(raw[256:258], "little"),
        svn=int.from_bytes(raw[258:260], "little"),
        config_svn=int.from_bytes(raw[260:262], "little"),
        report_data=raw[320:384],
    )
