"""A server that speaks HTTPS and answers what a test tells it: a coordinator's front door, seen from outside."""

import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509

from coordinator.client.endpoint import Endpoint
from pki import certificates, keys


@dataclass(slots=True)
class Seen:
    """Requests as they came: method, path with query, body."""

    requests: list[tuple[str, str, bytes]] = field(default_factory=list)


Answering = Callable[[str, str, bytes], tuple[int, bytes]]


@contextmanager
def rest_server(
    chain: tuple[x509.Certificate, ...], key: keys.PrivateKey, answer: Answering
) -> Iterator[tuple[Endpoint, Seen]]:
    """Serve on a free port of loopback while the block runs.  answer: (method, path, body) -> (status, body)."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.requests.append((self.command, self.path, body))
            status, reply = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = _answer
        do_POST = _answer
        do_PUT = _answer
        do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `seen`."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that leaves is not an error here."""

    server = Server(("127.0.0.1", 0), Handler)
    context = server_context(chain, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Endpoint("127.0.0.1", server.server_address[1]), seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def server_context(chain: tuple[x509.Certificate, ...], key: keys.PrivateKey) -> ssl.SSLContext:
    """A server's context that shows this chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "identity.pem"
        file.write_bytes(keys.private_pem(key) + certificates.pem(*chain))
        context.load_cert_chain(file)
    return context
