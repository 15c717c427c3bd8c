"""A marble as a MarbleRun client is one: fresh key, self-signed certificate, CSR, evidence, one Activate by grpcio."""

import datetime as dt
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from attestation.binding import of_certificate
from attestation.evidence import with_open_enclave_header
from attestation.issue import find_issuer
from attestation.kinds import Kind
from marble import activation_pb2 as wire

UUID = "3f2c1b7e-1111-4222-8333-944455566677"


@dataclass
class Join:
    """What one activation sends; change a field before `send` to send something else."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    quote: bytes
    csr: bytes
    marble_type: str
    uuid: str = UUID
    extra_chain: list[x509.Certificate] = field(default_factory=list)

    def request(self) -> wire.ActivationReq:
        return wire.ActivationReq(Quote=self.quote, CSR=self.csr, MarbleType=self.marble_type, UUID=self.uuid)


def simulated(folder: Path, kind: Kind, program: Path) -> Callable[[bytes], bytes]:
    """A quote for report data, as the simulated environment in `folder` makes it for `program`."""
    environ = {"ENCLASP_SIMULATION": str(folder / "simulation"), "ENCLASP_SIMULATION_KIND": kind.value}
    issuer = find_issuer(environ, [str(program)])

    def quote(report_data: bytes) -> bytes:
        raw = issuer.issue(report_data).raw
        return with_open_enclave_header(raw) if kind is Kind.SGX else raw

    return quote


def prepare(quote: Callable[[bytes], bytes], marble_type: str) -> Join:
    """Everything fresh, as MarbleRun's premain does it (contract 2.2, 2.3, 2.6)."""
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = self_signed(key)
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Join(key, certificate, quote(of_certificate(der).report_data), signing_request(key), marble_type)


def self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """CN `MarbleRun Marble`, valid for a day."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "MarbleRun Marble")])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - a client's clock
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA384())
    )


def signing_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """CSR with an organisation (to be dropped), a country (to be kept) and names."""
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "dropped"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "replaced"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = request.add_extension(x509.SubjectAlternativeName([x509.DNSName("m.example")]), critical=False)
    return request.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.DER)


def server_certificate(address: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> str:
    """The PEM of what the mesh door shows (it wants a client certificate first)."""
    host, port = address.rsplit(":", 1)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.settimeout(None)
        connection = SSL.Connection(context, raw)
        connection.set_connect_state()
        connection.do_handshake()
        shown = connection.get_peer_certificate(as_cryptography=True)
        connection.close()
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown.public_bytes(serialization.Encoding.DER))


def send(address: str, join: Join, *, timeout: float = 20) -> wire.ActivationResp:
    """One Activate over a new connection, with grpcio's own client.  Raises grpc.RpcError."""
    server = server_certificate(address, join.key, join.certificate)
    chain = [join.certificate, *join.extra_chain]
    credentials = grpc.ssl_channel_credentials(
        root_certificates=server.encode(),
        private_key=join.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate_chain=b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain),
    )
    options = [
        ("grpc.ssl_target_name_override", "localhost"),
        ("grpc.min_reconnect_backoff_ms", int(timeout * 1000)),  # which is how long a connection may take to be there
    ]
    with grpc.secure_channel(address, credentials, options) as channel:
        activate = channel.unary_unary(
            "/rpc.Marble/Activate",
            request_serializer=wire.ActivationReq.SerializeToString,
            response_deserializer=wire.ActivationResp.FromString,
        )
        return activate(join.request(), timeout=timeout)
