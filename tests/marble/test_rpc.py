"""One call over real sockets: right answers arrive, odd ones end in one clear failure, nothing grows without end."""

import asyncio
import ssl
from datetime import datetime

import h2.connection
import h2.errors
import pytest

from coordinator.rpc.unary import StatusCode
from marble import rpc
from marble.identity import Identity, make_identity
from marble.protocol import MAX_MESSAGE_BYTES, METHOD, ActivationRequest, encode_request
from marble.settings import Address
from pki.certificates import der
from tests.fakes.fake_coordinator import FakeCoordinator
from tests.fakes.marble_pki import LOOPBACK, UUID, MarblePki
from tests.fakes.odd_server import Reply, odd_server

HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]


@pytest.fixture(scope="module")
def me(now: datetime) -> Identity:
    return make_identity(("localhost",), LOOPBACK, now=now)


async def ask(port: int, me: Identity, message: bytes = b"", seconds: float = 5.0) -> tuple[bytes, bytes]:
    """The answer, and the server's certificate."""
    async with rpc.connect(Address("127.0.0.1", port), me.certificate_pem, me.key_pem, seconds=seconds) as channel:
        return await channel.call(METHOD, message, seconds=seconds), channel.server_der


async def failure(port: int, me: Identity, message: bytes = b"", seconds: float = 5.0) -> rpc.RpcFailed:
    with pytest.raises(rpc.RpcFailed) as failed:
        await ask(port, me, message, seconds)
    return failed.value


async def test_the_answer_and_the_certificates_of_both_sides_arrive(pki: MarblePki, me: Identity) -> None:
    async with FakeCoordinator(pki, answer=b"fine").running() as coordinator:
        answered, shown = await ask(coordinator.port, me)
    assert (b"fine", der(pki.marble_root)) == (answered, shown)
    assert [me.certificate_der] == coordinator.certificates


async def test_messages_much_larger_than_a_flow_control_window_pass(pki: MarblePki, me: Identity) -> None:
    async with FakeCoordinator(pki, answer=bytes(900_000)).running() as coordinator:
        request = ActivationRequest(bytes(1_000_000), b"", "web", UUID)
        answered, _ = await ask(coordinator.port, me, encode_request(request))
    assert (bytes(900_000), [request]) == (answered, coordinator.requests)


async def test_several_calls_pass_over_one_connection(pki: MarblePki, me: Identity) -> None:
    async with (
        FakeCoordinator(pki, answer=b"fine").running() as coordinator,
        rpc.connect(Address("127.0.0.1", coordinator.port), me.certificate_pem, me.key_pem) as channel,
    ):
        answers = [await channel.call(METHOD, b"") for _ in range(3)]
    assert answers == [b"fine"] * 3


async def test_a_refusal_carries_the_servers_status_and_words(pki: MarblePki, me: Identity) -> None:
    refusals = [(StatusCode.PERMISSION_DENIED, "marble verification failed: ä 100 %\n  sgx.svn")]
    async with FakeCoordinator(pki, refusals=refusals).running() as coordinator:
        failed = await failure(coordinator.port, me)
    assert failed.status == rpc.Status.PERMISSION_DENIED
    assert failed.reason == "marble verification failed: ä 100 %\n  sgx.svn"


async def test_an_unknown_method_is_unimplemented(pki: MarblePki, me: Identity) -> None:
    async with (
        FakeCoordinator(pki).running() as coordinator,
        rpc.connect(Address("127.0.0.1", coordinator.port), me.certificate_pem, me.key_pem) as channel,
    ):
        with pytest.raises(rpc.RpcFailed) as failed:
            await channel.call("/rpc.Marble/Other", b"")
    assert failed.value.status == rpc.Status.UNIMPLEMENTED


async def test_nobody_there_is_connection_refused(me: Identity, unused_tcp_port: int) -> None:
    failed = await failure(unused_tcp_port, me)
    assert (failed.status, failed.reason) == (rpc.Status.UNAVAILABLE, "connection refused")


async def test_a_name_that_does_not_resolve_is_unavailable(me: Identity) -> None:
    with pytest.raises(rpc.RpcFailed) as failed:
        async with rpc.connect(Address("absent.invalid", 1), me.certificate_pem, me.key_pem):
            pass
    assert failed.value.status == rpc.Status.UNAVAILABLE


async def test_a_server_that_never_answers_ends_at_the_deadline(pki: MarblePki, me: Identity) -> None:
    async with odd_server(pki, lambda http, stream: None) as port:
        failed = await failure(port, me, seconds=0.2)
    assert (failed.status, failed.reason) == (rpc.Status.DEADLINE_EXCEEDED, "no answer within 0.2 s")


async def test_a_server_that_never_shakes_hands_ends_at_the_deadline(me: Identity) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with server:
        failed = await failure(server.sockets[0].getsockname()[1], me, seconds=0.2)
    assert (failed.status, failed.reason) == (rpc.Status.UNAVAILABLE, "no connection within 0.2 s")


async def test_a_server_without_tls_is_named_as_such(me: Identity) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        failed = await failure(server.sockets[0].getsockname()[1], me)
    assert failed.status == rpc.Status.UNAVAILABLE
    assert failed.reason.startswith("tls: ")


async def test_a_door_for_another_protocol_is_named_as_such(pki: MarblePki, me: Identity) -> None:
    async with odd_server(pki, lambda http, stream: None, alpn="http/1.1") as port:
        failed = await failure(port, me)
    assert failed.reason == "the server speaks no gRPC: expected the coordinator's marble door"


