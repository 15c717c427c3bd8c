"""A journal in Kubernetes objects of one namespace, for a Coordinator that no disk belongs to.

Every write is one conditional update of the head object (its resourceVersion is the compare of a compare-and-swap),
after the chunks that it names, if any.  Whoever opens the storage first *claims* the head by writing to it, so an
earlier owner's next write is refused: two coordinators never fork a state, whatever a lease said.
A write whose answer was lost is looked up by its random commit mark before it is tried again.

etcd acknowledges after a majority has it on disk, so a write is durable when it returns (etcd documentation, "API
guarantees").
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http.client import CONFLICT, NOT_FOUND
from typing import Final, TypeVar

import msgspec

from coordinator.cluster.api import Api, Json
from coordinator.cluster.errors import ApiRefused, ApiUnreachable, ClusterError
from coordinator.journal.errors import Conflict, Exchanged, StorageFailed, StorageInUse
from coordinator.journal.head_object import (
    GENERATION_LABEL,
    JOURNAL_LABEL,
    TAIL_BYTES,
    Chunk,
    Content,
    HeadObject,
    chunk_object,
    cut,
    frame,
    head_object,
    read_chunk,
    read_head,
    unframe,
)
from coordinator.journal.storage import EMPTY_HEAD, Stored

T = TypeVar("T")
Entropy = Callable[[int], bytes]

PATIENCE: Final = 20.0
"""Seconds for which an API server may be away before a write fails, and with it the Coordinator."""
_PAUSES: Final = (0.05, 0.2, 0.5, 1.0)
_COMMIT_BYTES: Final = 16
_GENERATION_BYTES: Final = 5


def read_meta(api: Api, name: str) -> Mapping[str, bytes]:
    """Named values of the storage `name`, without claiming it; empty where there is none.

    Raises ClusterError, StorageFailed.
    """
    found = api.get(f"/api/v1/namespaces/{api.namespace}/secrets/{name}")
    return {} if found is None else dict(read_head(f"Secret {api.namespace}/{name}", found).content.meta)


class KubernetesStorage:
    """The storage named `name`, claimed for as long as nobody else claims it.

    Raises StorageFailed if it cannot be read or written or is no journal of this format.
    """

    def __init__(self, api: Api, name: str, entropy: Entropy, patience: float = PATIENCE) -> None:
        self._api, self._name, self._entropy, self._patience = api, name, entropy, patience
        self._secrets = _collection(api)
        self._place = _place(api, name)
        self._closed = threading.Event()
        self._head: HeadObject | None = self._find()
        if self._head is not None:
            content = self._head.content
            self._commit(content, "claim", epoch=content.epoch + 1)
            self._sweep()

    def read_meta(self) -> Mapping[str, bytes]:
        """As `Storage.read_meta`."""
        return dict(self._head.content.meta) if self._head else {}

    def read(self) -> Stored:
        """As `Storage.read`."""
        if self._head is None:
            return Stored({}, [])
        content = self._head.content
        stream = b"".join(self._read_chunk(chunk) for chunk in content.chunks) + content.tail
        return Stored(dict(content.meta), unframe(self._place, stream))

    def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
        """As `Storage.create`."""
        self._demand_head(EMPTY_HEAD)
        generation = self._entropy(_GENERATION_BYTES).hex()
        empty = Content(0, b"", generation, EMPTY_HEAD, dict(meta), (), b"")
        chunks, tail = self._store(generation, (), frame(records))
        self._commit(empty, "write", head=len(records) - 1, chunks=chunks, tail=tail)

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        """As `Storage.append`."""
        content = self._demand_head(expected_head)
        chunks, tail = self._store(content.generation, content.chunks, content.tail + frame(records))
        self._commit(content, "write", head=expected_head + len(records), chunks=chunks, tail=tail)

    def replace(self, records: Sequence[bytes], *, expected_head: int, meta: Mapping[str, bytes] | None = None) -> None:
        """As `Storage.replace`."""
        content = self._demand_head(expected_head)
        chunks, tail = self._store(content.generation, (), frame(records))
        head, named = expected_head + len(records), content.meta if meta is None else meta
        self._commit(content, "write", head=head, chunks=chunks, tail=tail, meta=named)
        self._sweep()

    def put_meta(self, meta: Mapping[str, bytes]) -> None:
        """As `Storage.put_meta`."""
        content = self._demand_head(self._number())
        self._commit(content, "write", meta={**content.meta, **meta})

    def move_aside(self) -> None:
        """Keep the head as `<name>-old` (`-old-2`, … where that exists: nothing is ever overwritten).

        A crash in between leaves the journal and a copy of its head beside it, or no journal and the copy.
        """
        if self._head is None:
            return
        self._keep_aside(self._head.content)
        self._try("move the old journal aside", lambda: self._api.delete(self._path(self._name)))
        self._head = None

    def bring(self, stored: Stored, first: int) -> None:
        """Put a journal from elsewhere, whose first record has this number, in the place of what is here, in one step.

        What is here is kept aside as `move_aside` does.  A crash in between leaves what was here.
        """
        if self._head is not None:
            self._keep_aside(self._head.content)
        generation = self._entropy(_GENERATION_BYTES).hex()
        chunks, tail = self._store(generation, (), frame(stored.records))
        self._commit(
            self._head.content if self._head else _NOTHING,
            "bring a journal back",
            generation=generation,
            head=first + len(stored.records) - 1,
            meta=dict(stored.meta),
            chunks=chunks,
            tail=tail,
        )

    def close(self) -> None:
        """As `Storage.close`.  The claim stays until somebody else claims."""
        self._closed.set()
        self._api.close()

    def _keep_aside(self, content: Content) -> None:
        for number in itertools.count(1):
            aside = f"{self._name}-old" if number == 1 else f"{self._name}-old-{number}"
            try:
                self._try("move the old journal aside", partial(self._create, aside, content))
                return
            except _Taken:
                continue

    def _find(self) -> HeadObject | None:
        found = self._try("open", lambda: self._api.get(self._path(self._name)))
        return None if found is None else read_head(self._place, found)

    def _number(self) -> int:
        return self._head.content.head if self._head else EMPTY_HEAD

    def _demand_head(self, expected: int) -> Content:
        if expected != self._number():
            raise Conflict(self._place, expected, self._number())
        return self._head.content if self._head else _NOTHING

    def _store(self, generation: str, chunks: tuple[Chunk, ...], unsaved: bytes) -> tuple[tuple[Chunk, ...], bytes]:
        """Make room in the tail: put what is too long for it into new chunks, which no head names yet."""
        if len(unsaved) <= TAIL_BYTES:
            return chunks, unsaved
        made = cut(self._name, unsaved, self._suffixes(generation))
        for chunk, piece in made:
            self._try("write", partial(self._create_chunk, generation, chunk, piece))
        return (*chunks, *(chunk for chunk, _ in made)), b""

    def _suffixes(self, generation: str) -> Iterator[str]:
        while True:
            yield f"{generation}-{self._entropy(8).hex()}"

    def _create_chunk(self, generation: str, chunk: Chunk, piece: bytes) -> None:
        try:
            self._api.create(self._secrets, chunk_object(self._name, generation, chunk, piece))
        except ApiRefused as refused:
            if refused.status != CONFLICT:  # its random name is taken: by our own try whose answer was lost
                raise

    def _commit(self, before: Content, action: str, **changes: object) -> None:
        """Write a head in one step, and know that it is ours.  Raises Conflict, StorageInUse, StorageFailed."""
        wanted = msgspec.structs.replace(before, commit=self._entropy(_COMMIT_BYTES), **changes)
        self._head = self._try(action, lambda: self._write(wanted))

    def _write(self, wanted: Content) -> HeadObject:
        version = self._head.version if self._head else ""
        body = head_object(self._name, wanted, version)
        try:
            if version:
                answer = self._api.replace(self._path(self._name), body)
            else:
                answer = self._api.create(self._secrets, body)
        except ApiRefused as refused:
            if refused.status not in (CONFLICT, NOT_FOUND):
                raise
            return self._explain_conflict(wanted)
        return HeadObject(read_head(self._place, answer).version, wanted)

    def _explain_conflict(self, wanted: Content) -> HeadObject:
        """The head is not what we left: by our own write whose answer was lost, or by somebody else's."""
        found = self._api.get(self._path(self._name))
        now = None if found is None else read_head(self._place, found)
        if now is not None and now.content.commit == wanted.commit:
            return now
        if self._head is None:
            raise Conflict(self._place, EMPTY_HEAD, EMPTY_HEAD if now is None else now.content.head)
        left = self._head.content
        if now is None:
            raise Exchanged(self._place, _in_words(left), "no journal")
        if now.content == left:  # its labels were changed, say: the next try is for the version that is there now
            self._head = now
            raise ApiUnreachable(f"PUT {self._place}", "the object was touched, and says what it said")
        if now.content.epoch > left.epoch:
            text = f"another coordinator has claimed it (claim {now.content.epoch}, ours was {wanted.epoch})"
            raise StorageInUse(self._place, "write", text)
        raise Exchanged(self._place, _in_words(left), _in_words(now.content))

    def _read_chunk(self, chunk: Chunk) -> bytes:
        found = self._try("read", lambda: self._api.get(self._path(chunk.name)))
        return read_chunk(self._place, chunk, found)

    def _create(self, name: str, content: Content) -> Json:
        try:
            return self._api.create(self._secrets, head_object(name, content, ""))
        except ApiRefused as refused:
            if refused.status != CONFLICT:
                raise
            found = self._api.get(self._path(name))
            if found is not None and read_head(name, found).content == content:
                return found  # our own try whose answer was lost
            raise _Taken from refused

    def _sweep(self) -> None:
        """Remove the chunks of this journal that its head does not name: of an unfinished write, or before a snapshot.

        Only the claimant does so, so nobody else is about to name them.  What cannot be removed now is removed later.
        """
        assert self._head is not None, "there is a head after a claim or a snapshot"
        content = self._head.content
        named = {chunk.name for chunk in content.chunks} | {self._name}
        selector = f"{JOURNAL_LABEL}={self._name},{GENERATION_LABEL}={content.generation}"
        try:
            for name in self._api.names(self._secrets, selector):
                if name not in named and name.startswith(f"{self._name}-{content.generation}-"):
                    self._api.delete(self._path(name))
        except ClusterError:
            self._api.close()

    def _path(self, name: str) -> str:
        return f"{self._secrets}/{name}"

    def _try(self, action: str, work: Callable[[], T]) -> T:
        """Do it, again and again while the API server is away, for as long as our patience lasts."""
        deadline = time.monotonic() + self._patience
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            try:
                return work()
            except ClusterError as failure:
                passing = isinstance(failure, ApiUnreachable) or (isinstance(failure, ApiRefused) and failure.passing)
                if not passing or time.monotonic() + pause > deadline or self._closed.wait(pause):
                    raise StorageFailed(self._place, action, str(failure)) from failure
        raise AssertionError("the pauses never end")


