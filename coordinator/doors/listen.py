"""A listening socket for an address of the configuration."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LISTENING: Final = "N320"


class CannotListen(Exception):
    """Nobody can listen on this address here."""

    code = LISTENING


@contextmanager
def listening_on(address: object) -> Iterator[None]:
    """Name the address in an error.  Raises CannotListen in the place of OSError."""
    try:
        yield
    except OSError as cause:
        reason = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
        raise CannotListen(f"{address}: expected an address on which to listen, got: {reason}") from cause


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; on both families where no host is named.  Raises OSError.

    What it accepts sends at once: asyncio turns Nagle's algorithm off only for sockets that were made with TCP named,
    which those of `create_server` are not, and then an answer of two segments waits 40 ms for an acknowledgement.
    """
    if not host and socket.has_dualstack_ipv6():
        listening = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    else:
        listening = socket.create_server((host, port), backlog=_BACKLOG)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


_BACKLOG: Final = 1024
