"""Who activates?  Marbles made before the clock starts: key, certificate, evidence, request, and a TLS end.

As MarbleRun's own start-up code does it (contract, 2.2, 2.3 and 2.6): a fresh P-384 key, a self-signed certificate,
a CSR of the same key and evidence over SHA-256 of the certificate.  Written from the contract, not with `marble/`,
so that the load generator and the product do not share an error.
"""

import ipaddress
import socket
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL

from attestation.binding import of_certificate
from attestation.evidence import with_open_enclave_header
from attestation.issue import Issuer
from bench.http2 import unary_request
from marble.protocol import METHOD, ActivationRequest, encode_request

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MarbleRun Marble")])
_SUBJECT_NAMES = x509.SubjectAlternativeName(
    [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
)
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_agreement=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class PreparedMarble:
    """Everything that one activation needs.  connection: a TLS client end on a socket that is not connected yet."""

    marble_type: str
    uuid: str
    request: bytes
    connection: SSL.Connection


def client_context(alpn: str) -> SSL.Context:
    """TLS 1.3 that takes any server certificate, as real marbles do."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_alpn_protos([alpn.encode()])
    return context


def client_end(context: SSL.Context) -> SSL.Connection:
    """A TLS client end on a fresh, unconnected socket without delay."""
    end = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = SSL.Connection(context, end)
    connection.set_connect_state()
    return connection


def prepare(marble_type: str, context: SSL.Context, issuer: Issuer, *, now: datetime) -> PreparedMarble:
    """One marble that is ready to activate."""
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(_SUBJECT_NAMES, critical=False)
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(key, hashes.SHA384())
    )
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_NAME)
        .add_extension(_SUBJECT_NAMES, critical=False)
        .sign(key, hashes.SHA384())
    )
    der = serialization.Encoding.DER
    quote = issuer.issue(of_certificate(certificate.public_bytes(der)).report_data)
    identity = str(uuid.uuid4())
    request = ActivationRequest(
        quote=with_open_enclave_header(quote.raw), csr=csr.public_bytes(der), marble_type=marble_type, uuid=identity
    )
    connection = client_end(context)
    connection.use_certificate(certificate)
    connection.use_privatekey(key)
    return PreparedMarble(marble_type, identity, unary_request(METHOD, encode_request(request)), connection)
