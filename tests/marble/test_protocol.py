"""The two messages of an activation: the same bytes as everybody's, and nothing but one error for other bytes."""

import contextlib
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marble import activation_pb2
from marble.protocol import (
    MAX_MESSAGE_BYTES,
    ActivationRequest,
    Parameters,
    ProtocolFormatError,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    parse_uuid,
)

ROOT = Path(__file__).parents[2]
CANONICAL = "123e4567-e89b-12d3-a456-426614174000"
text = st.text(max_size=20)


def test_the_generated_code_is_what_the_proto_file_says(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", "marble/activation.proto"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    made = (tmp_path / "marble" / "activation_pb2.py").read_text()
    kept = (ROOT / "marble" / "activation_pb2.py").read_text()
    assert made == kept


def test_the_stub_names_every_field_that_the_proto_file_has() -> None:
    stub = (ROOT / "marble" / "activation_pb2.pyi").read_text()
    messages = activation_pb2.DESCRIPTOR.message_types_by_name.values()
    assert all(field.name in stub for message in messages for field in message.fields)


def test_a_request_has_the_field_numbers_of_the_contract() -> None:
    raw = encode_request(ActivationRequest(b"q", b"c", "t", "u"))
    assert raw == b"\x0a\x01q\x12\x01c\x1a\x01t\x22\x01u"


def test_a_response_has_the_field_numbers_of_the_contract() -> None:
    raw = encode_response(Parameters({"/f": b"1"}, {"E": b"\xff"}, ("a",)))
    body = b"\x0a\x07\x0a\x02/f\x12\x011\x12\x06\x0a\x01E\x12\x01\xff\x1a\x01a"
    assert b"\x0a" + bytes([len(body)]) + body == raw


@given(st.builds(ActivationRequest, st.binary(max_size=50), st.binary(max_size=50), text, text))
@settings(max_examples=50)
def test_a_request_survives_the_wire(request: ActivationRequest) -> None:
    assert request == decode_request(encode_request(request))


@given(
    st.builds(
        Parameters,
        st.dictionaries(text, st.binary(max_size=20), max_size=4),
        st.dictionaries(text, st.binary(max_size=20), max_size=4),
        st.lists(text, max_size=4).map(tuple),
    )
)
@settings(max_examples=50)
def test_parameters_survive_the_wire(parameters: Parameters) -> None:
    assert parameters == decode_response(encode_response(parameters))


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    for decode in (decode_request, decode_response):
        with contextlib.suppress(ProtocolFormatError):
            decode(raw)


@pytest.mark.parametrize("decode", [decode_request, decode_response])
def test_a_message_over_the_limit_is_refused_before_it_is_parsed(decode) -> None:
    with pytest.raises(ProtocolFormatError, match="expected at most 4194304 bytes, got 4194305"):
        decode(bytes(MAX_MESSAGE_BYTES + 1))


def test_a_response_over_the_limit_is_never_sent_and_one_at_the_limit_is() -> None:
    at_limit = Parameters(files={"f": bytes(MAX_MESSAGE_BYTES - 18)})
    assert len(encode_response(at_limit)) == MAX_MESSAGE_BYTES
    with pytest.raises(ProtocolFormatError, match="expected at most 4194304 bytes, got 4194305"):
        encode_response(Parameters(files={"f": bytes(MAX_MESSAGE_BYTES - 17)}))


def test_text_that_is_not_unicode_is_refused_with_words() -> None:
    with pytest.raises(ProtocolFormatError, match="Unicode"):
        encode_request(ActivationRequest(b"", b"", "\udc80", CANONICAL))
    with pytest.raises(ProtocolFormatError, match="Unicode"):
        encode_response(Parameters(argv=("\udc80",)))


def test_parameters_do_not_show_their_values() -> None:
    shown = repr(Parameters({"/f": b"hush"}, {"E": b"hush"}, ("hush",)))
    assert "hush" not in shown


@pytest.mark.parametrize(
    "form",
    [CANONICAL, CANONICAL.upper(), f"urn:uuid:{CANONICAL}", f"{{{CANONICAL}}}", CANONICAL.replace("-", "")],
)
def test_every_form_of_a_uuid_that_marbles_send_is_read(form: str) -> None:
    assert str(parse_uuid(form)) == CANONICAL


def test_the_zero_uuid_is_a_uuid() -> None:
    assert uuid.UUID(int=0) == parse_uuid("00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize(
    "form",
    [
        "",
        CANONICAL + "\n",
        CANONICAL[:-1],
        CANONICAL[:-1] + "g",
        "{" + CANONICAL,
        "123e4567e-89b-12d3-a456-426614174000",
        "{" + CANONICAL.replace("-", "") + "}",
        "urn:uuid:" + CANONICAL.replace("-", ""),
        CANONICAL.replace("1", "١"),
    ],
)
def test_any_other_text_is_no_uuid(form: str) -> None:
    with pytest.raises(ProtocolFormatError, match=f"got {len(form)} characters"):
        parse_uuid(form)
