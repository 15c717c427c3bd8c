"""Who can keep a journal's data key: one small interface, and the confidential environment as the first of its kind."""

from collections.abc import Callable
from typing import Final, Protocol

from attestation.errors import NoSealingKey
from attestation.issue import Issuer
from coordinator.journal.errors import KeyUnusable
from coordinator.journal.key import NONCE_BYTES, DataKey, JournalId, parse_wrapped, unwrap, wrap


class KeySource(Protocol):
    """A place whose keys come back after a restart."""

    @property
    def name(self) -> str:
        """What the storage calls the key that this source wrapped."""

    def wrap(self, data_key: DataKey, mode: str, journal_id: JournalId) -> bytes:
        """Bytes that only this source opens.  mode: ProductKey or UniqueKey.  Raises NoSealingKey."""

    def unwrap(self, wrapped: bytes, journal_id: JournalId) -> DataKey:
        """What was wrapped.  The bytes come from the host.  Raises KeyUnusable."""


class Environment:
    """The confidential environment that we run in: its sealing key wraps."""

    name: Final = "cce"

    def __init__(self, issuer: Issuer, entropy: Callable[[int], bytes]) -> None:
        self._issuer, self._entropy = issuer, entropy

    def wrap(self, data_key: DataKey, mode: str, journal_id: JournalId) -> bytes:
        """As `KeySource.wrap`."""
        return wrap(data_key, self._issuer.sealing_key(mode), mode, journal_id, self._entropy(NONCE_BYTES))

    def unwrap(self, wrapped: bytes, journal_id: JournalId) -> DataKey:
        """As `KeySource.unwrap`."""
        return unwrap(wrapped, self._sealing_key(parse_wrapped(wrapped).mode), journal_id)

    def _sealing_key(self, mode: str) -> bytes:
        """For a mode that the storage names, which nothing proves yet.  Raises KeyUnusable if it is none of ours."""
        try:
            return self._issuer.sealing_key(mode)
        except ValueError as cause:
            raise KeyUnusable("seal mode", "one that this machine knows", repr(mode)) from cause
        except NoSealingKey as cause:
            raise KeyUnusable("sealing key", "one of this machine", str(cause)) from cause
