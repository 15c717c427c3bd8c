"""How a journal lies in Kubernetes objects: one head, and chunks that never change.

The head (a Secret) holds the named values, the number of the last record, the list of chunks, and the newest records
themselves (the tail).  A chunk (an immutable Secret) holds a piece of the stream of older records.  Records are framed

    length u32, big endian | record

and a record may cross from one chunk into the next, so no size of a record is too large for the API server.
What is in the head counts; a chunk that it does not name is nothing.  All of it is sealed and chained by the journal:
the checks here only tell an operator sooner, and by name, which object is missing or was changed.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from coordinator.journal.errors import StorageFailed

CHUNK_BYTES: Final = 512 * 1024
"""A Secret may hold 1 MiB, which base64 makes 1.4 MiB of etcd's 1.5 MiB for a request."""
TAIL_BYTES: Final = 48 * 1024
"""Every commit writes the whole head, so the tail stays small; 48 KiB are about a hundred activations."""
FORMAT: Final = 1
STATE: Final = "journal"
CHUNK: Final = "records"
JOURNAL_LABEL: Final = "enclasp.io/journal"
GENERATION_LABEL: Final = "enclasp.io/generation"


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A piece of the stream.  name: of its object; size: bytes; digest: SHA-256."""

    name: str
    size: int
    digest: bytes


class Content(msgspec.Struct, frozen=True):
    """What a head says.

    epoch: how often a coordinator has claimed this journal; commit: 16 random bytes of the last write, by which its
    writer knows it again; generation: which chunks belong to this journal, and not to one moved aside.
    head: number of the last record; chunks, then tail: the stream.
    """

    epoch: int
    commit: bytes
    generation: str
    head: int
    meta: dict[str, bytes]
    chunks: tuple[Chunk, ...]
    tail: bytes
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class HeadObject:
    """A head as the API server has it.  version: its resourceVersion."""

    version: str
    content: Content


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Content] = msgspec.msgpack.Decoder(Content)


def head_object(name: str, content: Content, version: str) -> dict[str, Any]:
    """The Secret that says `content`.  version: of the head that it replaces; empty for a new one."""
    metadata: dict[str, Any] = {
        "name": name,
        "labels": _labels(name, content.generation),
        "annotations": {
            "enclasp.io/head": str(content.head),
            "enclasp.io/epoch": str(content.epoch),
            "enclasp.io/about": "sealed state of a coordinator; not readable outside, not to be edited",
        },
    }
    if version:
        metadata["resourceVersion"] = version
    return _secret(metadata, "enclasp.io/journal", {STATE: _encoder.encode(content)})


def chunk_object(journal: str, generation: str, chunk: Chunk, piece: bytes) -> dict[str, Any]:
    """The Secret that holds a piece of the stream."""
    metadata = {"name": chunk.name, "labels": _labels(journal, generation)}
    return {**_secret(metadata, "enclasp.io/journal-chunk", {CHUNK: piece}), "immutable": True}


def read_head(place: str, found: Mapping[str, Any]) -> HeadObject:
    """The head in an object of the API.  Raises StorageFailed if it is none of ours, or of another format."""
    try:
        content = _decoder.decode(_data(found, STATE))
        version = str(found["metadata"]["resourceVersion"])
    except (KeyError, TypeError, binascii.Error, ValueError) as cause:
        raise StorageFailed(place, "read", f"expected a journal's head, got: {cause}") from cause
    if content.format != FORMAT:
        raise StorageFailed(place, "read", f"expected a journal of format {FORMAT}, got format {content.format}")
    return HeadObject(version, content)


def read_chunk(place: str, chunk: Chunk, found: Mapping[str, Any] | None) -> bytes:
    """The piece in a chunk's object.  Raises StorageFailed if it is missing or is not the one that the head names."""
    if found is None:
        raise StorageFailed(place, "read", f"Secret {chunk.name}: expected {chunk.size} bytes of the journal, got none")
    try:
        piece = _data(found, CHUNK)
    except (KeyError, TypeError, binascii.Error, ValueError) as cause:
        raise StorageFailed(place, "read", f"Secret {chunk.name}: expected a piece of the journal: {cause}") from cause
    got = hashlib.sha256(piece).digest()
    if got != chunk.digest:
        text = f"Secret {chunk.name}: expected SHA-256 {chunk.digest.hex()}, got {got.hex()}: it was changed"
        raise StorageFailed(place, "read", text)
    return piece


def frame(records: Sequence[bytes]) -> bytes:
    """Records as a stream."""
    return b"".join(_LENGTH.pack(len(record)) + record for record in records)


def unframe(place: str, stream: bytes) -> list[bytes]:
    """The records of a whole stream.  Raises StorageFailed if it ends within one."""
    records, at = [], 0
    while at < len(stream):
        start = at + _LENGTH.size
        if start > len(stream):
            raise StorageFailed(place, "read", f"expected {_LENGTH.size} bytes of a length at the end, got fewer")
        (length,) = _LENGTH.unpack_from(stream, at)
        at = start + length
        if at > len(stream):
            raise StorageFailed(place, "read", f"expected a record of {length} bytes at the end, got fewer")
        records.append(stream[start:at])
    return records


def cut(journal: str, stream: bytes, suffixes: Iterator[str]) -> list[tuple[Chunk, bytes]]:
    """A stream in pieces for new chunks.  suffixes: random texts, which name them."""
    pieces = (stream[at : at + CHUNK_BYTES] for at in range(0, len(stream), CHUNK_BYTES))
    return [
        (Chunk(f"{journal}-{suffix}", len(piece), hashlib.sha256(piece).digest()), piece)
        for piece, suffix in zip(pieces, suffixes, strict=False)
    ]


def _labels(journal: str, generation: str) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "enclasp", JOURNAL_LABEL: journal, GENERATION_LABEL: generation}


def _secret(metadata: Mapping[str, Any], kind: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded}


def _data(found: Mapping[str, Any], name: str) -> bytes:
    return base64.b64decode(found["data"][name], validate=True)


_LENGTH: Final = struct.Struct(">I")