def read_unclaimed(api: Api, name: str) -> Stored:
    """All that the storage named `name` holds at one moment, whoever writes to it meanwhile; nothing is claimed.

    Raises StorageFailed if it cannot be read or is no journal of this format.
    """
    head = _look_up(api, name)
    while head is not None:
        try:
            content = head.content
            pieces = (read_chunk(_place(api, name), chunk, _get(api, name, chunk.name)) for chunk in content.chunks)
            stream = b"".join(pieces) + content.tail
            return Stored(dict(content.meta), unframe(_place(api, name), stream))
        except StorageFailed:
            before, head = head, _look_up(api, name)
            if head is not None and head.version == before.version:
                raise
    return Stored({}, [])


def _look_up(api: Api, name: str) -> HeadObject | None:
    found = _get(api, name, name)
    return None if found is None else read_head(_place(api, name), found)


def _get(api: Api, name: str, secret: str) -> Json | None:
    try:
        return api.get(f"{_collection(api)}/{secret}")
    except ClusterError as failure:
        raise StorageFailed(_place(api, name), "read", str(failure)) from failure


def _in_words(content: Content) -> str:
    return f"record {content.head} of claim {content.epoch}"


def _collection(api: Api) -> str:
    return f"/api/v1/namespaces/{api.namespace}/secrets"


def _place(api: Api, name: str) -> str:
    return f"Secret {api.namespace}/{name}"


class _Taken(Exception):
    """Another object has this name."""


_NOTHING: Final = Content(0, b"", "", EMPTY_HEAD, {}, (), b"")
