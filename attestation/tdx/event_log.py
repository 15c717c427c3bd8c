"""What did the firmware say that it measured?  An event log (CCEL), replayed into run-time registers.

A log is a story that anybody can write.  That its digests lead to the registers of a genuine quote proves the digests
and their order; what an event *says* of itself is proven only where its digest is that of its data (`proves_data`).
Source: TCG PC Client Platform Firmware Profile 1.05, 10.2 (crypto agile log); UEFI 2.10, 38.4.1 (registers of TDX).
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from attestation.errors import EvidenceFormatError

LOG_FILE: Final = "ccel_data.dat"
MAX_LOG_BYTES: Final = 4 * 1024 * 1024
REGISTERS: Final = 4
_MAX_EVENTS: Final = 65536
_SHA384: Final = 0x000C
_DIGEST_BYTES: Final = 48
_NO_ACTION: Final = 3
_SIGNATURE: Final = b"Spec ID Event03\0"
_END: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Event:
    """register: of RTMR0 to RTMR3; None where nothing is extended.  kind: TCG's event type.  digest: 48 bytes."""

    register: int | None
    kind: int
    digest: bytes
    data: bytes

    @property
    def proves_data(self) -> bool:
        """Whether the digest is that of the data, so that the registers vouch for what the event says."""
        return hashlib.sha384(self.data).digest() == self.digest


def parse_event_log(raw: bytes) -> tuple[Event, ...]:
    """Read a log of SHA-384 digests; what follows its end is padding.  Raises EvidenceFormatError."""
    if len(raw) > MAX_LOG_BYTES:
        raise EvidenceFormatError(f"event log: expected at most {MAX_LOG_BYTES} bytes, got {len(raw)}")
    events = []
    for event in _events(raw, _skip_header(raw)):
        events.append(event)
        if len(events) > _MAX_EVENTS:
            raise EvidenceFormatError(f"event log: expected at most {_MAX_EVENTS} events, got more")
    return tuple(events)


def replay(events: tuple[Event, ...]) -> Mapping[int, bytes]:
    """Registers that the log extends, with the values that it leads to (48 bytes)."""
    registers: dict[int, bytes] = {}
    for event in events:
        if event.register is not None:
            before = registers.get(event.register, bytes(_DIGEST_BYTES))
            registers[event.register] = hashlib.sha384(before + event.digest).digest()
    return registers


def _skip_header(raw: bytes) -> int:
    """The first event, in the old form, says which digests follow; SHA-384 alone is what TDX has."""
    if len(raw) < 32:
        raise EvidenceFormatError(f"event log: expected at least 32 bytes, got {len(raw)}")
    register, kind = struct.unpack_from("<II", raw)
    size = int.from_bytes(raw[28:32], "little")
    content = raw[32 : 32 + size]
    if kind != _NO_ACTION or not content.startswith(_SIGNATURE) or len(content) != size or size < 33:
        raise EvidenceFormatError(f"event log: expected a header 'Spec ID Event03', got an event of type {kind:#x}")
    algorithms = int.from_bytes(content[24:28], "little")
    if register not in (0, 1) or algorithms != 1 or struct.unpack_from("<HH", content, 28) != (_SHA384, _DIGEST_BYTES):
        raise EvidenceFormatError(f"event log: expected digests by SHA-384 alone, got {algorithms} algorithms")
    return 32 + size


def _events(raw: bytes, at: int) -> Iterator[Event]:
    while len(raw) - at >= 12:
        index, kind, count = struct.unpack_from("<III", raw, at)
        if index == _END or (index, kind, count) == (0, 0, 0):
            return
        start = at + 12 + 2 + _DIGEST_BYTES
        if count != 1 or index > REGISTERS or len(raw) < start + 4:
            raise EvidenceFormatError(f"event log: expected an event with one digest at byte {at}, got {count}")
        if int.from_bytes(raw[at + 12 : at + 14], "little") != _SHA384:
            raise EvidenceFormatError(f"event log: expected a digest by SHA-384 at byte {at + 12}")
        size = int.from_bytes(raw[start : start + 4], "little")
        data = raw[start + 4 : start + 4 + size]
        if len(data) != size:
            raise EvidenceFormatError(f"event log: the event at byte {at} announces {size} bytes, {len(data)} follow")
        extends = index > 0 and kind != _NO_ACTION
        yield Event(index - 1 if extends else None, kind, raw[at + 14 : start], data)
        at = start + 4 + size
    if any(raw[at:]) and set(raw[at:]) != {0xFF}:
        raise EvidenceFormatError(f"event log: expected an event at byte {at}, got {len(raw) - at} bytes")
