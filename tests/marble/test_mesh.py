"""Marbles talk to marbles of their deployment and to nobody else; real sockets, TLS by `ssl` and by grpcio."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent import futures
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from marble import contexts
from marble.mesh import Identity, NotAMarble
from pki.certificates import der, load_pem_chain
from tests.fakes.marble_pki import MarblePki


def identity(given: dict[str, bytes]) -> Identity:
    return Identity.from_environ({name: value.decode() for name, value in given.items()})


@pytest.fixture
def web(pki: MarblePki) -> Identity:
    return identity(pki.given("web"))


@pytest.fixture
def receipts(pki: MarblePki) -> Identity:
    return identity(pki.given("receipts"))


@pytest.fixture
def stranger(other_pki: MarblePki) -> Identity:
    return identity(other_pki.given("web"))


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that notes the type of each client and says hello."""
    types: list[str] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        types.append(Identity.peer_marble_type(shown) if shown else "anybody")
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], types


async def visit(port: int, context: ssl.SSLContext, name: str = "localhost") -> tuple[bytes, bytes]:
    """What the server said, and its certificate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return await reader.read(), shown
    finally:
        writer.close()


async def is_turned_away(port: int, context: ssl.SSLContext) -> bool:
    """In TLS 1.3 a client learns only with its first read that the server refused it: by an error or an empty end."""
    try:
        said, _ = await visit(port, context)
    except OSError:
        return True
    return not said


async def test_two_marbles_know_each_others_type(web: Identity, receipts: Identity) -> None:
    async with serving(receipts.server_context()) as (port, types):
        said, shown = await visit(port, web.client_context())
    assert (said, types, Identity.peer_marble_type(shown)) == (b"hello", ["web"], "receipts")


async def test_a_marble_of_another_deployment_is_not_let_in(stranger: Identity, web: Identity, pki: MarblePki) -> None:
    context = stranger.client_context()
    context.load_verify_locations(cadata=web.root_pem.decode())
    async with serving(web.server_context()) as (port, types):
        assert await is_turned_away(port, context)
    assert types == []


async def test_a_client_without_certificate_is_not_let_in(web: Identity) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=web.root_pem.decode())
    async with serving(web.server_context()) as (port, types):
        assert await is_turned_away(port, context)
    assert types == []


async def test_a_server_of_another_deployment_is_not_believed(stranger: Identity, web: Identity) -> None:
    async with serving(stranger.server_context()) as (port, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            await visit(port, web.client_context())


async def test_a_server_is_only_believed_under_its_own_names(web: Identity, receipts: Identity) -> None:
    async with serving(receipts.server_context()) as (port, _):
        with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname"):
            await visit(port, web.client_context(), name="elsewhere.example")


async def test_anybody_who_trusts_the_root_certificate_reaches_a_public_server(web: Identity, pki: MarblePki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pki.given()["MARBLE_PREDEFINED_COORDINATOR_ROOT_CA"].decode())
    async with serving(web.public_server_context()) as (port, types):
        said, _ = await visit(port, context)
    assert (said, types) == (b"hello", ["anybody"])


def grpc_call(server_identity: Identity, client_identity: Identity) -> bytes:
    """One call over mesh TLS; the server answers with the client's marble type."""

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        return Identity.grpc_peer_marble_type(context).encode()

    handler = grpc.method_handlers_generic_handler("t.Who", {"Am": grpc.unary_unary_rpc_method_handler(answer)})
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_secure_port("127.0.0.1:0", server_identity.grpc_server_credentials())
    server.start()
    try:
        with grpc.secure_channel(f"localhost:{port}", client_identity.grpc_channel_credentials()) as channel:
            answered: bytes = channel.unary_unary("/t.Who/Am", bytes, bytes)(b"", timeout=10)
            return answered
    finally:
        server.stop(None).wait()


def test_grpc_between_marbles_works_and_tells_the_callers_type(web: Identity, receipts: Identity) -> None:
    assert grpc_call(receipts, web) == b"web"


def test_grpc_does_not_reach_another_deployment(web: Identity, stranger: Identity) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        grpc_call(stranger, web)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_certificate_secret_is_no_marble(pki: MarblePki) -> None:
    chain = load_pem_chain(pki.given(None)["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"])
    with pytest.raises(NotAMarble, match="expected a marble type, got none"):
        Identity.peer_marble_type(der(chain[0]))


@pytest.mark.parametrize("shown", [None, b"", b"\x30\x00"])
def test_a_peer_without_certificate_has_no_type(shown: bytes | None) -> None:
    with pytest.raises(NotAMarble, match="peer"):
        Identity.peer_marble_type(shown)


def test_outside_of_a_marble_there_is_no_identity() -> None:
    with pytest.raises(NotAMarble, match=r"PRIVATE_KEY.*\n.*marble run --"):
        Identity.from_environ({})


def test_an_identity_does_not_show_its_key(web: Identity) -> None:
    assert "PRIVATE" not in repr(web)


@pytest.fixture(params=["memory", "no memory file", "no proc"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no memory file":
        monkeypatch.delattr(os, "memfd_create")
    if request.param == "no proc":
        exists = os.path.exists
        monkeypatch.setattr(os.path, "exists", lambda path: not str(path).startswith("/proc/") and exists(path))
    return str(request.param)


def test_no_file_ever_holds_the_key_in_clear(
    way: str, web: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    load: Callable[..., None] = ssl.SSLContext.load_cert_chain

    def spy(context: ssl.SSLContext, path: str, password: str | None = None) -> None:
        seen.extend(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        load(context, path, password=password)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    web.client_context()
    assert (0 if way == "memory" else 1) == len(seen)
    assert all(b"ENCRYPTED PRIVATE KEY" in content and web.key_pem not in content for content in seen)
    assert list(tmp_path.iterdir()) == []


def test_key_and_certificate_must_be_a_pair(way: str, web: Identity, receipts: Identity) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)mismatch"):
        contexts.load_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), web.chain_pem, receipts.key_pem)
