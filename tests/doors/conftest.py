"""A door on loopback, certificates of every sort, and plain clients: the standard library's, openssl's and curl's."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve
from pki import certificates
from pki.certificates import CertificateTemplate, KeyUsage
from pki.keys import KeyAlgorithm, PrivateKey, generate, generate_rsa, private_pem
from tests.support.slow_keys import slow_rsa


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate, its key, and a PEM file with both for clients that want a file."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    path: Path

    @property
    def leaf_der(self) -> bytes:
        return certificates.der(self.chain[0])


@dataclass(frozen=True, slots=True)
class Door:
    """An open door.  inner: every protocol that was carried, in the order of the connections."""

    server: asyncio.Server
    port: int
    inner: list[asyncio.Protocol]


def _certificate(
    name: str,
    key: PrivateKey,
    issuer: tuple[str, PrivateKey] | None = None,
    *,
    not_before: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    lifetime: timedelta = certificates.FOREVER,
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
) -> x509.Certificate:
    template = CertificateTemplate(
        certificates.common_name(name),
        dns_names=("localhost",),
        key_usage=KeyUsage.DIGITAL_SIGNATURE | KeyUsage.CERT_SIGN,
        extended_key_usage=purposes,
        is_ca=True,
    )
    return certificates.build(
        template,
        public_key=key.public_key(),
        issuer_name=certificates.common_name(issuer[0]) if issuer else template.subject,
        issuer_key=issuer[1] if issuer else key,
        not_before=not_before,
        not_after=not_before + lifetime,
        serial=hash(name) % 2**64 + 1,
    )


@pytest.fixture(scope="session")
def identities() -> Iterator[dict[str, Identity]]:
    """Servers `server`, `other server`; clients of every sort that a door must take."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Identity] = {}

        def add(name: str, key: PrivateKey, *chain: x509.Certificate) -> None:
            path = Path(folder) / f"{name.replace(' ', '-')}.pem"
            path.write_bytes(certificates.pem(*chain) + private_pem(key))
            found[name] = Identity(chain, key, path)

        p256, p384 = generate(KeyAlgorithm.EC_P256), generate(KeyAlgorithm.EC_P384)
        add("server", p384, _certificate("server", p384))
        add("other server", p256, _certificate("other server", p256))
        add("self-signed p-256", p256, _certificate("client", p256))
        add("self-signed p-384", p384, _certificate("client", p384))
        long_ago = datetime(2019, 1, 1, tzinfo=UTC)
        add("expired", p256, _certificate("expired", p256, not_before=long_ago, lifetime=timedelta(days=1)))
        for_servers = _certificate("for servers", p256, purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))
        add("for servers only", p256, for_servers)
        below = _certificate("below", p256, ("unknown", p384))
        add("chain of an unknown authority", p256, below, _certificate("unknown", p384))
        add("leaf of an unknown authority", p256, below)
        rsa, slow = generate_rsa(2048), slow_rsa()
        add("self-signed rsa", rsa, _certificate("client", rsa))
        add("slow rsa", slow, _certificate("client", slow))
        add("below slow rsa", p256, _certificate("below", p256, ("slow", slow)), _certificate("slow", slow))
        add("below rsa", p256, _certificate("below", p256, ("other", rsa)), _certificate("other", rsa))
        yield found


Connect = Callable[..., ssl.SSLContext]


@pytest.fixture
def client_context() -> Connect:
    """client_context(identity, version=…, alpn=…): a standard library client that trusts everybody."""

    def _make(
        identity: Identity | None = None, *, version: ssl.TLSVersion | None = None, alpn: tuple[str, ...] = ()
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        if identity:
            context.load_cert_chain(identity.path)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    return _make


DEFAULTS = TlsLimits()
OpenDoor = Callable[..., AbstractAsyncContextManager[Door]]


@pytest.fixture
def open_door(identities: dict[str, Identity]) -> OpenDoor:
    """open_door(factory, client_certificate=…, alpn=…, limits=…): a Door, as an async context manager."""

    @asynccontextmanager
    async def _open(
        factory: Callable[[], asyncio.Protocol],
        *,
        client_certificate: ClientCertificate = ClientCertificate.REQUEST,
        alpn: tuple[str, ...] = ("http/1.1",),
        limits: TlsLimits = DEFAULTS,
        identity: str = "server",
    ) -> AsyncIterator[Door]:
        server_identity = identities[identity]
        context = make_context(
            server_identity.chain, server_identity.key, client_certificate=client_certificate, alpn=alpn
        )
        inner: list[asyncio.Protocol] = []

        def make() -> asyncio.Protocol:
            inner.append(factory())
            return inner[-1]

        server = await serve(make, lambda: context, host="127.0.0.1", port=0, limits=limits)
        try:
            yield Door(server, server.sockets[0].getsockname()[1], inner)
        finally:
            server.close()
            for protocol in inner:
                if isinstance(transport := getattr(protocol, "transport", None), asyncio.Transport):
                    transport.abort()
            await asyncio.sleep(0)

    return _open


@pytest.fixture
def run() -> Callable[..., Awaitable[tuple[int, str]]]:
    """run(*command, stdin=…): exit code and everything that another program printed."""

    async def _run(*command: str, stdin: bytes = b"") -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(stdin), 10)
        assert process.returncode is not None
        return process.returncode, output.decode(errors="replace")

    return _run


class Echo(asyncio.Protocol):
    """Sends back what it gets, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.leaf_der = transport.get_extra_info("peer_leaf_der")

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost" if exc is None else f"lost: {exc}")
        self.lost.set()


@pytest.fixture
def echo() -> type[Echo]:
    return Echo
