"""Intel's PCS and AMD's KDS on loopback: paths, queries, headers and status codes as they document them."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

Reply = tuple[int, Mapping[str, str], bytes]


@dataclass
class Service:
    """pages: what is at a path with its query.  first: replies before that, by path, each given once."""

    pages: dict[str, Reply] = field(default_factory=dict)
    first: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def reply(self, path: str) -> Reply:
        self.asked.append(path)
        waiting = self.first.get(path)
        if waiting:
            return waiting.pop(0)
        return self.pages.get(path, (404, {}, b"no cache data for this platform"))

    def add_intel(self, collateral: Mapping[str, str], *, family: str, fmspc: str, ca: str) -> None:
        """collateral: a QuoteCollateralV3 that was recorded; it is taken apart as the service hands it out."""
        v4 = "/{}/certification/v4/"
        chain = {name: quote(collateral[name]) for name in collateral if name.endswith("_chain")}
        tcb = _signed("tcbInfo", collateral["tcb_info"], collateral["tcb_info_signature"])
        identity = _signed("enclaveIdentity", collateral["qe_identity"], collateral["qe_identity_signature"])
        self.pages |= {
            v4.format("sgx") + f"pckcrl?ca={ca}&encoding=der": (
                200,
                {"SGX-PCK-CRL-Issuer-Chain": chain["pck_crl_issuer_chain"]},
                bytes.fromhex(collateral["pck_crl"]),
            ),
            v4.format(family) + f"tcb?fmspc={fmspc}": (
                200,
                {"TCB-Info-Issuer-Chain": chain["tcb_info_issuer_chain"]},
                tcb,
            ),
            v4.format(family) + "qe/identity": (
                200,
                {"SGX-Enclave-Identity-Issuer-Chain": chain["qe_identity_issuer_chain"]},
                identity,
            ),
            v4.format("sgx") + "rootcacrl": (200, {}, collateral["root_ca_crl"].encode()),
        }


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Serve on a free port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = service.reply(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `asked`."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that leaves is not an error here."""

    server = Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _signed(name: str, document: str, signature: str) -> bytes:
    return f'{{"{name}":{document},"signature":{json.dumps(signature)}}}'.encode()
