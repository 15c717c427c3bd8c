"""Open the journal of this Coordinator with a key source of this machine, or with its owners; or found a new one."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.journal.archive import NO_ARCHIVES, Archives
from coordinator.journal.chain import unproven_head
from coordinator.journal.errors import (
    JournalError,
    KeySourceFailed,
    KeyUnusable,
    StorageFailed,
    WriteUncertain,
    WrongKey,
)
from coordinator.journal.handover import Held
from coordinator.journal.journal import Journal
from coordinator.journal.key import DATA_KEY_BYTES, JOURNAL_ID_BYTES, NONCE_BYTES, DataKey, JournalId, unwrap, wrap
from coordinator.journal.keyring import NoJournal, named_keys, read_keyring
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.record import Entropy
from coordinator.journal.restoration import RESTORED, Restoration, decode_restoration
from coordinator.journal.source import KeySource
from coordinator.journal.sources import Sources
from coordinator.journal.storage import Storage
from coordinator.journal.witness import NO_WITNESS, Head, Witness
from coordinator.manifest.model import KeySource as KeptBy
from coordinator.recovery.plan import encode_plan
from coordinator.recovery.prepare import Prepared

RECOVERY: Final = "recovery"


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal and every body in it, in order.

    held: the key that opened it.  keeper: the key source that had kept it; None where owners opened the state, or
    another replica gave the key.  handed: True for the latter: seal it here too.
    """

    journal: Journal
    bodies: list[bytes]
    held: Held
    keeper: KeptBy | None = None
    handed: bool = False


@dataclass(frozen=True, slots=True)
class NewKeys:
    """A data key, with who can open it (wrapped) and what stands in clear beside that (notes), by name."""

    data_key: DataKey = field(repr=False)
    wrapped: Mapping[str, bytes]
    notes: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Locked:
    """There is a journal, and no key source of this machine opens it: the Coordinator waits for recovery.

    head: the end of the journal as it stands there.  plan: of its owners, as it stands beside it; empty for none.
    Nothing of both is proven.
    """

    reason: JournalError
    journal_id: JournalId
    head: Head
    plan: bytes


