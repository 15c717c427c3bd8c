"""What do the bytes of SEV-SNP evidence say?  A report, and in an extended report the host's certificate table.

Source: AMD SEV-SNP Firmware ABI (56860), ATTESTATION_REPORT and its signature; GHCB specification (56421), 4.1.8.1,
certificate table.  All numbers are little endian.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from uuid import UUID

from attestation.errors import EvidenceFormatError
from attestation.starts import SNP_OLDEST_VERSION, SNP_REPORT_BYTES

SPECIFICATION: Final = "AMD SEV-SNP Firmware ABI (56860), ATTESTATION_REPORT"
REPORT_BYTES: Final = SNP_REPORT_BYTES
SIGNED_BYTES: Final = 0x2A0
OLDEST_VERSION: Final = SNP_OLDEST_VERSION
NEWEST_VERSION: Final = 5
ECDSA_P384_SHA384: Final = 1
MAX_TABLE_BYTES: Final = 64 * 1024
MAX_TABLE_ENTRIES: Final = 16

POLICY_BITS: Final[Mapping[str, int]] = {
    "smt": 16,
    "migration-agent": 18,
    "debug": 19,
    "single-socket": 20,
    "cxl": 21,
    "aes-256-xts": 22,
    "rapl-disabled": 23,
    "ciphertext-hiding": 24,
    "page-swap-disabled": 25,
}
PLATFORM_BITS: Final[Mapping[str, int]] = {
    "smt": 0,
    "tsme": 1,
    "ecc": 2,
    "rapl-disabled": 3,
    "ciphertext-hiding": 4,
    "alias-check-complete": 5,
    "iommu-write-safe": 6,
    "tio": 7,
}


class SigningKey(IntEnum):
    """Whose key signed the report; other values are reserved."""

    VCEK = 0
    VLEK = 1
    NONE = 7


class TableEntry:
    """GUIDs of the certificate table that we read; a host may add others."""

    VCEK: Final = UUID("63da758d-e664-4564-adc5-f4b93be8accd")
    VLEK: Final = UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1")
    ASK: Final = UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782")
    ARK: Final = UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae")
    CRL: Final = UUID("92f81bc3-5811-4d3d-97ff-d19f88dc67ea")


@dataclass(frozen=True, slots=True)
class Report:
    """Fields of a report.

    policy, platform_info: bit fields, see POLICY_BITS and PLATFORM_BITS.  The TCBs are 8 bytes each, in the layout of
    the product.  cpuid: (family, model, stepping), from version 3 on.  builds: (build, minor, major) of the current
    and the committed firmware.  mitigations: vectors at launch and now, from version 5 on.
    """

    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    algorithm: int
    current_tcb: bytes
    platform_info: int
    key_flags: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    cpuid: tuple[int, int, int] | None
    chip_id: bytes
    committed_tcb: bytes
    builds: tuple[tuple[int, int, int], tuple[int, int, int]]
    launch_tcb: bytes
    mitigations: tuple[int, int] | None

    def allows(self, policy: str) -> bool:
        """Whether a policy bit of this name (POLICY_BITS) is set."""
        return bool(self.policy >> POLICY_BITS[policy] & 1)

    @property
    def debuggable(self) -> bool:
        """Policy bit DEBUG: the host may read and change the guest's memory."""
        return self.allows("debug")

    @property
    def signing_key(self) -> SigningKey | int:
        """Bits 2 to 4 of the key flags; a number where they are reserved."""
        value = self.key_flags >> 2 & 7
        return SigningKey(value) if value in tuple(SigningKey) else value

    @property
    def masked_chip_key(self) -> bool:
        """The host has switched the chip's key off, so the report is not signed."""
        return bool(self.key_flags >> 1 & 1)


@dataclass(frozen=True, slots=True)
class SnpEvidence:
    """signed: the bytes that the signature is over.  signature: 512 bytes.  table: the bytes after the report."""

    report: Report
    signed: bytes
    signature: bytes
    table: bytes


def parse_evidence(raw: bytes) -> SnpEvidence:
    """Split evidence into the report and the certificate table that may follow it; nothing is trusted yet.

    Raises EvidenceFormatError if the report is cut short, or the table is longer than a host may give.
    """
    if len(raw) < REPORT_BYTES:
        raise EvidenceFormatError(f"SEV-SNP report: expected {REPORT_BYTES} bytes, got {len(raw)}")
    table = raw[REPORT_BYTES:]
    if len(table) > MAX_TABLE_BYTES:
        raise EvidenceFormatError(f"certificate table: expected at most {MAX_TABLE_BYTES} bytes, got {len(table)}")
    if table:
        parse_table(table)
    report = parse_report(raw[:REPORT_BYTES])
    return SnpEvidence(report, raw[:SIGNED_BYTES], raw[SIGNED_BYTES:REPORT_BYTES], table)


