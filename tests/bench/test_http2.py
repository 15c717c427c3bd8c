"""The small HTTP/2 client of the load generator, against grpcio's own server and against nonsense."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.http2 import CallFailed, Frame, UnaryCall, encode_frame, opening, take_frames, unary_request

METHOD = "/rpc.Marble/Activate"
frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    flags=st.integers(0, 255),
    stream=st.integers(0, 2**31 - 1),
    payload=st.binary(max_size=300),
)


def _reverse(message: bytes, context: grpc.ServicerContext) -> bytes:
    if message == b"refuse":
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "marble verification failed")
    return message[::-1]


@pytest.fixture(scope="module")
def grpcio_port() -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(_reverse)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("rpc.Marble", {"Activate": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def _call(port: int, message: bytes, method: str = METHOD) -> bytes:
    call = UnaryCall(unary_request(method, message))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
        end.sendall(opening())
        while not call.ended:
            end.sendall(call.receive(end.recv(65_536)))
    return call.response()


@pytest.mark.parametrize("size", [0, 1, 6_000, 16_384, 40_000, 65_530])
def test_a_message_of_any_size_that_fits_the_window_comes_back_from_grpcio(grpcio_port: int, size: int) -> None:
    message = bytes(i % 251 for i in range(size))

    assert message[::-1] == _call(grpcio_port, message)


def test_a_message_over_the_window_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="at most 65530 bytes, got 65531"):
        unary_request(METHOD, bytes(65_531))


def test_a_refusal_is_told_with_its_status_and_text(grpcio_port: int) -> None:
    with pytest.raises(CallFailed, match="grpc-status 7, HTTP status 200: marble verification failed"):
        _call(grpcio_port, b"refuse")


def test_an_unknown_method_is_told(grpcio_port: int) -> None:
    with pytest.raises(CallFailed, match="grpc-status 12"):
        _call(grpcio_port, b"", "/rpc.Marble/Deactivate")


@given(st.lists(frames, max_size=6), st.integers(1, 50))
@settings(max_examples=50)
def test_frames_survive_any_cut_of_the_stream(sent: list[Frame], piece: int) -> None:
    stream = b"".join(map(encode_frame, sent))
    buffer, received = bytearray(), []
    for start in range(0, len(stream), piece):
        buffer += stream[start : start + piece]
        received += take_frames(buffer)

    assert sent == received
    assert not buffer


def test_a_reset_stream_ends_the_call() -> None:
    call = UnaryCall(unary_request(METHOD, b""))

    with pytest.raises(CallFailed, match="reset the stream, error 8"):
        call.receive(encode_frame(Frame(3, 0, 1, (8).to_bytes(4, "big"))))


def test_a_server_that_goes_away_with_an_error_ends_the_call() -> None:
    call = UnaryCall(unary_request(METHOD, b""))

    with pytest.raises(CallFailed, match="went away, error 11"):
        call.receive(encode_frame(Frame(7, 0, 0, bytes(4) + (11).to_bytes(4, "big"))))


def test_the_request_leaves_only_after_the_servers_settings() -> None:
    request = unary_request(METHOD, b"x")
    call = UnaryCall(request)

    assert call.receive(encode_frame(Frame(6, 0, 0, bytes(8)))) == encode_frame(Frame(6, 1, 0, bytes(8)))
    assert call.receive(encode_frame(Frame(4, 0, 0, b""))).endswith(request)
    assert not call.receive(encode_frame(Frame(4, 1, 0, b"")))


def test_an_answer_that_is_cut_is_refused() -> None:
    call = UnaryCall(unary_request(METHOD, b""))
    call.receive(encode_frame(Frame(0, 0, 1, b"\0\0\0\0\x05abc")))
    call._headers["grpc-status"] = "0"

    with pytest.raises(CallFailed, match="announces 5 bytes, 3 came"):
        call.response()
