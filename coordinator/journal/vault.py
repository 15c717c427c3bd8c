"""Open the journal of this Coordinator with this machine's sealing key, or found a new one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from attestation.errors import NoSealingKey
from attestation.issue import Issuer
from coordinator.journal.archive import NO_ARCHIVES, Archives
from coordinator.journal.errors import JournalError, KeyUnusable
from coordinator.journal.journal import Journal, NoJournal, read_keyring
from coordinator.journal.key import DATA_KEY_BYTES, JOURNAL_ID_BYTES, DataKey, JournalId, parse_wrapped, unwrap, wrap
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.record import Entropy
from coordinator.journal.storage import Storage

KEY_SOURCE: Final = "cce"
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal and every body in it, in order."""

    journal: Journal
    bodies: list[bytes]


@dataclass(frozen=True, slots=True)
class Locked:
    """There is a journal, and this machine's key does not open it: the Coordinator waits for recovery."""

    reason: JournalError


class Vault:
    """The place of the state: one storage, the vault's own from now on, sealed by the environment that we run in."""

    def __init__(self, storage: Storage, issuer: Issuer, entropy: Entropy, archives: Archives = NO_ARCHIVES) -> None:
        """archives: where admitted Evidence is kept beside the state."""
        self._storage, self._issuer, self._entropy, self._archives = storage, issuer, entropy, archives

    def open(self) -> Opened | Locked | NoJournal:
        """What is there.  Raises JournalError for a journal that is damaged, or a folder that cannot be used."""
        keyring = read_keyring(self._storage)
        if isinstance(keyring, NoJournal):
            return keyring
        try:
            wrapped = keyring.wrapped_keys.get(KEY_SOURCE)
            if wrapped is None:
                raise KeyUnusable("key source", KEY_SOURCE, ", ".join(keyring.wrapped_keys) or "none")
            data_key = unwrap(wrapped, self._sealing_key(parse_wrapped(wrapped).mode), keyring.journal_id)
        except KeyUnusable as reason:
            return Locked(reason)
        journal, bodies = Journal.open(self._storage, data_key, archives=self._archives, entropy=self._entropy)
        return Opened(journal, bodies)

    def _sealing_key(self, mode: str) -> bytes:
        """For a mode that the storage names, which nothing proves yet.  Raises KeyUnusable if it is none of ours."""
        try:
            return self._issuer.sealing_key(mode)
        except ValueError as cause:
            raise KeyUnusable("seal mode", "one that this machine knows", repr(mode)) from cause
        except NoSealingKey as cause:
            raise KeyUnusable("sealing key", "one of this machine", str(cause)) from cause

    def check(self, mode: str) -> None:
        """Whether a state of this seal mode could be kept here.  Raises NoSealingKey, which says what to do instead."""
        if mode != "Disabled":
            self._issuer.sealing_key(mode)

    def found(self, bodies: Sequence[bytes], mode: str) -> Journal:
        """A new journal that begins with `bodies`.  mode: the manifest's seal mode; Disabled keeps it in memory only.

        A journal that could not be opened is kept aside, never overwritten.  Raises JournalError, and NoSealingKey
        for a mode that `check` refuses.
        """
        journal_id = JournalId(self._entropy(JOURNAL_ID_BYTES))
        data_key = DataKey(self._entropy(DATA_KEY_BYTES))
        if mode == "Disabled":
            return Journal.create(
                MemoryStorage(),
                data_key,
                bodies,
                journal_id=journal_id,
                wrapped_keys={},
                notes={},
                entropy=self._entropy,
            )
        wrapped = wrap(data_key, self._issuer.sealing_key(mode), mode, journal_id, self._entropy(_NONCE_BYTES))
        if not isinstance(read_keyring(self._storage), NoJournal):
            self._storage.move_aside()
        return Journal.create(
            self._storage,
            data_key,
            bodies,
            journal_id=journal_id,
            wrapped_keys={KEY_SOURCE: wrapped},
            notes={},
            archives=self._archives,
            entropy=self._entropy,
        )

    def close(self) -> None:
        """Let go of the storage."""
        self._storage.close()
