"""What stands in clear beside a journal's records: which journal it is, who can open it, and notes.

    journal-id      16 bytes
    key-check       what tells its data key from others
    key/SOURCE      the data key as that key source wrapped it
    note/NAME       whatever else is kept; `archive` among them is the archive's key, where that is another one

The host can change all of it: nothing here is proven before `Journal.open`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.journal.errors import BrokenLink
from coordinator.journal.handover import Held
from coordinator.journal.key import JOURNAL_ID_BYTES, DataKey, JournalId, unwrap, wrap
from coordinator.journal.storage import Storage


@dataclass(frozen=True, slots=True)
class Keyring:
    """What a storage says of its journal before any key is there.

    wrapped_keys: name of the key source ("cce", …) to the data key as that source wrapped it.
    notes: whatever else was kept in clear, by name.  check: what tells its data key from others.
    """

    journal_id: JournalId
    wrapped_keys: Mapping[str, bytes]
    notes: Mapping[str, bytes]
    check: bytes

    def is_opened_by(self, held: Held) -> bool:
        """Whether this is the key, as far as the storage says."""
        return held.journal_id == self.journal_id and held.data_key.check_value(self.journal_id) == self.check

    def archive_key(self, data_key: DataKey) -> DataKey:
        """The key of the archive: the data key, unless that was changed since.  Raises KeyUnusable."""
        wrapped = self.notes.get(_ARCHIVE)
        return data_key if wrapped is None else unwrap(wrapped, data_key.secret, self.journal_id)


class NoJournal:
    """The storage is empty."""


def read_keyring(storage: Storage) -> Keyring | NoJournal:
    """Which keys may open the journal in `storage`.  Raises StorageFailed, and BrokenLink if it names no journal id."""
    meta = storage.read_meta()
    return keyring_of(meta) if meta else NoJournal()


def keyring_of(meta: Mapping[str, bytes]) -> Keyring:
    """The same of named values that were read already.  Raises BrokenLink if they name no journal id."""
    journal_id = meta.get(_ID, b"")
    if len(journal_id) != JOURNAL_ID_BYTES:
        raise BrokenLink(0, "journal id", f"{JOURNAL_ID_BYTES} bytes", f"{len(journal_id)} bytes")
    keys, notes = _without_prefix(_KEY_PREFIX, meta), _without_prefix(_NOTE_PREFIX, meta)
    return Keyring(JournalId(journal_id), keys, notes, meta.get(_CHECK, b""))


def named_values(
    journal_id: JournalId, data_key: DataKey, wrapped_keys: Mapping[str, bytes], notes: Mapping[str, bytes]
) -> dict[str, bytes]:
    """All that stands beside a journal: what `keyring_of` reads."""
    named = {_ID: journal_id, _CHECK: data_key.check_value(journal_id)}
    return named | named_keys(wrapped_keys) | {note_name(name): value for name, value in notes.items()}


def named_keys(wrapped_keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """Wrapped copies of the data key as a storage names them."""
    return {_KEY_PREFIX + name: value for name, value in wrapped_keys.items()}


def note_name(name: str) -> str:
    """What a storage calls a note."""
    return _NOTE_PREFIX + name


def archive_note(archive: DataKey, data_key: DataKey, journal_id: JournalId, nonce: bytes) -> dict[str, bytes]:
    """The note that keeps the archive's key under another data key.  nonce: 12 random bytes."""
    return {_ARCHIVE: wrap(archive, data_key.secret, _ARCHIVE, journal_id, nonce)}


def _without_prefix(prefix: str, meta: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix(prefix): value for name, value in meta.items() if name.startswith(prefix)}


_ID: Final = "journal-id"
_CHECK: Final = "key-check"
_ARCHIVE: Final = "archive"
_KEY_PREFIX: Final = "key/"
_NOTE_PREFIX: Final = "note/"
