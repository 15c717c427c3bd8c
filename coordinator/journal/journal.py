"""The journal: events get in, in order and durably, and come out again as they went in.

One committer thread writes.  While it does, appends wait in order; the next write takes all of them at once
(group commit), so one durable write serves everybody who came during the last one.  An append has its place when
`append` returns, and is durable when the future that it returned is done.

What is to be kept beside the records, for a later look, is durable before they are; a witness is told of them after
that, and before anybody is (witness.py).  If a write fails the journal is broken for good: memory may be ahead of it,
so the process must stop serving.
"""

import asyncio
import dataclasses
import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from coordinator.journal import record
from coordinator.journal.archive import NO_ARCHIVES, Archive, Archives, Kept
from coordinator.journal.chain import follow, head_before
from coordinator.journal.errors import JournalError, StorageFailed, WrongKey
from coordinator.journal.handover import Held
from coordinator.journal.key import NONCE_BYTES, DataKey, JournalId
from coordinator.journal.keyring import archive_note, keyring_of, named_keys, named_values
from coordinator.journal.record import Entropy, Flags, Position
from coordinator.journal.storage import Storage
from coordinator.journal.witness import NO_WITNESS, Head, Memory, Witness, doubt


class Journal:
    """An open journal.  `create` or `open` make one; both block, and need no event loop.

    The storage is the journal's own until `close`; `append`, `replace`, `close` and `failure` belong to one event
    loop.
    """

    def __init__(
        self,
        storage: Storage,
        keys: "_Keys",
        archive: Archive,
        memory: Memory,
        entropy: Entropy,
        position: Position,
        length: int,
    ) -> None:
        self._storage = storage
        self._keys = keys
        self._archive = archive
        self._memory = memory
        self._doubt = ""
        self._entropy = entropy
        self._position = position
        self._length = length
        self._links: deque[bytes] = deque(maxlen=_LINKS_KNOWN)
        self._waiting: list[_Unit] = []
        self._broken: JournalError | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopped = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    @classmethod
    def create(
        cls,
        storage: Storage,
        data_key: DataKey,
        bodies: Sequence[bytes],
        *,
        journal_id: JournalId,
        wrapped_keys: Mapping[str, bytes],
        notes: Mapping[str, bytes],
        archives: Archives = NO_ARCHIVES,
        witness: Witness = NO_WITNESS,
        entropy: Entropy = os.urandom,  # noqa: TID251 - shell: draws the records' nonces
    ) -> "Journal":
        """A new journal that begins with `bodies` (at least one), written with its keys in one transaction.

        The witness is told first: a crash in between leaves no journal that it does not know.

        Raises Conflict if the storage holds a journal, StorageFailed, WitnessFailed.
        """
        if not bodies:
            raise ValueError("a journal begins with at least one record")
        start = record.genesis(journal_id)
        records, links, position = _seal(data_key, start, Flags.NONE, bodies, entropy)
        memory = witness.of(journal_id, data_key)
        memory.begin(head_before(position))
        storage.create(named_values(journal_id, data_key, wrapped_keys, notes), records)
        keys = _Keys(journal_id, data_key, data_key)
        journal = cls(storage, keys, archives.open(journal_id, data_key), memory, entropy, position, len(records))
        journal._links.extend(links)
        return journal

    @classmethod
    def open(
        cls,
        storage: Storage,
        data_key: DataKey,
        *,
        archives: Archives = NO_ARCHIVES,
        witness: Witness = NO_WITNESS,
        entropy: Entropy = os.urandom,  # noqa: TID251 - shell: draws the records' nonces
    ) -> "tuple[Journal, list[bytes]]":
        """The journal in `storage`, and every body in order, each proven to stand where it was written.

        Raises WrongKey, BrokenLink with the first record that is not what its place demands, StorageFailed,
        WitnessFailed.  An older state of the whole storage is proven too: `doubt` says what the witness says of it.
        """
        stored = storage.read()
        keyring = keyring_of(stored.meta)
        journal_id, check = keyring.journal_id, data_key.check_value(keyring.journal_id)
        if check != keyring.check:
            raise WrongKey(keyring.check.hex() or "none", check.hex())
        bodies: list[bytes] = []

        def keep_body(position: Position, sealed: bytes) -> Flags:
            opened = record.open_record(data_key, position, sealed)
            bodies.append(opened.body)
            return opened.flags

        places = list(follow(journal_id, stored.records, keep_body))
        keys = _Keys(journal_id, data_key, keyring.archive_key(data_key))
        archive = archives.open(journal_id, keys.archive)
        memory = witness.of(journal_id, keys.archive)
        journal = cls(storage, keys, archive, memory, entropy, places[-1], len(bodies))
        journal._links.extend(place.previous for place in places)
        journal._look_back()
        return journal, bodies

    def link_at(self, sequence: int) -> bytes:
        """The link of this durable record, 32 bytes; empty where it is too far back to be known, or is not there."""
        back = self.head.sequence - sequence
        return self._links[-1 - back] if 0 <= back < len(self._links) else b""

    @property
    def length(self) -> int:
        """How many records the storage holds (durable ones): what the next start must replay."""
        return self._length

    @property
    def head(self) -> Head:
        """The last durable record; kept elsewhere, it shows a rollback later."""
        return head_before(self._position)

    @property
    def doubt(self) -> str:
        """Why this may be an older state than the newest, as its witness has it; empty where it has no objection.

        Whoever appends all the same says that this state is to be the one that counts: the witness begins anew.
        """
        return self._doubt

    @property
    def broken(self) -> JournalError | None:
        """Why nothing can be appended any more; None while all is well."""
        return self._broken

    def append(self, bodies: Sequence[bytes], keep: Sequence[Kept] = ()) -> asyncio.Future[None]:
        """Take the next place, now; the future is done when these bodies and all before them are durable.

        keep: for the archive beside the journal; it is there before the records are.

        The bodies stay together: after a crash there are all of them or none.  Cancelling the future cancels the
        wait, not the write.  Raises the journal's failure at once if it is broken; the future raises it if it
        breaks before these bodies are durable.
        """
        return self._enqueue(bodies, keep, None)

    def replace(self, bodies: Sequence[bytes]) -> asyncio.Future[None]:
        """A snapshot: put `bodies` (at least one) in the place of everything appended until now.

        Ordered among appends, and as durable, whole and cancellable as `append`.
        """
        if not bodies:
            raise ValueError("a snapshot holds at least one record")
        return self._enqueue(bodies, (), _Snapshot())

    def rekey(
        self,
        bodies: Sequence[bytes],
        data_key: DataKey,
        wrapped_keys: Mapping[str, bytes],
        notes: Mapping[str, bytes],
    ) -> asyncio.Future[None]:
        """A snapshot under another data key: from now on only these wrapped keys open the journal.

        As whole and ordered as `replace`.  The archive keeps its key, which only the new data key opens.
        """
        if not bodies:
            raise ValueError("a snapshot holds at least one record")
        keys = self._keys
        archive = archive_note(keys.archive, data_key, keys.journal_id, self._entropy(NONCE_BYTES))
        meta = named_values(keys.journal_id, data_key, wrapped_keys, {**notes, **archive})
        return self._enqueue(bodies, (), _Snapshot(data_key, meta))

    @property
    def journal_id(self) -> JournalId:
        """Which journal this is."""
        return self._keys.journal_id

    @property
    def held(self) -> Held:
        """The key under which the newest records are sealed."""
        return Held(self._keys.journal_id, self._keys.data)

    def newest_kept(self, count: int) -> Sequence[Kept]:
        """The newest entries of the archive, at most so many, oldest first.  From any thread.  Raises JournalError."""
        return self._archive.newest(count)

    def keep_key(self, name: str, wrapped: bytes) -> asyncio.Future[None]:
        """Keep one more wrapped copy of the data key; the future is done when it is durable.

        Raises the journal's failure if it is broken; the future raises JournalError if the copy was not kept.
        """
        if self._broken is not None:
            raise self._broken.with_traceback(None)
        meta = named_keys({name: wrapped})
        return asyncio.get_running_loop().run_in_executor(self._thread, self._storage.put_meta, meta)

    async def failure(self) -> JournalError:
        """Wait until nothing can be appended any more, perhaps for ever; then say why."""
        while self._broken is None:
            await self._stopped.wait()
        return self._broken

    async def close(self) -> None:
        """Wait for what is under way, then let go of the storage.  Later appends are refused."""
        await self._idle.wait()
        self._broken = self._broken or StorageFailed("this process", "append", "the journal was closed")
        self._stopped.set()
        self._thread.shutdown()
        self._archive.close()
        self._storage.close()

    def _enqueue(
        self, bodies: Sequence[bytes], keep: Sequence[Kept], snapshot: "_Snapshot | None"
    ) -> asyncio.Future[None]:
        if self._broken is not None:
            raise self._broken.with_traceback(None)
        unit = _Unit(tuple(bodies), tuple(keep), snapshot, asyncio.get_running_loop().create_future())
        self._waiting.append(unit)
        if self._idle.is_set():
            self._idle.clear()
            self._write_soon()
        return unit.durable

    def _write_soon(self) -> None:
        """Write when everybody who is ready now has appended: a commit costs ten times as much as one more record."""
        asyncio.get_running_loop().call_soon(self._write_waiting)

    def _write_waiting(self) -> None:
        """Hand everybody who waits to the committer thread.  No task: nothing here can be cancelled half-way."""
        units, self._waiting = self._waiting, []
        write = asyncio.get_running_loop().run_in_executor(self._thread, self._write, units)
        write.add_done_callback(partial(self._finish, units))

    def _write(self, units: "Sequence[_Unit]") -> "_Written":
        """In the committer thread: seal in order, and write in one transaction."""
        start = position = self._position
        group: list[bytes] = []
        links: list[bytes] = []
        replaces = False
        keys, meta = self._keys, None
        for unit in units:
            flags = Flags.NONE
            if unit.snapshot is not None:  # it contains what is in the group so far, none of which is stored yet
                group, links, position, replaces, flags = [], [], start, True, Flags.SNAPSHOT
                if unit.snapshot.data_key is not None:
                    keys, meta = dataclasses.replace(keys, data=unit.snapshot.data_key), unit.snapshot.meta
            records, after, position = _seal(keys.data, position, flags, unit.bodies, self._entropy)
            group.extend(records)
            links.extend(after)
        self._archive.keep([entry for unit in units for entry in unit.keep])
        if replaces:
            self._storage.replace(group, expected_head=start.sequence - 1, meta=meta)
            self._keys = keys
        elif group:
            self._storage.append(group, expected_head=start.sequence - 1)
        if group:
            self._tell(head_before(position))
        return _Written(position, len(group) if replaces else self._length + len(group), links)

    def _look_back(self) -> None:
        """Ask the witness, and tell it what it has missed."""
        remembered = self._memory.recall()
        self._doubt = doubt(remembered, self.head, self.link_at)
        if isinstance(remembered, Head) and remembered != self.head and not self._doubt:
            self._memory.remember(self.head)

    def _tell(self, head: Head) -> None:
        """In the committer thread: what is durable now."""
        if self._doubt:
            self._memory.begin(head)
            self._doubt = ""
        else:
            self._memory.remember(head)

    def _finish(self, units: "Sequence[_Unit]", write: "asyncio.Future[_Written]") -> None:
        """In the event loop again: tell those who wait, and write for those who came meanwhile."""
        failure = write.exception()
        if failure is None:
            self._position, self._length = write.result().position, write.result().length
            self._links.extend(write.result().links)
            for unit in units:
                if not unit.durable.done():
                    unit.durable.set_result(None)
        else:
            self._break(failure, units)
        if self._waiting:
            self._write_soon()
        else:
            self._idle.set()

    def _break(self, failure: BaseException, units: "Sequence[_Unit]") -> None:
        self._broken = _as_journal_error(failure)
        refused, self._waiting = [*units, *self._waiting], []
        for unit in refused:
            if not unit.durable.done():
                unit.durable.set_exception(self._broken)
                unit.durable.exception()  # seen: who does not wait learns it from `failure`
        self._stopped.set()


