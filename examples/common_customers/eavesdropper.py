"""Somebody in the middle: ends TLS with a certificate of his own, passes everything on, and counts what he could read.

The attack of the demo, and as real as the rest: whoever connects through it without checking the certificate is read.
"""

import asyncio
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
    It runs in a thread of its own; the counts are settled when the `with` has ended.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._context = _own_context()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.overheard = 0
        self.refused = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._accept(),), daemon=True)
        self._stop = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        self._listener.close()

    async def _accept(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        victims = set[asyncio.Task[None]]()
        while True:
            accepted = asyncio.create_task(self._loop.sock_accept(self._listener))
            await asyncio.wait({stopped, accepted}, return_when=asyncio.FIRST_COMPLETED)
            if not accepted.done():
                accepted.cancel()
                break
            victims.add(asyncio.create_task(self._listen_in(accepted.result()[0])))
        if victims:
            _, still_talking = await asyncio.wait(victims, timeout=1)
            for victim in still_talking:
                victim.cancel()

    async def _listen_in(self, client: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, client, ssl=self._context)
        except OSError:
            self.refused += 1
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        beyond, onward = await asyncio.open_connection(*self._target, ssl=_blind_context())
        await asyncio.gather(self._copy(reader, onward, overhear=True), self._copy(beyond, writer, overhear=False))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, overhear: bool) -> None:
        with contextlib.suppress(OSError):
            while some := await source.read(65536):
                self.overheard += len(some) if overhear else 0
                target.write(some)
                await target.drain()
        target.close()


def _blind_context() -> ssl.SSLContext:
    """TLS towards the target, whoever it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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