async def test_tls_1_2_is_enough(pki: MarblePki, me: Identity) -> None:
    async with odd_server(pki, whole(b"\0\0\0\0\1x"), newest=ssl.TLSVersion.TLSv1_2) as port:
        answered, _ = await ask(port, me)
    assert b"x" == answered


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_not(pki: MarblePki, me: Identity) -> None:
    async with odd_server(pki, whole(b"\0\0\0\0\1x"), newest=ssl.TLSVersion.TLSv1_1) as port:
        failed = await failure(port, me)
    assert rpc.Status.UNAVAILABLE == failed.status


def trailers_only(*headers: tuple[str, str]) -> Reply:
    return lambda http, stream: http.send_headers(stream, [*HEADERS, *headers], end_stream=True)


def whole(body: bytes) -> Reply:
    def reply(http: h2.connection.H2Connection, stream: int) -> None:
        http.send_headers(stream, HEADERS)
        http.send_data(stream, body)
        http.send_headers(stream, OK, end_stream=True)

    return reply


def reset(http: h2.connection.H2Connection, stream: int) -> None:
    http.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)


def close(http: h2.connection.H2Connection, stream: int) -> None:
    http.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)


def http_error(http: h2.connection.H2Connection, stream: int) -> None:
    http.send_headers(stream, [(":status", "502")], end_stream=True)


@pytest.mark.parametrize(
    ("reply", "status", "reason"),
    [
        (reset, "UNAVAILABLE", "the server reset the call (REFUSED_STREAM)"),
        (close, "UNAVAILABLE", "the server closed the connection (ENHANCE_YOUR_CALM)"),
        (http_error, "UNAVAILABLE", "the server speaks no gRPC: expected HTTP status 200, got 502 with gRPC status ''"),
        (
            trailers_only(),
            "UNAVAILABLE",
            "the server speaks no gRPC: expected HTTP status 200, got 200 with gRPC status ''",
        ),
        (trailers_only(("grpc-status", "7")), "PERMISSION_DENIED", "no reason given"),
        (trailers_only(("grpc-status", "77"), ("grpc-message", "x")), "UNKNOWN", "x"),
        (
            trailers_only(("grpc-status", "1" * 5000)),
            "UNAVAILABLE",
            f"the server speaks no gRPC: expected HTTP status 200, got 200 with gRPC status '{'1' * 1978} …",
        ),
        (
            trailers_only(("grpc-status", "9"), ("grpc-message", "a%1b[2Jb")),
            "FAILED_PRECONDITION",
            "a\N{REPLACEMENT CHARACTER}[2Jb",
        ),
        (trailers_only(("grpc-status", "9"), ("grpc-message", "x" * 3000)), "FAILED_PRECONDITION", "x" * 2000 + " …"),
        (trailers_only(("grpc-status", "0")), "INTERNAL", "the answer is not one uncompressed gRPC message"),
        (whole(b"\1\0\0\0\1x"), "INTERNAL", "the answer is not one uncompressed gRPC message"),
        (whole(b"\0\0\0\0\2x"), "INTERNAL", "the answer is not one uncompressed gRPC message"),
        (whole(b"\0\0\0\0\0" * 2), "INTERNAL", "the answer is not one uncompressed gRPC message"),
    ],
)
async def test_an_odd_answer_ends_in_one_clear_failure(
    pki: MarblePki, me: Identity, reply: Reply, status: str, reason: str
) -> None:
    async with odd_server(pki, reply) as port:
        failed = await failure(port, me)
    assert (status, reason) == (failed.status.name, failed.reason)


async def test_an_answer_without_end_is_cut_at_the_limit(pki: MarblePki, me: Identity) -> None:
    sent = 0

    def start(http: h2.connection.H2Connection, stream: int) -> None:
        http.send_headers(stream, HEADERS)
        pour(http, stream)

    def pour(http: h2.connection.H2Connection, stream: int) -> None:
        nonlocal sent
        while (room := min(http.local_flow_control_window(stream), http.max_outbound_frame_size)) > 0:
            http.send_data(stream, bytes(room))
            sent += room

    async with odd_server(pki, start, more=pour) as port:
        failed = await failure(port, me)
    assert (rpc.Status.RESOURCE_EXHAUSTED, "the answer is longer than 4194304 bytes") == (failed.status, failed.reason)
    assert MAX_MESSAGE_BYTES < sent < MAX_MESSAGE_BYTES + 2_000_000


async def test_bytes_that_are_no_http2_are_named_as_such(pki: MarblePki, me: Identity) -> None:
    def garble(http: h2.connection.H2Connection, stream: int) -> None:
        http._data_to_send += b"\0\0\1\0\0\0\0\0\0x"  # a DATA frame on stream 0

    async with odd_server(pki, garble) as port:
        failed = await failure(port, me)
    assert failed.status == rpc.Status.UNAVAILABLE
    assert "not HTTP/2" in failed.reason


async def test_a_longer_answer_than_the_limit_is_refused(pki: MarblePki, me: Identity) -> None:
    async with FakeCoordinator(pki, answer=bytes(MAX_MESSAGE_BYTES + 1)).running() as coordinator:
        failed = await failure(coordinator.port, me)
    assert failed.status == rpc.Status.RESOURCE_EXHAUSTED