def parse_report(raw: bytes) -> Report:
    """Read a report of exactly 1184 bytes.  Raises EvidenceFormatError for another length.

    A version that is newer than we know is read as the newest that we know; `Report.version` tells it.
    """
    if len(raw) != REPORT_BYTES:
        raise EvidenceFormatError(f"SEV-SNP report: expected {REPORT_BYTES} bytes, got {len(raw)}")
    version, guest_svn, policy = struct.unpack_from("<IIQ", raw, 0)
    vmpl, algorithm = struct.unpack_from("<II", raw, 0x30)
    platform_info, key_flags = struct.unpack_from("<QI", raw, 0x40)
    mitigations = struct.unpack_from("<QQ", raw, 0x1F8)
    return Report(
        version=version,
        guest_svn=guest_svn,
        policy=policy,
        family_id=raw[0x10:0x20],
        image_id=raw[0x20:0x30],
        vmpl=vmpl,
        algorithm=algorithm,
        current_tcb=raw[0x38:0x40],
        platform_info=platform_info,
        key_flags=key_flags,
        report_data=raw[0x50:0x90],
        measurement=raw[0x90:0xC0],
        host_data=raw[0xC0:0xE0],
        id_key_digest=raw[0xE0:0x110],
        author_key_digest=raw[0x110:0x140],
        report_id=raw[0x140:0x160],
        report_id_ma=raw[0x160:0x180],
        reported_tcb=raw[0x180:0x188],
        cpuid=(raw[0x188], raw[0x189], raw[0x18A]) if version >= 3 else None,
        chip_id=raw[0x1A0:0x1E0],
        committed_tcb=raw[0x1E0:0x1E8],
        builds=((raw[0x1E8], raw[0x1E9], raw[0x1EA]), (raw[0x1EC], raw[0x1ED], raw[0x1EE])),
        launch_tcb=raw[0x1F0:0x1F8],
        mitigations=(mitigations[0], mitigations[1]) if version >= 5 else None,
    )


def parse_table(raw: bytes) -> tuple[tuple[UUID, bytes], ...]:
    """The entries of a certificate table: (GUID, content), without those that are empty.

    Each entry is GUID 16 (as an RFC 4122 little-endian record), offset u32, length u32; offsets count from the
    table's start; an entry of zeros ends the list.  Raises EvidenceFormatError if it does not end, points outside, or
    points at the same bytes more than once, which would make little much.
    """
    entries: list[tuple[UUID, bytes]] = []
    total = 0
    for index in range(MAX_TABLE_ENTRIES + 1):
        start = index * _ENTRY_BYTES
        header = raw[start : start + _ENTRY_BYTES]
        if len(header) != _ENTRY_BYTES:
            raise EvidenceFormatError(f"certificate table: expected an entry of zeros at its end, got {len(raw)} bytes")
        guid = UUID(bytes_le=header[:16])
        offset, length = struct.unpack("<II", header[16:])
        if guid.int == 0:
            return tuple(entries)
        if offset + length > len(raw):
            raise EvidenceFormatError(
                f"certificate table: entry {guid} ends at byte {offset + length}, the table at {len(raw)}"
            )
        total += length
        if total > len(raw):
            raise EvidenceFormatError(
                f"certificate table: expected entries that do not overlap, got {total} bytes of them"
            )
        if length:
            entries.append((guid, raw[offset : offset + length]))
    raise EvidenceFormatError(f"certificate table: expected at most {MAX_TABLE_ENTRIES} entries, got more")


def encode_table(entries: tuple[tuple[UUID, bytes], ...]) -> bytes:
    """A certificate table as a host gives it."""
    offset = _ENTRY_BYTES * (len(entries) + 1)
    headers = b""
    for guid, content in entries:
        headers += guid.bytes_le + struct.pack("<II", offset, len(content))
        offset += len(content)
    return headers + bytes(_ENTRY_BYTES) + b"".join(content for _, content in entries)


def names_of(bits: int, names: Mapping[str, int]) -> tuple[str, ...]:
    """Names of the bits that are set; an unknown one as `bit-N`."""
    known = {bit: name for name, bit in names.items()}
    return tuple(known.get(bit, f"bit-{bit}") for bit in range(bits.bit_length()) if bits >> bit & 1)


_ENTRY_BYTES: Final = 24
