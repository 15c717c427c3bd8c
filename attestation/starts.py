"""How Evidence of each kind starts: what `recognise` tells the kinds by, and the rooms' formats begin with."""

from typing import Final

from attestation.kinds import Kind

NITRO_START: Final = bytes.fromhex("8444a1013822")
"""An array of four, the first of them a protected header that names ES384 (NSM API attestation_process.md, 3.1)."""

CCA_START: Final = bytes.fromhex("d9018f")
"""CBOR tag 399 (draft-ffm-rats-cca-token, 4)."""

NVIDIA_MAGIC: Final = b"NVSPDM\x00\x01"
"""Our container of an NVIDIA device's measurements and chain."""

AZURE_FORMAT: Final = "enclasp-azure-vtpm/1"
"""Member `format` of our container of an Azure machine's evidence."""

COLLECTION_TYPE: Final = "__cmwc_t"
"""The member of a CMW collection that says what it is (draft-ietf-rats-msg-wrap-23, 3.3)."""

SNP_REPORT_BYTES: Final = 0x4A0
SNP_OLDEST_VERSION: Final = 2
_SNP_MAX_VERSION: Final = 0xFF
_SNP_MAX_VMPL: Final = 0xFF
_TEXT_START_BYTES: Final = 200


def kind_by_start(raw: bytes) -> Kind | None:
    """The kind of everything but Intel's quotes; None if it starts like none."""
    if raw.startswith(NITRO_START):
        return Kind.NITRO
    if raw.startswith(CCA_START):
        return Kind.CCA
    if raw.startswith(NVIDIA_MAGIC) or is_nras_token(raw):
        return Kind.NVIDIA_GPU
    if _is_object_with(raw, f'"{AZURE_FORMAT}"'):
        return Kind.AZURE_VTPM
    if _is_object_with(raw, f'"{COLLECTION_TYPE}"'):
        return Kind.COMPOSITE
    return Kind.SEV_SNP if _is_snp_report(raw) else None


def is_nras_token(raw: bytes) -> bool:
    """Whether these bytes begin as a detached EAT of NVIDIA's service does: its word in place of a device's."""
    return b"".join(raw[:64].split()).startswith(b'[["JWT",')


def _is_object_with(raw: bytes, text: str) -> bool:
    """A JSON object in whose first bytes this text stands."""
    start = raw[:_TEXT_START_BYTES]
    return start.lstrip()[:1] == b"{" and text.encode() in start


def _is_snp_report(raw: bytes) -> bool:
    """A known range of versions, and a VMPL that can be (AMD SEV-SNP Firmware ABI 56860, ATTESTATION_REPORT)."""
    if len(raw) < SNP_REPORT_BYTES:
        return False
    version, vmpl = int.from_bytes(raw[0:4], "little"), int.from_bytes(raw[0x30:0x34], "little")
    return SNP_OLDEST_VERSION <= version <= _SNP_MAX_VERSION and vmpl <= _SNP_MAX_VMPL
