"""The journal's data key, and how a sealing key keeps it.

A wrapped key is

    version u8 = 1 | length of mode u8 | mode, ASCII | journal id (16) | nonce (12) | AES-256-GCM(data key) (48)

with the key HKDF-SHA256(sealing key, salt = journal id, info = label); the associated data is everything before
the nonce, so the mode stands in clear (it says which sealing key to ask for) and cannot be changed.
"""

import hmac
from dataclasses import dataclass, field
from typing import Final, NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coordinator.journal.errors import KeyUnusable

JournalId = NewType("JournalId", bytes)
"""16 random bytes that tell one journal from all others; no secret."""

DATA_KEY_BYTES: Final = 32
JOURNAL_ID_BYTES: Final = 16
NONCE_BYTES: Final = 12
"""Of AES-GCM, wherever this room uses it."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of all records of one journal.  secret: 32 random bytes; never shown."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != DATA_KEY_BYTES:
            raise KeyUnusable("length", f"{DATA_KEY_BYTES} bytes", f"{len(self.secret)} bytes")

    def check_value(self, journal_id: JournalId) -> bytes:
        """16 bytes that tell this key from others without telling anything of it; stands in clear in the storage."""
        return hmac.digest(self.secret, _CHECK_LABEL + journal_id, "sha256")[:16]


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrapped key as read; nothing of it is proven before `unwrap`."""

    mode: str
    journal_id: JournalId
    header: bytes
    nonce: bytes
    sealed: bytes


def wrap(data_key: DataKey, sealing_key: bytes, mode: str, journal_id: JournalId, nonce: bytes) -> bytes:
    """Wrap `data_key` for the holder of `sealing_key`.

    mode: the seal mode under which the sealing key can be asked for again.  nonce: 12 random bytes.
    """
    name = mode.encode("ascii")
    header = bytes((_VERSION, len(name))) + name + journal_id
    return header + nonce + _cipher(sealing_key, journal_id).encrypt(nonce, data_key.secret, header)


def parse_wrapped(raw: bytes) -> WrappedKey:
    """Read a wrapped key.  Raises KeyUnusable if the version, the length or the mode's text is not ours."""
    if raw[:1] != bytes((_VERSION,)):
        raise KeyUnusable("version", f"{_VERSION:02x}", raw[:1].hex() or "nothing")
    mode_end = 2 + raw[1] if len(raw) > 1 else 2
    length = mode_end + JOURNAL_ID_BYTES + NONCE_BYTES + DATA_KEY_BYTES + 16
    if len(raw) != length:
        raise KeyUnusable("wrapped key", f"{length} bytes", f"{len(raw)} bytes")
    if not raw[2:mode_end].isascii():
        raise KeyUnusable("mode", "ASCII text", raw[2:mode_end].hex())
    header_end = mode_end + JOURNAL_ID_BYTES
    nonce_end = header_end + NONCE_BYTES
    return WrappedKey(
        raw[2:mode_end].decode("ascii"),
        JournalId(raw[mode_end:header_end]),
        raw[:header_end],
        raw[header_end:nonce_end],
        raw[nonce_end:],
    )


def unwrap(raw: bytes, sealing_key: bytes, journal_id: JournalId) -> DataKey:
    """The data key.  Raises KeyUnusable if it was wrapped for another sealing key or journal, or was changed."""
    wrapped = parse_wrapped(raw)
    if wrapped.journal_id != journal_id:
        raise KeyUnusable("journal id", journal_id.hex(), wrapped.journal_id.hex())
    try:
        return DataKey(_cipher(sealing_key, journal_id).decrypt(wrapped.nonce, wrapped.sealed, wrapped.header))
    except InvalidTag:
        raise KeyUnusable(
            "sealing key",
            f"the one of seal mode {wrapped.mode!r} with which it was wrapped",
            "another one, or a wrapped key that was changed",
        ) from None


def _cipher(sealing_key: bytes, journal_id: JournalId) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, journal_id, _WRAP_LABEL).derive(sealing_key))


_VERSION: Final = 1
_WRAP_LABEL: Final = b"enclasp journal key wrapping v1"
_CHECK_LABEL: Final = b"enclasp journal key check v1"
