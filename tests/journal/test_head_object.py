"""The journal in Kubernetes objects: how records lie in a head and its chunks."""

import base64
import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.errors import StorageFailed
from coordinator.journal.head_object import (
    CHUNK_BYTES,
    Chunk,
    Content,
    chunk_object,
    cut,
    frame,
    head_object,
    read_chunk,
    read_head,
    unframe,
)

RECORDS = st.lists(st.binary(max_size=200), max_size=20)


def content(tail: bytes = b"tail", chunks: tuple[Chunk, ...] = ()) -> Content:
    return Content(3, b"c" * 16, "0a1b2c3d4e", 7, {"journal-id": b"\x00\xff"}, chunks, tail)


def as_found(body: dict[str, object]) -> dict[str, object]:
    """As the API server answers it: with a resourceVersion."""
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return {**body, "metadata": {**metadata, "resourceVersion": "41"}}


@given(RECORDS)
def test_records_come_out_of_a_stream_as_they_went_in(records: list[bytes]) -> None:
    assert unframe("place", frame(records)) == records


@given(RECORDS.filter(bool), st.data())
def test_a_stream_that_ends_early_is_refused_or_holds_fewer_records(records: list[bytes], data: st.DataObject) -> None:
    stream = frame(records)
    end = data.draw(st.integers(0, len(stream) - 1))
    with contextlib.suppress(StorageFailed):
        found = unframe("place", stream[:end])
        assert found == records[: len(found)]
        assert len(found) < len(records)


@given(st.binary(max_size=300))
def test_no_bytes_make_a_stream_fail_in_any_other_way(raw: bytes) -> None:
    with contextlib.suppress(StorageFailed):
        assert frame(unframe("place", raw)) == raw


@pytest.mark.parametrize("raw", [b"\0\0\0", b"\0\0\0\x02a"], ids=["within a length", "within a record"])
def test_a_stream_that_ends_within_something_says_what_was_expected(raw: bytes) -> None:
    with pytest.raises(StorageFailed, match=r"expected .* bytes.* at the end, got fewer"):
        unframe("place", raw)


def test_a_record_longer_than_a_chunk_is_cut_and_put_together_again() -> None:
    records = [b"a" * (2 * CHUNK_BYTES + 5), b"b"]
    pieces = cut("state", frame(records), iter(map(str, itertools.count())))
    assert [len(piece) for _, piece in pieces] == [CHUNK_BYTES, CHUNK_BYTES, 4 + 5 + 4 + 1]
    assert [chunk.name for chunk, _ in pieces] == ["state-0", "state-1", "state-2"]
    found = [chunk_object("state", "generation", chunk, piece) for chunk, piece in pieces]
    stream = b"".join(read_chunk("place", chunk, body) for (chunk, _), body in zip(pieces, found, strict=True))
    assert unframe("place", stream) == records


def test_a_head_is_read_as_it_was_written() -> None:
    written = content(chunks=(Chunk("state-1", 5, b"d" * 32),))
    found = read_head("place", as_found(head_object("state", written, "")))
    assert (found.version, found.content) == ("41", written)


def test_a_new_head_names_no_version_and_a_later_one_the_version_that_it_replaces() -> None:
    assert "resourceVersion" not in head_object("state", content(), "")["metadata"]
    assert head_object("state", content(), "41")["metadata"]["resourceVersion"] == "41"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"journal": "no base64!"},
        {"journal": base64.b64encode(b"\xc1").decode()},
        {"journal": base64.b64encode(b"\x80").decode()},
        {"journal": 7},
    ],
    ids=["nothing", "no base64", "no msgpack", "no content", "a number"],
)
def test_an_object_that_is_no_head_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(StorageFailed, match="expected a journal's head"):
        read_head("place", as_found({**head_object("state", content(), ""), "data": data}))


def test_a_head_of_another_format_is_refused_by_its_number() -> None:
    later = Content(3, b"c" * 16, "g", 7, {}, (), b"", format=2)
    with pytest.raises(StorageFailed, match="expected a journal of format 1, got format 2"):
        read_head("place", as_found(head_object("state", later, "")))


def test_a_chunk_that_is_missing_or_changed_is_named() -> None:
    ((chunk, piece),) = cut("state", b"stream", iter(["x"]))
    body = chunk_object("state", "generation", chunk, piece)
    assert read_chunk("place", chunk, body) == piece
    with pytest.raises(StorageFailed, match="Secret state-x: expected 6 bytes of the journal, got none"):
        read_chunk("place", chunk, None)
    with pytest.raises(StorageFailed, match=r"Secret state-x: expected SHA-256 .* it was changed"):
        read_chunk("place", chunk, chunk_object("state", "generation", chunk, b"Stream"))
    with pytest.raises(StorageFailed, match="Secret state-x: expected a piece of the journal"):
        read_chunk("place", chunk, {**body, "data": {}})
