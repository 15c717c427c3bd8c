"""Our small client against somebody else's server: grpcio's, which is the reference implementation."""

from collections.abc import Iterator
from concurrent import futures
from datetime import datetime

import grpc
import pytest

from marble import rpc
from marble.identity import Identity, make_identity
from marble.protocol import METHOD
from marble.settings import Address
from pki.certificates import der, pem
from pki.keys import private_pem
from tests.fakes.marble_pki import LOOPBACK, MarblePki


@pytest.fixture(scope="module")
def me(now: datetime) -> Identity:
    return make_identity(("localhost",), LOOPBACK, now=now)


def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
    if request == b"refuse":
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you: ä %41\nsecond line")
    assert context.time_remaining() is not None
    return request[::-1]


@pytest.fixture(scope="module")
def port(pki: MarblePki) -> Iterator[int]:
    """grpcio cannot ask for a certificate that it does not verify (architecture, 2.2), so it does not ask."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("rpc.Marble", {"Activate": handler}),))
    credentials = grpc.ssl_server_credentials([(private_pem(pki.intermediate_key), pem(pki.marble_root))])
    bound = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield bound
    server.stop(None).wait()


@pytest.mark.parametrize("size", [0, 1, 65_530, 1_000_000, 4_000_000])
async def test_messages_of_every_size_come_back(pki: MarblePki, me: Identity, port: int, size: int) -> None:
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with rpc.connect(Address("127.0.0.1", port), me.certificate_pem, me.key_pem) as channel:
        assert message[::-1] == await channel.call(METHOD, message)
        assert der(pki.marble_root) == channel.server_der


async def test_a_refusal_arrives_with_its_words(me: Identity, port: int) -> None:
    async with rpc.connect(Address("127.0.0.1", port), me.certificate_pem, me.key_pem) as channel:
        with pytest.raises(rpc.RpcFailed) as failed:
            await channel.call(METHOD, b"refuse")
    assert (rpc.Status.PERMISSION_DENIED, "not you: ä %41\nsecond line") == (failed.value.status, failed.value.reason)


async def test_a_request_over_the_servers_limit_is_refused(me: Identity, port: int) -> None:
    async with rpc.connect(Address("127.0.0.1", port), me.certificate_pem, me.key_pem) as channel:
        with pytest.raises(rpc.RpcFailed) as failed:
            await channel.call(METHOD, bytes(5_000_000))
    assert rpc.Status.RESOURCE_EXHAUSTED == failed.value.status


async def test_an_unknown_method_is_unimplemented(me: Identity, port: int) -> None:
    async with rpc.connect(Address("127.0.0.1", port), me.certificate_pem, me.key_pem) as channel:
        with pytest.raises(rpc.RpcFailed) as failed:
            await channel.call("/rpc.Marble/Other", b"")
    assert rpc.Status.UNIMPLEMENTED == failed.value.status
