"""REST shapes: the envelope as Go writes it, and bodies as Go reads them (contract 1.2, 1.9, 10.1)."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.wire import jsend, v2


def test_the_envelope_is_go_s_byte_for_byte() -> None:
    assert b'{"status":"success","data":{"a":"\\u003c\\u0026\\u003e"}}\n' == jsend.success({"a": "<&>"})
    assert b'{"status":"error","data":null,"message":"no"}\n' == jsend.error("no")
    assert b'{"status":"error","data":null}\n' == jsend.error("")
    assert b'{"status":"fail","data":null,"message":"no"}\n' == jsend.fail("no")


@given(st.text())
def test_every_text_survives_the_envelope(text: str) -> None:
    assert text.encode("utf-8", "replace").decode() == json.loads(jsend.success(text))["data"]


@given(st.binary(max_size=200))
def test_a_manifest_body_round_trips(raw: bytes) -> None:
    body = json.dumps({"manifest": base64.b64encode(raw).decode()}).encode()
    assert raw == v2.decode_manifest_set(body)


@given(st.binary(max_size=200))
def test_no_body_makes_the_decoder_fail_in_any_other_way(body: bytes) -> None:
    try:
        v2.decode_manifest_set(body)
    except v2.BodyInvalid:
        return


def test_a_body_is_read_as_go_reads_it() -> None:
    assert b"x" == v2.decode_manifest_set(b'{"Manifest":"eA=="} trailing')
    assert b"" == v2.decode_manifest_set(b"{}")
    for body in (b"", b"[]", b'{"manifest":1}', b'{"manifest":"e"}', b'{"manifest":"__8="}', b"[" * 100_000):
        with pytest.raises(v2.BodyInvalid):
            v2.decode_manifest_set(body)


def test_a_nonce_is_base64_of_the_url_alphabet_with_padding() -> None:
    assert b"\xff\xfe" == v2.decode_nonce("__4=")
    assert b"" == v2.decode_nonce("")
    for text in ("_", "//4=", "é"):
        with pytest.raises(v2.BodyInvalid):
            v2.decode_nonce(text)
