"""A TLS server that speaks HTTP/2 by the book until the answer, which a test makes as odd as it likes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import h2.config
import h2.connection
import h2.events

from marble.contexts import load_identity
from pki.certificates import pem
from pki.keys import private_pem
from tests.fakes.marble_pki import MarblePki

Reply: TypeAlias = Callable[[h2.connection.H2Connection, int], None]


@asynccontextmanager
async def odd_server(
    pki: MarblePki,
    reply: Reply,
    *,
    more: Reply | None = None,
    alpn: str = "h2",
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> AsyncIterator[int]:
    """reply: called with connection and stream once a request has ended; more: whenever the client gives room.

    Gives the port.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([alpn])
    context.maximum_version = newest
    load_identity(context, pem(pki.marble_root), private_pem(pki.intermediate_key))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        http.initiate_connection()
        writer.write(http.data_to_send())
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while received := await reader.read(65536):
                for event in http.receive_data(received):
                    if isinstance(event, h2.events.StreamEnded) and event.stream_id is not None:
                        reply(http, event.stream_id)
                    if more is not None and isinstance(event, h2.events.WindowUpdated):
                        more(http, 1)
                    if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                        http.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
                writer.write(http.data_to_send())

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
