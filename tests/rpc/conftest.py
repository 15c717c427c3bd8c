"""The marble door on loopback, a grpcio client, and a client that speaks bare HTTP/2 and may misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest

from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve
from coordinator.rpc.unary import Handler, RpcLimits, UnaryServer
from pki import certificates
from pki.certificates import CertificateTemplate, KeyUsage
from pki.keys import KeyAlgorithm, PrivateKey, generate, private_pem

METHOD = "/rpc.Marble/Activate"
HEADERS = (
    (":method", "POST"),
    (":scheme", "https"),
    (":path", METHOD),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)
DEFAULTS = RpcLimits()


@dataclass(frozen=True, slots=True)
class Identity:
    certificate: bytes
    der: bytes
    key: bytes
    path: Path
    private: PrivateKey


def _identity(name: str, folder: Path) -> Identity:
    key = generate(KeyAlgorithm.EC_P256)
    template = CertificateTemplate(
        certificates.common_name(name),
        dns_names=("localhost",),
        key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.CERT_SIGN,
        is_ca=True,
    )
    certificate = certificates.build(
        template,
        public_key=key.public_key(),
        issuer_name=template.subject,
        issuer_key=key,
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        serial=1,
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificates.pem(certificate) + private_pem(key))
    return Identity(certificates.pem(certificate), certificates.der(certificate), private_pem(key), path, key)


@pytest.fixture(scope="session")
def server_identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return _identity("coordinator", tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def client_identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return _identity("marble", tmp_path_factory.mktemp("client"))


@dataclass(frozen=True, slots=True)
class MarbleDoor:
    port: int
    server: UnaryServer


@pytest.fixture
def marble_door(server_identity: Identity) -> Callable[..., AbstractAsyncContextManager[MarbleDoor]]:
    """marble_door(handler | methods, limits): a UnaryServer on a TLS door that requires a client certificate."""

    @asynccontextmanager
    async def _open(
        methods: Handler | Mapping[str, Handler], limits: RpcLimits = DEFAULTS
    ) -> AsyncIterator[MarbleDoor]:
        server = UnaryServer(methods if isinstance(methods, Mapping) else {METHOD: methods}, limits)
        context = make_context(
            certificates.load_pem_chain(server_identity.certificate),
            server_identity.private,
            client_certificate=ClientCertificate.REQUIRE,
            alpn=("h2",),
        )
        listener = await serve(server, lambda: context, host="127.0.0.1", port=0, limits=TlsLimits())
        try:
            yield MarbleDoor(listener.sockets[0].getsockname()[1], server)
        finally:
            listener.close()
            server.drain()
            await asyncio.sleep(0.01)

    return _open


@pytest.fixture
def call(server_identity: Identity, client_identity: Identity) -> Callable[..., Any]:
    """call(port, message, method=…, timeout=…, **options): the answer, by grpcio, in a thread; raises grpc.RpcError."""

    async def _call(
        port: int, message: bytes, *, method: str = METHOD, timeout: float = 5, times: int = 1, **options: Any
    ) -> bytes:
        def blocking() -> bytes:
            credentials = grpc.ssl_channel_credentials(
                server_identity.certificate, client_identity.key, client_identity.certificate
            )
            settings = [("grpc.ssl_target_name_override", "localhost"), ("grpc.max_receive_message_length", -1)]
            with grpc.secure_channel(f"127.0.0.1:{port}", credentials, settings) as channel:
                stub = channel.unary_unary(method, bytes, bytes)
                for _ in range(times - 1):
                    stub(message, timeout=timeout, **options)
                answer = stub(message, timeout=timeout, **options)
                assert isinstance(answer, bytes)
                return answer

        return await asyncio.to_thread(blocking)

    return _call


Kinds = type[h2.events.Event] | tuple[type[h2.events.Event], ...]


class Bare:
    """HTTP/2 by hand.  `h2`: the client's h2 connection, whose checks of outgoing frames are off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        configuration = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="utf-8"
        )
        self.h2 = h2.connection.H2Connection(configuration)
        self.h2.initiate_connection()
        self.seen: list[h2.events.Event] = []

    def open(self, headers: Any = HEADERS, *, end: bool = False) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, headers, end_stream=end)
        return stream_id

    async def flush(self) -> None:
        await self.send(self.h2.data_to_send())

    async def send(self, data: bytes) -> None:
        """Write; a server that has cut us off is no error here."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, ssl.SSLError):
            return

    async def until(self, kind: Kinds, seconds: float = 3.0) -> h2.events.Event | None:
        """The next event of a kind; None when the server has closed (an empty tuple waits for that)."""
        async with asyncio.timeout(seconds):
            while True:
                for index, event in enumerate(self.seen):
                    if isinstance(event, kind):
                        del self.seen[index]
                        return event
                try:
                    data = await self.reader.read(65536)
                except (ConnectionError, ssl.SSLError):
                    data = b""
                if not data:
                    return None
                try:
                    self.seen += self.h2.receive_data(data)
                except h2.exceptions.ProtocolError:
                    continue
                await self.flush()

    async def trailers(self, seconds: float = 3.0) -> dict[str, str]:
        """The next header block that ends a call."""
        while True:
            event = await self.until((h2.events.ResponseReceived, h2.events.TrailersReceived), seconds)
            assert event is not None, "the server closed the connection"
            headers = dict(event.headers)  # type: ignore[attr-defined]
            if "grpc-status" in headers or headers.get(":status", "200") != "200":
                return headers


@pytest.fixture
def bare(client_identity: Identity) -> Callable[[int], AbstractAsyncContextManager[Bare]]:
    @asynccontextmanager
    async def _connect(port: int) -> AsyncIterator[Bare]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(client_identity.path)
        context.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        client = Bare(reader, writer)
        await client.flush()
        try:
            yield client
        finally:
            writer.transport.abort()

    return _connect
