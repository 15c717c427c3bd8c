"""What do the bytes of an SGX quote's body say?  The report of the enclave that asked for the quote."""

from attestation.dcap.report import EnclaveReport, parse_enclave_report

FLAGS = {1: "debug", 2: "mode64bit", 4: "provision-key", 5: "einittoken-key", 7: "kss", 10: "aex-notify"}


def parse_body(raw: bytes) -> EnclaveReport:
    """The enclave's report; 384 bytes.  Raises EvidenceFormatError."""
    return parse_enclave_report(raw)


def flag_names(report: EnclaveReport) -> tuple[str, ...]:
    """Names of the attribute flags that are set.  Source: Intel SDM volume 3D, table 34-3 (ATTRIBUTES)."""
    flags = int.from_bytes(report.attributes[:8], "little")
    return tuple(name for bit, name in FLAGS.items() if flags >> bit & 1)
