"""Evidence: bytes of a known kind.  Nothing in it is trusted yet."""

from dataclasses import dataclass

from attestation.errors import EvidenceFormatError
from attestation.kinds import Kind
from attestation.starts import kind_by_start

MAX_EVIDENCE_BYTES = 64 * 1024
MAX_COMPOSITE_BYTES = 1024 * 1024
_OPEN_ENCLAVE_HEADER = 16
_TEE_TYPES = {0x00000000: Kind.SGX, 0x00000081: Kind.TDX}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an Attester hands over: for SGX and TDX the bare DCAP quote, without any wrapper."""

    kind: Kind
    raw: bytes


def recognise(raw: bytes) -> Evidence:
    """Tell the kind of Evidence from its first bytes; an Open Enclave header is taken off.

    Raises EvidenceFormatError if the bytes are too long or of no kind that we know.
    Sources: `starts`; Open Enclave oe_report_header_t (u32 version 1, u32 type 2, u64 size).
    """
    marked = kind_by_start(raw)
    longest = MAX_COMPOSITE_BYTES if marked is Kind.COMPOSITE else MAX_EVIDENCE_BYTES
    if len(raw) > longest:
        raise EvidenceFormatError(f"evidence: expected at most {longest} bytes, got {len(raw)}")
    if marked is not None:
        return Evidence(marked, raw)
    if raw[:8] == b"\x01\x00\x00\x00\x02\x00\x00\x00":
        size = int.from_bytes(raw[8:16], "little")
        if size > len(raw) - _OPEN_ENCLAVE_HEADER:
            raise EvidenceFormatError(
                f"Open Enclave header: announces {size} bytes, {len(raw) - _OPEN_ENCLAVE_HEADER} follow"
            )
        raw = raw[_OPEN_ENCLAVE_HEADER : _OPEN_ENCLAVE_HEADER + size]
    if len(raw) < 48:
        raise EvidenceFormatError(f"evidence: expected a quote or report of at least 48 bytes, got {len(raw)}")
    version = int.from_bytes(raw[0:2], "little")
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