@dataclass(frozen=True, slots=True)
class _Keys:
    """data: of the records.  archive: of the archive, which stays when `data` changes."""

    journal_id: JournalId
    data: DataKey
    archive: DataKey


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Takes the place of everything before it; with another data key, if one is given, and its named values."""

    data_key: DataKey | None = None
    meta: Mapping[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    """One `append` or `replace` on its way.  durable: done when it is; cancelled when nobody waits any more."""

    bodies: tuple[bytes, ...]
    keep: tuple[Kept, ...]
    snapshot: "_Snapshot | None"
    durable: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Written:
    """After a write.  position: of the next record.  length: number of records stored.  links: of those written."""

    position: Position
    length: int
    links: Sequence[bytes]


def _seal(
    data_key: DataKey, position: Position, flags: Flags, bodies: Sequence[bytes], entropy: Entropy
) -> tuple[list[bytes], list[bytes], Position]:
    """The records of one append, their links, and the position behind them.  flags: of the first one."""
    records, links = [], []
    for left, body in zip(range(len(bodies) - 1, -1, -1), bodies, strict=True):
        here = flags | Flags.CONTINUES if left else flags
        records.append(record.seal_record(data_key, position, here, body, entropy(NONCE_BYTES)))
        position = position.after(records[-1])
        links.append(position.previous)
        flags = Flags.NONE
    return records, links, position


def _as_journal_error(failure: BaseException) -> JournalError:
    """Whatever stopped the committer, as what it means here: nothing more can be written."""
    if isinstance(failure, JournalError):
        return failure
    error = StorageFailed("this process", "write", f"{type(failure).__name__} in the committer")
    error.__cause__ = failure
    return error


_LINKS_KNOWN: Final = 4_096