class Vault:
    """The place of the state: one storage, the vault's own from now on.

    sources: those that are configured; the manifest says which of them keep a state, and each alone opens it again.
    archives: where admitted Evidence is kept beside the state.
    handed: the key that another replica gave.  machine: its name where several share the storage.
    witness: remembers the last record outside the storage.
    """

    def __init__(
        self,
        storage: Storage,
        sources: Sequence[KeySource],
        entropy: Entropy,
        archives: Archives = NO_ARCHIVES,
        handed: Held | None = None,
        machine: str = "",
        witness: Witness = NO_WITNESS,
    ) -> None:
        self._storage, self._sources = storage, Sources(tuple(sources), machine)
        self._entropy, self._archives = entropy, archives
        self._handed, self._witness = handed, witness

    def open(self) -> Opened | Locked | NoJournal:
        """What is there.  Raises JournalError for a journal that is damaged, or a folder that cannot be used."""
        keyring = read_keyring(self._storage)
        if isinstance(keyring, NoJournal):
            return keyring
        try:
            unwrapped = self._sources.unwrap(keyring.wrapped_keys, keyring.journal_id)
        except (KeyUnusable, KeySourceFailed) as reason:
            with contextlib.suppress(WrongKey):  # the state has got another key since that one was handed over
                if self._handed is not None and self._handed.journal_id == keyring.journal_id:
                    return self._open(self._handed, handed=True)
            return Locked(reason, keyring.journal_id, unproven_head(self._storage), keyring.notes.get(RECOVERY, b""))
        return self._open(unwrapped.held, keeper=unwrapped.keeper)

    def recover(self, secret: bytes) -> Opened:
        """Open a locked journal with its owners' secret.  Raises JournalError."""
        keyring = read_keyring(self._storage)
        if isinstance(keyring, NoJournal) or RECOVERY not in keyring.wrapped_keys:
            raise KeyUnusable("key source", RECOVERY, "none")
        data_key = unwrap(keyring.wrapped_keys[RECOVERY], secret, keyring.journal_id)
        return self._open(Held(keyring.journal_id, data_key))

    def seal(self, opened: Opened, mode: str, sources: Sequence[str]) -> None:
        """Wrap the data key of an open journal anew, durably, by these sources of this machine.

        Raises NoSealingKey, KeySourceFailed, StorageFailed.
        """
        wrapped = self._sources.wrap(opened.held, mode, sources)
        self._storage.put_meta(named_keys(wrapped))

    def new_keys(self, journal_id: JournalId, mode: str, sources: Sequence[str], recovery: Prepared | None) -> NewKeys:
        """A data key that nobody had before, wrapped for this machine's sources and for the owners.

        mode, sources: of the manifest; not Disabled.  Raises what `check` raises.
        """
        data_key = DataKey(self._entropy(DATA_KEY_BYTES))
        wrapped, notes = self._sources.wrap(Held(journal_id, data_key), mode, sources), dict[str, bytes]()
        if recovery is not None:
            nonce = self._entropy(NONCE_BYTES)
            wrapped[RECOVERY] = wrap(data_key, recovery.secret, RECOVERY, journal_id, nonce)
            notes[RECOVERY] = encode_plan(recovery.plan)
        return NewKeys(data_key, wrapped, notes)

    def check(self, mode: str, sources: Sequence[str]) -> None:
        """Whether these sources could keep a state of this seal mode here.

        Raises NoSealingKey, which says what to do instead, and KeySourceFailed.
        """
        if mode != "Disabled":
            nothing = Held(JournalId(bytes(JOURNAL_ID_BYTES)), DataKey(bytes(DATA_KEY_BYTES)))
            self._sources.wrap(nothing, mode, sources)

    def found(
        self, bodies: Sequence[bytes], mode: str, sources: Sequence[str], recovery: Prepared | None = None
    ) -> Journal:
        """A new journal that begins with `bodies`.

        mode: the manifest's seal mode; Disabled keeps it in memory only.  sources: names of those that keep its key.
        A journal that could not be opened is kept aside, never overwritten.  Raises JournalError (then nothing of the
        new one is there), WriteUncertain (then it may be), and NoSealingKey for what `check` refuses.
        """
        journal_id = JournalId(self._entropy(JOURNAL_ID_BYTES))
        data_key = DataKey(self._entropy(DATA_KEY_BYTES))
        storage: Storage = MemoryStorage()
        archives: Archives = NO_ARCHIVES
        witness: Witness = NO_WITNESS
        wrapped: Mapping[str, bytes] = {}
        notes: Mapping[str, bytes] = {}
        if mode != "Disabled":
            storage, archives, witness = self._storage, self._archives, self._witness
            keys = self.new_keys(journal_id, mode, sources, recovery)
            data_key, wrapped, notes = keys.data_key, keys.wrapped, keys.notes
            if not isinstance(read_keyring(storage), NoJournal):
                storage.move_aside()
        try:
            return Journal.create(
                storage,
                data_key,
                bodies,
                journal_id=journal_id,
                wrapped_keys=wrapped,
                notes=notes,
                archives=archives,
                witness=witness,
                entropy=self._entropy,
            )
        except StorageFailed as failure:
            _take_back(storage, journal_id, failure)
            raise

    def key_names(self) -> tuple[str, ...]:
        """Under which names the data key is kept."""
        keyring = read_keyring(self._storage)
        return () if isinstance(keyring, NoJournal) else tuple(keyring.wrapped_keys)

    def restoration(self) -> Restoration | None:
        """What the note says that a restored state bears; None for a state that was not.  Raises StorageFailed."""
        raw = self._storage.read_meta().get(RESTORED)
        return None if raw is None else decode_restoration(raw)

    def close(self) -> None:
        """Let go of the storage."""
        self._storage.close()

    def _open(self, held: Held, *, keeper: KeptBy | None = None, handed: bool = False) -> Opened:
        journal, bodies = Journal.open(
            self._storage, held.data_key, archives=self._archives, witness=self._witness, entropy=self._entropy
        )
        return Opened(journal, bodies, held, keeper, handed)


def _take_back(storage: Storage, journal_id: JournalId, failure: StorageFailed) -> None:
    """A write failed, perhaps after its content was kept: make sure that a restart does not find it.

    Raises WriteUncertain if that cannot be made sure.
    """
    try:
        keyring = read_keyring(storage)
        if not isinstance(keyring, NoJournal) and keyring.journal_id == journal_id:
            storage.move_aside()
    except JournalError as cause:
        raise WriteUncertain(failure.place, failure.action, failure.reason) from cause
