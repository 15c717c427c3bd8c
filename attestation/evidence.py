"""Evidence: bytes of a known kind.  Nothing in it is trusted yet."""

from dataclasses import dataclass

from attestation.errors import EvidenceFormatError
from attestation.kinds import Kind

MAX_EVIDENCE_BYTES = 64 * 1024
_OPEN_ENCLAVE_HEADER = 16
_TEE_TYPES = {0x00000000: Kind.SGX, 0x00000081: Kind.TDX}
_SNP_REPORT = 0x4A0
_STARTS = {
    bytes.fromhex("8444a1013822"): Kind.NITRO,
    bytes.fromhex("d9018f"): Kind.CCA,
    b"NVSPDM\x00\x01": Kind.NVIDIA_GPU,
    b'{"format":"enclasp-azure-vtpm/1"': Kind.AZURE_VTPM,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an Attester hands over: for SGX and TDX the bare DCAP quote, without any wrapper."""

    kind: Kind
    raw: bytes


def recognise(raw: bytes) -> Evidence:
    """Tell the kind of Evidence from its first bytes; an Open Enclave header is taken off.

    Raises EvidenceFormatError if the bytes are too long or of no kind that we know.
    Sources: the `format` of each room; Open Enclave oe_report_header_t (u32 version 1, u32 type 2, u64 size).
    """
    if len(raw) > MAX_EVIDENCE_BYTES:
        raise EvidenceFormatError(f"evidence: expected at most {MAX_EVIDENCE_BYTES} bytes, got {len(raw)}")
    if raw[:8] == b"\x01\x00\x00\x00\x02\x00\x00\x00":
        size = int.from_bytes(raw[8:16], "little")
        if size > len(raw) - _OPEN_ENCLAVE_HEADER:
            raise EvidenceFormatError(
                f"Open Enclave header: announces {size} bytes, {len(raw) - _OPEN_ENCLAVE_HEADER} follow"
            )
        raw = raw[_OPEN_ENCLAVE_HEADER : _OPEN_ENCLAVE_HEADER + size]
    for start, marked in _STARTS.items():
        if raw.startswith(start):
            return Evidence(marked, raw)
    if len(raw) < 48:
        raise EvidenceFormatError(f"evidence: expected a quote or report of at least 48 bytes, got {len(raw)}")
    version, key_type = int.from_bytes(raw[0:2], "little"), int.from_bytes(raw[2:4], "little")
    if key_type == 0 and len(raw) >= _SNP_REPORT and 2 <= version <= 0xFF:  # a report's version is an u32, AMD #56860
        return Evidence(Kind.SEV_SNP, raw)
    if version == 3:
        return Evidence(Kind.SGX, raw)
    kind = _TEE_TYPES.get(int.from_bytes(raw[4:8], "little"))
    if version not in (4, 5) or kind is None:
        raise EvidenceFormatError(
            f"evidence: expected an SGX or TDX quote of version 3, 4 or 5, got version {version} and TEE type "
            f"{raw[4:8][::-1].hex()}; nor is it a SEV-SNP report, Nitro document, CCA token, or NVIDIA's or Azure's"
        )
    return Evidence(kind, raw)


def with_open_enclave_header(quote: bytes) -> bytes:
    """A quote as MarbleRun's and EGo's clients expect it: 16 bytes of oe_report_header_t before it."""
    return (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + len(quote).to_bytes(8, "little") + quote
