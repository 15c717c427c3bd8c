"""A PKCS#11 token keeps the journal's data key: an AES-256 key that never leaves it wraps.

    version u8 = 1 | journal id (16) | nonce (12) | AES-256-GCM(data key) (48)

The associated data is everything before the nonce.  The key is made by the token when it is first wanted: not
extractable, found by its label.  (PKCS#11 2.40, CKM_AES_GCM.)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, PKCS11Error
from pkcs11.mechanisms import GCMParams

from coordinator.journal.errors import KeySourceFailed, KeyUnusable
from coordinator.journal.key import DATA_KEY_BYTES, JOURNAL_ID_BYTES, NONCE_BYTES, DataKey, JournalId


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """module: the maker's library.  pin_file: the user's PIN, one line."""

    module: str
    token: str
    key: str
    pin_file: Path


class Pkcs11Token:
    """A `KeySource`.  The seal mode means nothing here: whoever may use the token may open the state."""

    name: Final = "pkcs11"

    def __init__(self, access: TokenAccess, entropy: Callable[[int], bytes]) -> None:
        self._access, self._entropy = access, entropy

    def wrap(self, data_key: DataKey, mode: str, journal_id: JournalId) -> bytes:
        """As `KeySource.wrap`; makes the token's key if there is none.  Raises KeySourceFailed."""
        header = bytes((_VERSION,)) + journal_id
        nonce = self._entropy(NONCE_BYTES)
        with self._session() as session:
            try:
                key: Any = session.get_key(object_class=ObjectClass.SECRET_KEY, label=self._access.key)
            except NoSuchKey:
                key = session.generate_key(KeyType.AES, 256, label=self._access.key, store=True, template=_PRIVATE)
            sealed = key.encrypt(data_key.secret, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, header))
        return header + nonce + bytes(sealed)

    def unwrap(self, wrapped: bytes, journal_id: JournalId) -> DataKey:
        """As `KeySource.unwrap`."""
        if len(wrapped) != _WRAPPED_BYTES or wrapped[0] != _VERSION:
            raise KeyUnusable("wrapped key", f"{_WRAPPED_BYTES} bytes of version {_VERSION}", f"{len(wrapped)} bytes")
        header, nonce, sealed = wrapped[:_HEADER_BYTES], wrapped[_HEADER_BYTES:_NONCE_END], wrapped[_NONCE_END:]
        if header[1:] != journal_id:
            raise KeyUnusable("journal id", journal_id.hex(), header[1:].hex())
        with self._session() as session:
            try:
                key: Any = session.get_key(object_class=ObjectClass.SECRET_KEY, label=self._access.key)
                secret = key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, header))
            except NoSuchKey as cause:
                raise KeyUnusable("PKCS#11 key", f"one named '{self._access.key}'", "none") from cause
            except PKCS11Error as cause:
                found = f"{type(cause).__name__}: another key, or a wrapped key that was changed"
                raise KeyUnusable("PKCS#11 key", "the one with which it was wrapped", found) from cause
        return DataKey(bytes(secret))

    @contextmanager
    def _session(self) -> Iterator["pkcs11.Session"]:
        access = self._access
        try:
            pin = access.pin_file.read_text().rstrip("\r\n")
            token = pkcs11.lib(access.module).get_token(token_label=access.token)
            with token.open(rw=True, user_pin=pin) as session:
                yield session
        except (OSError, RuntimeError, PKCS11Error) as cause:
            reason = str(cause) or type(cause).__name__
            raise KeySourceFailed(f"PKCS#11 token '{access.token}'", reason) from cause


def _gcm(nonce: bytes, header: bytes) -> GCMParams:
    return GCMParams(nonce, header, 128)


_VERSION: Final = 1
_HEADER_BYTES: Final = 1 + JOURNAL_ID_BYTES
_NONCE_END: Final = _HEADER_BYTES + NONCE_BYTES
_WRAPPED_BYTES: Final = _NONCE_END + DATA_KEY_BYTES + 16
_PRIVATE: Final = {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True}
