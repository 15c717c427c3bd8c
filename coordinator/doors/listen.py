"""A listening socket for an address of the configuration."""

import socket
from typing import Final


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; on both families where no host is named.  Raises OSError."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    return socket.create_server((host, port), backlog=_BACKLOG)


_BACKLOG: Final = 1024
