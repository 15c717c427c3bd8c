"""A coordinator that speaks the real protocol through the real marble door, and decides as a test tells it.

It verifies nothing: what came in is kept for the test to look at.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cryptography import x509
from OpenSSL import SSL

from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve
from coordinator.rpc.unary import Handler, Peer, RpcError, RpcLimits, StatusCode, UnaryProtocol
from marble.join_protocol import CHALLENGE, JOIN, Challenge, Sealed, decode_join, encode_challenge, encode_sealed
from marble.protocol import (
    METHOD,
    ActivationRequest,
    Parameters,
    decode_request,
    encode_request,
    encode_response,
    parse_uuid,
)
from marble.sealing import Recipient
from pki.certificates import der
from pki.keys import PrivateKey, public_of_known_kind, spki_der
from tests.fakes.marble_pki import MarblePki


@dataclass
class FakeCoordinator:
    """refusals: answered first, one for each call; afterwards every call is granted.

    parameters: granted beside the four reserved variables.  answer: these bytes instead, right or wrong.
    marble_type, uuid: what the granted certificate says instead of what was asked for.
    shown: the certificate and key of the TLS door instead of the marble root's.
    native: it knows the join with a nonce, too.
    """

    pki: MarblePki
    refusals: list[tuple[StatusCode, str]] = field(default_factory=list)
    parameters: Parameters = field(default_factory=Parameters)
    answer: bytes | None = None
    marble_type: str | None = None
    uuid: str | None = None
    changed: Mapping[str, bytes] = field(default_factory=dict)
    shown: tuple[x509.Certificate, PrivateKey] | None = None
    alpn: Sequence[str] = ("h2",)
    hold: asyncio.Event | None = None
    native: bool = False
    port: int = 0
    requests: list[ActivationRequest] = field(default_factory=list)
    certificates: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeCoordinator"]:
        context = self._context()
        methods: dict[str, Handler] = {METHOD: self._activate}
        if self.native:
            methods |= {CHALLENGE: self._challenge, JOIN: self._join}
        server = await serve(
            lambda: UnaryProtocol(methods, RpcLimits()),
            lambda: context,
            host="127.0.0.1",
            port=self.port,
            limits=TlsLimits(),
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def _context(self) -> SSL.Context:
        certificate, key = self.shown or (self.pki.marble_root, self.pki.intermediate_key)
        return make_context([certificate], key, client_certificate=ClientCertificate.REQUIRE, alpn=self.alpn)

    async def _challenge(self, _: bytes, peer: Peer) -> bytes:
        return encode_challenge(Challenge(b"n" * 32, der(self.pki.root)))

    async def _join(self, message: bytes, peer: Peer) -> bytes:
        asked = decode_join(message)
        bound = asked.bound(peer.leaf_der or b"", spki_der(public_of_known_kind(self.pki.root.public_key())))
        as_activation = ActivationRequest(asked.evidence, asked.csr, asked.marble_type, asked.uuid)
        answer = await self._activate(encode_request(as_activation), peer)
        return encode_sealed(Sealed(Recipient(asked.sealing_key).seal(answer, bound), None))

    async def _activate(self, message: bytes, peer: Peer) -> bytes:
        request = decode_request(message)
        self.requests.append(request)
        self.certificates.append(peer.leaf_der or b"")
        if self.hold is not None:
            await self.hold.wait()
        if self.refusals:
            code, reason = self.refusals.pop(0)
            raise RpcError(code, reason)
        if self.answer is not None:
            return self.answer
        uuid = self.uuid or str(parse_uuid(request.uuid))
        reserved = {**self.pki.given(self.marble_type or request.marble_type, uuid), **self.changed}
        return encode_response(
            Parameters(self.parameters.files, {**self.parameters.env, **reserved}, self.parameters.argv)
        )
