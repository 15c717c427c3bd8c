"""The document that approvers sign, and the bodies of `/api/v2/secrets/requests`: read exactly, or refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.wire import read_requests
from coordinator.wire.read_requests import ReadAsk, ReadRequestDocument, ReadRequestFormatError, parse_request
from coordinator.wire.v2 import BodyInvalid

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DOCUMENT = ReadRequestDocument(
    "0123456789abcdef", b"\x01" * 32, b"\x02" * 32, "alice", b"\x03" * 32, ("master",), "why", NOON, NOON
)
_moments = st.integers(0, 2**40).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
_texts = st.text(max_size=20)
DOCUMENTS = st.builds(
    ReadRequestDocument,
    _texts,
    st.binary(max_size=40),
    st.binary(max_size=40),
    _texts,
    st.binary(max_size=40),
    st.lists(_texts, max_size=4).map(tuple),
    _texts,
    _moments,
    _moments,
)


@given(DOCUMENTS)
def test_a_request_comes_back_as_it_was(document: ReadRequestDocument) -> None:
    assert document == parse_request(document.text())
    assert document.text().isascii()


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: json.dumps({"user": text}).encode()))
def test_no_bytes_fail_in_any_other_way(raw: bytes) -> None:
    with pytest.raises(ReadRequestFormatError):
        parse_request(raw)


@given(st.data())
def test_no_byte_can_be_changed_without_a_change_of_what_is_read(data: st.DataObject) -> None:
    raw = bytearray(DOCUMENT.text())
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] = data.draw(st.integers(0, 127).filter(lambda byte: byte != raw[position]))
    try:
        assert DOCUMENT != parse_request(bytes(raw))
    except ReadRequestFormatError:
        return


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: text.rstrip("\n"),
        lambda text: json.dumps(json.loads(text)),
        lambda text: text.replace('"user"', '"hidden": "x",\n  "user"'),
        lambda text: text.replace("enclasp-read-request/1", "enclasp-read-request/2"),
        lambda text: text.replace('"why"', '"\u202e"'),
        lambda text: text.replace("why", "w" * 17_000),
    ],
)
def test_what_would_not_be_shown_cannot_stand_in_it(change: Any) -> None:
    assert parse_request(DOCUMENT.text())
    with pytest.raises(ReadRequestFormatError):
        parse_request(change(DOCUMENT.text().decode()).encode())


def test_the_vector_of_the_first_version_is_read_for_ever() -> None:
    text = f"""{{
  "coordinator": "{"01" * 32}",
  "expires": "2026-11-28T12:00:00.000Z",
  "format": "enclasp-read-request/1",
  "id": "0123456789abcdef",
  "key": "{"03" * 32}",
  "manifest": "{"02" * 32}",
  "notBefore": "2026-11-28T12:00:00.000Z",
  "reason": "why",
  "secrets": [
    "master"
  ],
  "user": "alice"
}}
"""
    assert text.encode() == DOCUMENT.text()
    assert DOCUMENT == parse_request(text.encode())


def test_bodies_are_read_as_other_routes_read_them() -> None:
    body = {"Secrets": ["a", "b", "a"], "reason": "why", "expiresIn": 60}
    assert ReadAsk(("a", "b"), "why", timedelta(minutes=1)) == read_requests.decode_ask(json.dumps(body).encode())
    assert read_requests.decode_ask(b'{"secrets":["a"],"reason":"r","expiresIn":null}').lasts is None
    assert ("a",) == read_requests.decode_names(b'{"secrets":["a"]} trailing')
    assert "ab" == read_requests.decode_id(b'{"request":"ab"}')
    assert ("ab", ()) == read_requests.decode_approval(b'{"request":"ab","signatures":null}')
    assert ("ab", (b"{}",)) == read_requests.decode_approval(b'{"request":"ab","signatures":[{}]}')


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (read_requests.decode_ask, b'{"secrets":["a"]}'),
        (read_requests.decode_ask, b'{"secrets":"a","reason":"r"}'),
        (read_requests.decode_ask, b'{"secrets":[""],"reason":"r"}'),
        (read_requests.decode_ask, b'{"secrets":["a"],"reason":"r","expiresIn":0}'),
        (read_requests.decode_ask, b'{"secrets":["a"],"reason":"r","expiresIn":true}'),
        (read_requests.decode_ask, b'{"secrets":["a"],"reason":"r","expiresIn":1e9}'),
        (read_requests.decode_ask, b'{"secrets":["a"],"reason":"r","expiresIn":99999999999}'),
        (read_requests.decode_names, b"[]"),
        (read_requests.decode_id, b"{}"),
        (read_requests.decode_id, b'{"request":""}'),
        (read_requests.decode_approval, b'{"request":"a","signatures":{}}'),
        (read_requests.decode_approval, json.dumps({"request": "a", "signatures": [1] * 65}).encode()),
    ],
)
def test_a_body_of_another_shape_is_refused(decode: Any, body: bytes) -> None:
    with pytest.raises(BodyInvalid):
        decode(body)
