"""What one record of the journal is, both ways.  Nobody else reads or writes these bytes.

    version u8 = 1 | flags u8 | sequence u64 big endian | previous link (32) | sealed

sealed: nonce (12), ciphertext, tag (16) of AES-256-GCM; the key is HKDF-SHA256 of the data key with the journal
id as salt and label and sequence as info; the associated data is everything before `sealed`.  The link of a record
is `next_link` over what it seals; the first record's previous link is the `genesis` one of the journal.
A test vector is in tests/vectors/journal.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coordinator.journal.errors import BrokenLink
from coordinator.journal.key import NONCE_BYTES, DataKey, JournalId

Entropy = Callable[[int], bytes]
"""Gives that many random bytes."""

LINK_BYTES: Final = 32
VERSION: Final = 1


class Flags(IntFlag):
    """What a record is to its neighbours."""

    NONE = 0
    SNAPSHOT = 1
    """The first record of a snapshot: all that came before is contained in it, so it may be the first one stored."""
    CONTINUES = 2
    """The same append goes on in the next record: a journal cannot end here."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands.

    sequence: from 0; goes on across snapshots.  previous: 32 bytes, the link of the record before.
    """

    journal_id: JournalId
    sequence: int
    previous: bytes

    def after(self, record: bytes) -> "Position":
        """The place behind `record`, which stands here."""
        return Position(
            self.journal_id, self.sequence + 1, next_link(self.previous, self.sequence, record[_HEADER_BYTES:])
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A record that was authentic at its place.  after: the place of the next one."""

    flags: Flags
    body: bytes
    after: Position


def genesis(journal_id: JournalId) -> Position:
    """The place of a journal's very first record."""
    return Position(journal_id, 0, hashlib.sha256(_GENESIS_LABEL + journal_id).digest())


def next_link(previous: bytes, sequence: int, sealed: bytes) -> bytes:
    """Hash of one journal record: 32 bytes over (previous link, sequence as u64 big endian, sealed body)."""
    return hashlib.sha256(previous + sequence.to_bytes(8, "big") + sealed).digest()


def seal_record(data_key: DataKey, position: Position, flags: Flags, body: bytes, nonce: bytes) -> bytes:
    """Seal `body` for exactly this place.

    nonce: 12 random bytes.  The key is the place's own, but a place can be written twice, with other content,
    when the first try was never acknowledged; so the nonce must not follow from the place.
    """
    header = bytes((VERSION, flags)) + position.sequence.to_bytes(8, "big") + position.previous
    return header + nonce + _cipher(data_key, position).encrypt(nonce, body, header)


def open_record(data_key: DataKey, position: Position, record: bytes) -> Opened:
    """Open the record that must stand at `position`.

    Raises BrokenLink, which names the first field that is not what this place demands.
    """
    header, nonce, ciphertext = _parse(record, position.sequence)
    _demand_place(position, header)
    try:
        body = _cipher(data_key, position).decrypt(nonce, ciphertext, header)
    except InvalidTag:
        expected = "a body sealed for this place with the journal's key"
        raise BrokenLink(position.sequence, "seal", expected, "one that is not authentic") from None
    return Opened(Flags(header[1]), body, position.after(record))


def read_place(position: Position, record: bytes) -> Flags:
    """What the record that must stand at `position` is to its neighbours; without a key, so nothing of it is proven.

    Raises BrokenLink as `open_record` does, but for the seal.
    """
    header, _, _ = _parse(record, position.sequence)
    _demand_place(position, header)
    return Flags(header[1])


def first_position(journal_id: JournalId, record: bytes) -> Position:
    """Where the first stored record says that it stands: at the beginning, or anywhere if it begins a snapshot.

    Nothing of it is proven before `open_record` at this place.  Raises BrokenLink if it could not be a first record.
    """
    header, _, _ = _parse(record, 0)
    start = genesis(journal_id)
    if not header[1] & Flags.SNAPSHOT:
        return start
    return Position(journal_id, _sequence_of(header), header[10:])


def _parse(record: bytes, sequence: int) -> tuple[bytes, bytes, bytes]:
    if len(record) < _MIN_BYTES:
        raise BrokenLink(sequence, "length", f"at least {_MIN_BYTES} bytes", f"{len(record)} bytes")
    return record[:_HEADER_BYTES], record[_HEADER_BYTES:_NONCE_END], record[_NONCE_END:]


def _demand_place(position: Position, header: bytes) -> None:
    _demand(position.sequence, "version", str(VERSION), str(header[0]))
    _demand(position.sequence, "unknown flags", "00", f"{header[1] & ~_KNOWN_FLAGS:02x}")
    _demand(position.sequence, "sequence", str(position.sequence), str(_sequence_of(header)))
    _demand(position.sequence, "previous link", position.previous.hex(), header[10:].hex())


def _demand(record: int, field: str, expected: str, got: str) -> None:
    if expected != got:
        raise BrokenLink(record, field, expected, got)


def _sequence_of(header: bytes) -> int:
    return int.from_bytes(header[2:10], "big")


def _cipher(data_key: DataKey, position: Position) -> AESGCM:
    info = _KEY_LABEL + position.sequence.to_bytes(8, "big")
    return AESGCM(HKDF(hashes.SHA256(), 32, position.journal_id, info).derive(data_key.secret))


_GENESIS_LABEL: Final = b"enclasp journal genesis v1"
_KEY_LABEL: Final = b"enclasp journal record v1"
_HEADER_BYTES: Final = 1 + 1 + 8 + LINK_BYTES
_NONCE_END: Final = _HEADER_BYTES + NONCE_BYTES
_KNOWN_FLAGS: Final = int(Flags.SNAPSHOT | Flags.CONTINUES)
_MIN_BYTES: Final = _NONCE_END + 16
