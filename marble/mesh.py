"""How does a Python workload talk to its fellow marbles?  Its identity as `ssl` contexts and gRPC credentials.

    from marble.mesh import Identity
    me = Identity.from_environ()
    server = await asyncio.start_server(serve, port=8443, ssl=me.server_context())          # only marbles come in
    reader, writer = await asyncio.open_connection("receipts", 8443, ssl=me.client_context())

Who is at the other end?  Every marble of the deployment is let in; ask for its type where that is not enough:

    if me.peer_marble_type(writer.get_extra_info("ssl_object").getpeercert(True)) != "receipts": ...

gRPC (with the extra `grpc`): `server.add_secure_port("[::]:8443", me.grpc_server_credentials())` and
`grpc.secure_channel("receipts:8443", me.grpc_channel_credentials())`.
Source: MarbleRun contract, sections 2.6 and 2.7.
"""

import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cryptography import x509

from marble.contexts import load_identity
from marble.errors import MarbleError
from marble.peer import marble_type_of
from marble.settings import CERTIFICATE_CHAIN, PRIVATE_KEY, ROOT_CA
from pki.certificates import CertificateFormatError, load_der, load_pem_chain

if TYPE_CHECKING:
    import grpc


class NotAMarble(MarbleError):
    """There is no marble's identity here, or the peer has none."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("A263", message, hint)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the coordinator gave this marble: certificate chain (leaf first), PKCS#8 key, and the marbles' root; PEM."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    root_pem: bytes

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Identity":
        """The identity of this process.  Raises NotAMarble outside of one that the launcher started."""
        if missing := [name for name in (CERTIFICATE_CHAIN, PRIVATE_KEY, ROOT_CA) if not environ.get(name)]:
            raise NotAMarble(
                f"expected the environment of a marble, got no {', '.join(missing)}", "start it with `marble run --`"
            )
        return cls(*(os.fsencode(environ[name]) for name in (CERTIFICATE_CHAIN, PRIVATE_KEY, ROOT_CA)))

    def server_context(self) -> ssl.SSLContext:
        """For a server that only marbles of this deployment may reach: TLS 1.3, client certificate required."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def public_server_context(self) -> ssl.SSLContext:
        """For a server that anybody may reach: no client certificate is asked for, TLS 1.2 is enough.

        Clients trust the coordinator's root certificate, to which the chain leads.
        """
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client of such a server.  The server's name must be among its EDG_MARBLE_DNS_NAMES."""
        return self._context(ssl.PROTOCOL_TLS_CLIENT)

    def grpc_server_credentials(self) -> "grpc.ServerCredentials":
        """`server_context` for grpcio; it raises ImportError without the extra `grpc`."""
        import grpc

        return grpc.ssl_server_credentials(
            [(self.key_pem, self.chain_pem)], root_certificates=self.root_pem, require_client_auth=True
        )

    def grpc_channel_credentials(self) -> "grpc.ChannelCredentials":
        """`client_context` for grpcio; it raises ImportError without the extra `grpc`."""
        import grpc

        return grpc.ssl_channel_credentials(self.root_pem, self.key_pem, self.chain_pem)

    @staticmethod
    def peer_marble_type(certificate_der: bytes | None) -> str:
        """The marble type of a peer whose certificate TLS has verified, as `getpeercert(binary_form=True)` gives it.

        Raises NotAMarble for a certificate without a type (one of the manifest's secrets, say), or for None.
        """
        if certificate_der is None:
            raise NotAMarble("peer: expected a marble's certificate, got none")
        try:
            return _type_of(load_der(certificate_der))
        except CertificateFormatError as cause:
            raise NotAMarble(f"peer: {cause}") from cause

    @staticmethod
    def grpc_peer_marble_type(context: "grpc.ServicerContext") -> str:
        """`peer_marble_type` of a call's client, inside a handler of a server with `grpc_server_credentials`."""
        # grpc-stubs says bytes; grpcio gives a sequence of bytes for each property.
        shown = cast(Mapping[str, Sequence[bytes]], context.auth_context()).get("x509_pem_cert")
        if not shown:
            raise NotAMarble("peer: expected a marble's certificate, got none")
        try:
            return _type_of(load_pem_chain(shown[0])[0])
        except CertificateFormatError as cause:
            raise NotAMarble(f"peer: {cause}") from cause

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=self.root_pem.decode("ascii"))
        load_identity(context, self.chain_pem, self.key_pem)
        return context


def _type_of(certificate: x509.Certificate) -> str:
    found = marble_type_of(certificate)
    if found is None:
        raise NotAMarble(f"peer '{certificate.subject.rfc4514_string()}': expected a marble type, got none")
    return found
