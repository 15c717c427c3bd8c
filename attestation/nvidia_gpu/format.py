"""What do the bytes of an NVIDIA device's evidence say?  Bytes to frozen fields; nothing in them is trusted yet.

Our container (integers little endian), since the device gives two things that belong together:
  8 bytes "NVSPDM" 0x00 0x01 | u32 size of the measurements | measurements | u32 size of the chain | chain
measurements: the SPDM request (37 bytes) and response, as NVML returns them ("evidence.bin").
chain: the device's certificates in PEM, leaf first ("cert_chain.pem").
Source of the measurements: DMTF DSP0274 (SPDM 1.1), 10.11 GET_MEASUREMENTS and MEASUREMENTS; the opaque data are
NVIDIA's (field numbers as its attestation SDK names them).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_EVIDENCE_BYTES, Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu.signature import SIGNATURE_BYTES
from attestation.starts import NVIDIA_MAGIC

SPECIFICATION: Final = "DMTF DSP0274 (SPDM 1.1), GET_MEASUREMENTS"
NONCE_BYTES: Final = 32
MEASUREMENTS_FILE: Final = "evidence.bin"
CHAIN_FILE: Final = "cert_chain.pem"

_SPDM_1_1: Final = 0x11
_GET_MEASUREMENTS: Final = 0xE0
_MEASUREMENTS: Final = 0x60
_REQUEST: Final = 37
_RESPONSE_HEADER: Final = 8
_DMTF_SPECIFICATION: Final = 1


class Field(IntEnum):
    """Opaque fields that we read."""

    DRIVER_VERSION = 3
    VBIOS_VERSION = 6
    NVDEC0_STATUS = 11
    BOARD_ID = 14
    CHIP_SKU = 15
    PROJECT = 17
    PROJECT_SKU = 18
    FWID = 20
    PROTECTED_PCIE_STATUS = 21
    SWITCH_PDI = 22
    OPAQUE_DATA_VERSION = 34
    FEATURE_FLAG = 36


@dataclass(frozen=True, slots=True)
class Container:
    """measurements: SPDM request and response.  chain: PEM."""

    measurements: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class MeasurementReport:
    """An SPDM measurement exchange.

    nonce: 32 bytes, the requester's.  slot: of the device's certificate chain.  blocks: SPDM index (from 1) to value.
    opaque: field number to value.  signed: exactly the bytes under `signature` (96 bytes, r || s, P-384).
    """

    nonce: bytes
    slot: int
    blocks: Mapping[int, bytes]
    response_nonce: bytes
    opaque: Mapping[int, bytes]
    signed: bytes
    signature: bytes

    def text(self, field: Field) -> str:
        """An opaque field that holds characters, without the zero bytes after them; empty if it is not there."""
        return self.opaque.get(field, b"").split(b"\0")[0].decode("ascii", "replace")

    @property
    def is_switch(self) -> bool:
        """An NVSwitch: it has no driver of its own."""
        return Field.DRIVER_VERSION not in self.opaque

    @property
    def vbios_version(self) -> str:
        """The VBIOS version as NVIDIA writes it, e.g. "96.00.9F.00.01"; a switch says it in characters."""
        raw = self.opaque.get(Field.VBIOS_VERSION, b"")
        if self.is_switch or len(raw) != 8:
            return self.text(Field.VBIOS_VERSION)
        return ".".join(f"{part:02X}" for part in (*raw[3::-1], raw[4]))


def pack(measurements: bytes, chain: bytes) -> bytes:
    """The container of both.  Raises EvidenceFormatError if they are too long for any evidence."""
    raw = NVIDIA_MAGIC + _sized(measurements) + _sized(chain)
    if len(raw) > MAX_EVIDENCE_BYTES:
        raise EvidenceFormatError(f"NVIDIA evidence: expected at most {MAX_EVIDENCE_BYTES} bytes, got {len(raw)}")
    return raw


def evidence_of_files(files: Mapping[str, bytes]) -> Evidence:
    """Evidence of the files `evidence.bin` and `cert_chain.pem`.

    Raises EvidenceFormatError if one is missing, or both are too long.
    """
    for name in (MEASUREMENTS_FILE, CHAIN_FILE):
        if name not in files:
            raise EvidenceFormatError(f"NVIDIA evidence: expected the file '{name}', got {', '.join(files) or 'none'}")
    return Evidence(Kind.NVIDIA_GPU, pack(files[MEASUREMENTS_FILE], files[CHAIN_FILE]))


def parse_container(raw: bytes) -> Container:
    """Split the container.  Raises EvidenceFormatError unless every byte belongs to it."""
    if not raw.startswith(NVIDIA_MAGIC):
        raise EvidenceFormatError(f"NVIDIA evidence: expected to start with {NVIDIA_MAGIC.hex()}, got {raw[:8].hex()}")
    measurements, rest = _take_sized(raw[len(NVIDIA_MAGIC) :], "measurements")
    chain, rest = _take_sized(rest, "certificate chain")
    if rest:
        raise EvidenceFormatError(f"NVIDIA evidence: expected nothing after the chain, got {len(rest)} bytes")
    return Container(measurements, chain)


def parse_measurements(raw: bytes) -> MeasurementReport:
    """Read request and response.

    Raises EvidenceFormatError for another message, version or length, and for anything that is said twice.
    """
    if len(raw) < _REQUEST + _RESPONSE_HEADER + NONCE_BYTES + 2 + SIGNATURE_BYTES:
        raise EvidenceFormatError(f"SPDM measurements: expected request and response, got {len(raw)} bytes")
    request, response = raw[:_REQUEST], raw[_REQUEST:]
    for name, message, code in (("request", request, _GET_MEASUREMENTS), ("response", response, _MEASUREMENTS)):
        if message[0] != _SPDM_1_1 or message[1] != code:
            raise EvidenceFormatError(
                f"SPDM {name}: expected version 1.1 and code {code:02x}, got {message[0]:02x} and {message[1]:02x}"
            )
    end = _RESPONSE_HEADER + int.from_bytes(response[5:8], "little")
    nonce_end, opaque_start = end + NONCE_BYTES, end + NONCE_BYTES + 2
    opaque_end = opaque_start + int.from_bytes(response[nonce_end:opaque_start], "little")
    if len(response) != opaque_end + SIGNATURE_BYTES:
        raise EvidenceFormatError(
            f"SPDM response: expected {opaque_end + SIGNATURE_BYTES} bytes as its lengths say, got {len(response)}"
        )
    return MeasurementReport(
        nonce=request[4:36],
        slot=request[36],
        blocks=_parse_record(response[_RESPONSE_HEADER:end], response[4]),
        response_nonce=response[end:nonce_end],
        opaque=_parse_opaque(response[opaque_start:opaque_end]),
        signed=raw[:-SIGNATURE_BYTES],
        signature=raw[-SIGNATURE_BYTES:],
    )


def _parse_record(record: bytes, count: int) -> Mapping[int, bytes]:
    """Measurement blocks: index, specification (1 = DMTF), u16 size; then value type, u16 size, value."""
    blocks: dict[int, bytes] = {}
    position = 0
    for _ in range(count):
        head = record[position : position + 7]
        size, value_size = int.from_bytes(head[2:4], "little"), int.from_bytes(head[5:7], "little")
        value = record[position + 7 : position + 4 + size]
        if len(head) < 7 or head[1] != _DMTF_SPECIFICATION or value_size != size - 3 or len(value) != value_size:
            raise EvidenceFormatError(f"SPDM measurement block at {position}: expected a whole DMTF measurement")
        if head[0] in blocks:
            raise EvidenceFormatError(f"SPDM measurement block {head[0]}: expected once, got twice")
        blocks[head[0]] = value
        position += 4 + size
    if position != len(record) or not blocks:
        raise EvidenceFormatError(f"SPDM measurement record: expected {count} blocks in {len(record)} bytes")
    return blocks


def _parse_opaque(data: bytes) -> Mapping[int, bytes]:
    """NVIDIA's fields: u16 number, u16 size, value."""
    fields: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        number, size = (int.from_bytes(data[at : at + 2], "little") for at in (position, position + 2))
        value = data[position + 4 : position + 4 + size]
        if position + 4 + size > len(data):
            raise EvidenceFormatError(f"SPDM opaque field {number}: expected {size} bytes, got {len(value)}")
        if number in fields:
            raise EvidenceFormatError(f"SPDM opaque field {number}: expected once, got twice")
        fields[number] = value
        position += 4 + size
    return fields


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(4, "little") + part


def _take_sized(raw: bytes, what: str) -> tuple[bytes, bytes]:
    size = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or len(raw) < 4 + size:
        raise EvidenceFormatError(f"NVIDIA evidence, {what}: expected a size and that many bytes, got {len(raw)}")
    return raw[4 : 4 + size], raw[4 + size :]
