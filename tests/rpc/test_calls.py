from contextlib import suppress
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.rpc.calls import Call, CallHeader, NotGrpc, answer_with, parse_header, parse_timeout
from coordinator.rpc.limits import Allowance
from coordinator.rpc.status import MAX_ENCODED_MESSAGE, RpcError, encode_message

CALL = {b":method": b"POST", b":path": b"/a/B", b"content-type": b"application/grpc"}


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_every_text_survives_percent_encoding_in_printable_ascii(text: str) -> None:
    encoded = encode_message(text)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert unquote(encoded.decode("ascii")) == text.encode("utf-8", "replace").decode()


def test_a_long_text_is_cut_between_two_characters() -> None:
    encoded = encode_message("雪" * 1000)
    assert len(encoded) <= MAX_ENCODED_MESSAGE
    assert encoded.endswith(b"...")
    assert set(unquote(encoded[:-3].decode())) == {"雪"}


@given(st.integers(0, 99_999_999), st.sampled_from([("H", 3600), ("M", 60), ("S", 1), ("m", 1e-3), ("u", 1e-6)]))
@settings(max_examples=40, deadline=None)
def test_timeouts_are_read_in_every_unit(number: int, unit: tuple[str, float]) -> None:
    assert parse_timeout(f"{number}{unit[0]}".encode()) == pytest.approx(number * unit[1])


@given(st.binary(max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_timeout_makes_the_parser_fail_in_any_other_way(value: bytes) -> None:
    with suppress(RpcError):
        assert parse_timeout(value) >= 0


def test_a_header_is_read_whole() -> None:
    fields = CALL | {b"grpc-timeout": b"2S", b"grpc-encoding": b"gzip"}
    assert parse_header(fields.items()) == CallHeader("/a/B", 2.0, "gzip")
    assert parse_header(CALL.items()) == CallHeader("/a/B", None, "identity")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({b":method": b"PUT"}, 405),
        ({b"content-type": b"application/grpcx"}, 415),
        ({b"content-type": b"application/grpc-web"}, 415),
        ({b"content-type": b"application/grpc+proto"}, 0),
        ({b"content-type": b"application/grpc; charset=utf-8"}, 0),
    ],
)
def test_other_http_requests_are_told_apart(change: dict[bytes, bytes], status: int) -> None:
    if not status:
        parse_header((CALL | change).items())
        return
    with pytest.raises(NotGrpc) as refused:
        parse_header((CALL | change).items())
    assert refused.value.http_status == status


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=10))
@settings(max_examples=60, deadline=None)
def test_a_message_survives_its_frame_however_it_is_cut(message: bytes, cuts: list[int]) -> None:
    framed = bytes(answer_with(message).rest)
    call = Call(1)
    for cut in cuts:
        call.add(framed[:cut], 200)
        framed = framed[cut:]
    call.add(framed, 200)
    assert call.message() == message


@given(st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_a_call_fail_in_any_other_way(raw: bytes) -> None:
    call = Call(1)
    with suppress(RpcError):
        call.add(raw, 16)
        assert len(call.message()) <= 16


def test_an_allowance_is_spent_whole_or_not_at_all_and_never_overflows() -> None:
    allowance = Allowance.of(3)
    assert not allowance.spend(4)
    assert allowance.spend(3)
    assert not allowance.spend()
    allowance.earn(10)
    assert (allowance.left, allowance.spend(3), allowance.spend()) == (3, True, False)
