"""A door: which certificate is shown, what is asked of the peer, and the listening socket.

The peer's certificate is asked for and never judged here: self-signed, expired, for any purpose, all pass, and OpenSSL
only checks that the peer holds its key.  The application judges, by `transport.get_extra_info("peer_leaf_der")`.
What comes after the leaf counts for nothing, but OpenSSL would verify it: so a chain is cut, and a key with which one
handshake would cost as much as twenty is refused before it is used.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from enum import Enum

from cryptography import x509
from OpenSSL import SSL, crypto

from coordinator.doors.engine import NoCommonProtocol
from coordinator.doors.gate import Gate
from coordinator.doors.limits import TlsLimits
from coordinator.doors.tls_transport import TlsServerProtocol
from pki.keys import PrivateKey, is_slow

__all__ = ["ClientCertificate", "TlsLimits", "make_context", "serve", "serve_on"]

_BACKLOG = 1024
# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else anyway.
_TLS_1_2_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_MAX_CHAIN_DEPTH = 0


class ClientCertificate(Enum):
    """REQUEST: a peer may come without one.  REQUIRE: without one the handshake fails."""

    REQUEST = "request"
    REQUIRE = "require"


def make_context(
    chain: Sequence[x509.Certificate],
    key: PrivateKey,
    *,
    client_certificate: ClientCertificate,
    alpn: Sequence[str],
) -> SSL.Context:
    """What a door shows and asks.  About 2 ms; a context is never changed, a new certificate needs a new one.

    chain: the leaf first; ValueError if it is empty or the key is not the leaf's.
    alpn: in the order of our preference; a peer that offers others only is refused, one without ALPN is taken.
    TLS 1.2 and 1.3; no compression, renegotiation, session cache or TLS 1.2 ticket.  (OpenSSL sends two TLS 1.3 tickets
    that nothing here can resume: pyOpenSSL has no switch for them.)
    """
    if not chain:
        raise ValueError("TLS context: expected at least one certificate, got none")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(
        SSL.OP_NO_RENEGOTIATION
        | SSL.OP_NO_TICKET
        | SSL.OP_NO_COMPRESSION
        | SSL.OP_CIPHER_SERVER_PREFERENCE
        | SSL.OP_SINGLE_ECDH_USE
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_TLS_1_2_CIPHERS)
    context.use_certificate(chain[0])
    for certificate in chain[1:]:
        context.add_extra_chain_cert(certificate)
    try:
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error as cause:
        raise ValueError("TLS context: the private key is not the key of the first certificate") from cause
    mode = SSL.VERIFY_PEER
    if client_certificate is ClientCertificate.REQUIRE:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode, _accept)
    context.set_verify_depth(_MAX_CHAIN_DEPTH)
    context.set_alpn_select_callback(_chooser_of(tuple(name.encode("ascii") for name in alpn)))
    return context


async def serve(
    factory: Callable[[], asyncio.Protocol],
    chooser: Callable[[], SSL.Context],
    *,
    host: str | Sequence[str] | None,
    port: int,
    limits: TlsLimits,
) -> asyncio.Server:
    """Listen, and carry one protocol of `factory` over each TLS connection.

    chooser: asked at the start of every handshake, so that a new certificate is shown from then on.
    host: None for all interfaces.  What the transport tells the protocol: TlsTransport.
    """
    gate = Gate(limits)
    return await asyncio.get_running_loop().create_server(
        lambda: TlsServerProtocol(factory, chooser, limits, gate), host, port, backlog=_BACKLOG
    )


async def serve_on(
    listening: socket.socket,
    factory: Callable[[], asyncio.Protocol],
    chooser: Callable[[], SSL.Context],
    *,
    limits: TlsLimits,
) -> asyncio.Server:
    """As `serve`, on a socket that listens already; it stays the caller's own."""
    gate = Gate(limits)
    return await asyncio.get_running_loop().create_server(
        lambda: TlsServerProtocol(factory, chooser, limits, gate), sock=listening.dup(), backlog=_BACKLOG
    )


def _accept(connection: object, certificate: crypto.X509, error: int, depth: int, verified: int) -> bool:
    """Any certificate.  OpenSSL asks for the top of the (cut) chain before it uses the key there, then for the leaf."""
    try:
        key = certificate.get_pubkey()
        return key.type() != crypto.TYPE_RSA or not is_slow(key.to_cryptography_key())
    except (crypto.Error, ValueError):
        return False


def _chooser_of(ours: tuple[bytes, ...]) -> Callable[[SSL.Connection, list[bytes]], bytes]:
    def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
        for name in ours:
            if name in offered:
                return name
        raise NoCommonProtocol("the peer offers no application protocol that this door speaks")

    return choose
