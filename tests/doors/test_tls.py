"""What a door asks, shows and tells, to real clients over real sockets."""

import asyncio
import base64
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve
from pki import certificates

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CLIENTS = (
    "self-signed p-256",
    "self-signed p-384",
    "self-signed rsa",
    "below rsa",
    "expired",
    "for servers only",
    "chain of an unknown authority",
    "leaf of an unknown authority",
)
requires_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
requires_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the curl command is not installed")


def blocking(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    return context.wrap_socket(connection, server_hostname="localhost")


def talk(port: int, context: ssl.SSLContext, text: bytes = b"hello") -> tuple[bytes, bytes]:
    """The echo of a text, and the certificate that the server showed."""
    with blocking(port, context) as connection:
        connection.sendall(text)
        got = b""
        while len(got) < len(text):
            got += connection.recv(65536)
        shown = connection.getpeercert(binary_form=True)
        assert shown
        return got, shown


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("client", CLIENTS)
async def test_every_certificate_is_taken_and_its_leaf_told(
    open_door: Any, echo: Any, identities: Any, client_context: Any, client: str, version: ssl.TLSVersion
) -> None:
    async with open_door(echo, client_certificate=ClientCertificate.REQUIRE) as door:
        got, shown = await asyncio.to_thread(talk, door.port, client_context(identities[client], version=version))
    assert got == b"hello"
    assert shown == identities["server"].leaf_der
    assert door.inner[0].leaf_der == identities[client].leaf_der


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("client", ["slow rsa", "below slow rsa"])
async def test_a_key_whose_signatures_take_long_to_check_is_refused_before_it_is_used(
    open_door: Any, echo: Any, identities: Any, client_context: Any, client: str, version: ssl.TLSVersion
) -> None:
    """Its twins with exponent 65537 are among those above."""
    async with open_door(echo, client_certificate=ClientCertificate.REQUIRE) as door:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(talk, door.port, client_context(identities[client], version=version))
    assert door.inner == []


@pytest.mark.parametrize("version", [V12, V13])
async def test_where_a_certificate_is_only_requested_a_peer_may_come_without(
    open_door: Any, echo: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    async with open_door(echo) as door:
        assert (await asyncio.to_thread(talk, door.port, client_context(version=version)))[0] == b"hello"
    assert door.inner[0].leaf_der is None


@pytest.mark.parametrize("version", [V12, V13])
async def test_where_a_certificate_is_required_a_peer_without_one_gets_an_alert(
    open_door: Any, echo: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    async with open_door(echo, client_certificate=ClientCertificate.REQUIRE) as door:
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required|handshake.failure"):
            await asyncio.to_thread(talk, door.port, client_context(version=version))
    assert door.inner == []


@pytest.mark.parametrize("version", [V12, V13])
async def test_someone_elses_certificate_with_another_key_is_refused(
    open_door: Any, echo: Any, identities: Any, client_context: Any, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    victim = identities["self-signed p-256"]
    scalar = victim.key.private_numbers().private_value
    async with open_door(echo, client_certificate=ClientCertificate.REQUIRE) as door:

        def attempt(scalar: int) -> bytes:
            file = tmp_path / f"{scalar}.pem"
            file.write_bytes(certificates.pem(*victim.chain) + key_that_claims_a_public_half(victim.key, scalar))
            client = client_context(version=version)
            client.load_cert_chain(file)
            return talk(door.port, client)[0]

        assert await asyncio.to_thread(attempt, scalar) == b"hello"
        with pytest.raises(ssl.SSLError, match=r"(?i)decrypt.error"):
            await asyncio.to_thread(attempt, scalar - 1)
    assert len(door.inner) == 1


def key_that_claims_a_public_half(key: ec.EllipticCurvePrivateKey, scalar: int) -> bytes:
    """PEM of a P-256 key with the given scalar beside the public half of `key`: a thief's.

    OpenSSL's client compares only the public halves of key and certificate.  Source of the form: RFC 5915.
    """
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    body = b"\x02\x01\x01\x04\x20" + scalar.to_bytes(32, "big") + bytes.fromhex("a00a06082a8648ce3d030107a144034200")
    text = base64.encodebytes(b"\x30" + bytes([len(body + point)]) + body + point)
    return b"-----BEGIN EC PRIVATE KEY-----\n" + text + b"-----END EC PRIVATE KEY-----\n"


@pytest.mark.parametrize("version", [V12, V13])
async def test_a_new_certificate_is_shown_from_the_next_handshake_on_and_old_connections_live(
    identities: Any, echo: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    contexts = [
        make_context(
            identities[name].chain,
            identities[name].key,
            client_certificate=ClientCertificate.REQUEST,
            alpn=("http/1.1",),
        )
        for name in ("server", "other server")
    ]
    current = contexts[0]
    server = await serve(echo, lambda: current, host="127.0.0.1", port=0, limits=TlsLimits())
    port = server.sockets[0].getsockname()[1]
    client = client_context(version=version)
    old = await asyncio.to_thread(blocking, port, client)
    current = contexts[1]
    assert (await asyncio.to_thread(talk, port, client))[1] == identities["other server"].leaf_der

    def still_alive() -> bytes:
        with old:
            old.sendall(b"old")
            return old.recv(100)

    assert await asyncio.to_thread(still_alive) == b"old"
    server.close()


async def test_protocols_agree_by_our_order_and_no_overlap_is_a_fatal_alert(
    open_door: Any, echo: Any, client_context: Any
) -> None:
    async with open_door(echo, alpn=("h2", "http/1.1")) as door:

        def agreed(*alpn: str) -> str | None:
            with blocking(door.port, client_context(alpn=alpn)) as connection:
                return connection.selected_alpn_protocol()

        assert await asyncio.to_thread(agreed, "http/1.1", "h2") == "h2"
        assert await asyncio.to_thread(agreed, "http/1.1") == "http/1.1"
        assert await asyncio.to_thread(agreed) is None
        with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            await asyncio.to_thread(agreed, "spdy/3")
        assert await asyncio.to_thread(agreed, "h2") == "h2"


@requires_openssl
async def test_old_versions_are_refused_with_an_alert_and_new_ones_taken(open_door: Any, echo: Any, run: Any) -> None:
    async with open_door(echo) as door:
        command = ("openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", "-cipher", "ALL:@SECLEVEL=0")
        for flag in ("-tls1", "-tls1_1"):
            code, output = await run(*command, flag)
            assert code != 0
            assert "alert protocol version" in output
        for flag, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            code, output = await run(*command, flag)
            assert code == 0
            assert f"New, {name}" in output
            assert "No client certificate CA names sent" in output


@pytest.mark.parametrize("version", [V12, V13])
async def test_sessions_are_not_resumed(
    open_door: Any, echo: Any, identities: Any, client_context: Any, version: ssl.TLSVersion
) -> None:
    client = client_context(identities["self-signed p-256"], version=version)
    async with open_door(echo) as door:

        def twice() -> bool | None:
            with blocking(door.port, client) as first:
                first.sendall(b"x")
                first.recv(1)
                session = first.session
            raw = socket.create_connection(("127.0.0.1", door.port), timeout=5)
            with client.wrap_socket(raw, server_hostname="localhost", session=session) as second:
                second.sendall(b"x")
                second.recv(1)
                return second.session_reused

        assert await asyncio.to_thread(twice) is False
    assert [protocol.leaf_der for protocol in door.inner] == [identities["self-signed p-256"].leaf_der] * 2


@requires_openssl
@pytest.mark.parametrize(("version", "key", "lives"), [("-tls1_2", b"R\n", False), ("-tls1_3", b"K\n", True)])
async def test_renegotiation_is_refused_and_key_update_is_not(
    open_door: Any, echo: Any, version: str, key: bytes, lives: bool
) -> None:
    async with open_door(echo) as door:
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", version),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"before\n")
        await asyncio.wait_for(process.stdout.readuntil(b"before\n"), 5)
        process.stdin.write(key)
        await asyncio.wait_for(process.stdout.readuntil(b"RENEGOTIATING\n" if key == b"R\n" else b"KEYUPDATE\n"), 5)
        if lives:
            process.stdin.write(b"after\n")
            await asyncio.wait_for(process.stdout.readuntil(b"after\n"), 5)
            process.stdin.close()
            await process.wait()
        else:
            assert b"no renegotiation" in await asyncio.wait_for(process.stdout.read(), 5)
            assert await process.wait() != 0


async def test_the_post_quantum_group_is_used_where_the_peer_offers_it(open_door: Any, echo: Any) -> None:
    async with open_door(echo) as door:

        def group() -> str | None:
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            connection = SSL.Connection(context, socket.create_connection(("127.0.0.1", door.port)))
            connection.setblocking(True)
            connection.set_connect_state()
            connection.do_handshake()
            return connection.get_group_name()

        offered = await asyncio.to_thread(group)
        await asyncio.sleep(0.05)
        assert offered == "X25519MLKEM768"
        assert door.inner[0].transport.get_extra_info("tls_group") == offered


async def test_both_ends_export_the_same_keying_material(open_door: Any, echo: Any) -> None:
    async with open_door(echo) as door:

        def exported() -> bytes:
            connection = SSL.Connection(
                SSL.Context(SSL.TLS_CLIENT_METHOD), socket.create_connection(("127.0.0.1", door.port))
            )
            connection.setblocking(True)
            connection.set_connect_state()
            connection.do_handshake()
            connection.sendall(b"x")
            connection.recv(1)
            return connection.export_keying_material(b"EXPERIMENTAL enclasp test", 32, b"context")

        theirs = await asyncio.to_thread(exported)
        export: Callable[..., bytes] = door.inner[0].transport.get_extra_info("tls_exporter")
        assert export(b"EXPERIMENTAL enclasp test", 32, b"context") == theirs
        assert export(b"EXPERIMENTAL enclasp test", 32, b"other") != theirs


async def test_the_transport_tells_what_a_protocol_may_want_to_know(
    open_door: Any, echo: Any, client_context: Any
) -> None:
    async with open_door(echo) as door:
        await asyncio.to_thread(talk, door.port, client_context(version=V12, alpn=("http/1.1",)))
        info = door.inner[0].transport.get_extra_info
        assert (info("alpn"), info("tls_version")) == ("http/1.1", "TLSv1.2")
        assert info("cipher").startswith("ECDHE-ECDSA-")
        assert info("peername")[0] == "127.0.0.1"
        assert info("sslcontext") is not None
        assert info("unheard of", "default") == "default"


def test_a_context_needs_a_chain_and_the_leafs_key(identities: Any) -> None:
    server, other = identities["server"], identities["other server"]
    asked: dict[str, Any] = {"client_certificate": ClientCertificate.REQUEST, "alpn": ("h2",)}
    make_context(server.chain, server.key, **asked)
    with pytest.raises(ValueError, match="not the key of the first certificate"):
        make_context(server.chain, other.key, **asked)
    with pytest.raises(ValueError, match="got none"):
        make_context((), server.key, **asked)


def test_a_chain_is_kept_in_its_order(identities: Any) -> None:
    chain = identities["chain of an unknown authority"]
    make_context(chain.chain, chain.key, client_certificate=ClientCertificate.REQUIRE, alpn=())
    assert isinstance(chain.chain[1], x509.Certificate)
    assert certificates.pem(*chain.chain).count(b"BEGIN") == 2


@requires_curl
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_aiohttp_lives_on_the_door_and_curl_talks_to_it(
    open_door: Any, identities: Any, run: Any, version: str
) -> None:
    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        leaf = request.transport.get_extra_info("peer_leaf_der")
        return web.json_response(
            {"bytes": len(leaf or b""), "secure": request.secure, "got": len(await request.read())}
        )

    application = web.Application(client_max_size=8 << 20)
    application.router.add_route("*", "/who", who)
    runner = web.AppRunner(application)
    await runner.setup()
    assert runner.server is not None
    try:
        async with open_door(runner.server) as door:
            url = f"https://127.0.0.1:{door.port}/who"
            command = ("curl", "-sSk", "--max-time", "5", f"--tlsv{version}", "--tls-max", version, url)
            assert (await run(*command))[1] == '{"bytes": 0, "secure": true, "got": 0}'
            client = identities["expired"]
            expected = f'{{"bytes": {len(client.leaf_der)}, "secure": true, "got": 3000000}}'
            assert (await run(*command, "-E", str(client.path), "--data-binary", "@-", stdin=bytes(3_000_000)))[
                1
            ] == expected
    finally:
        await runner.cleanup()
