"""Ports for servers that tests start.

They lie below the range that Linux gives to outgoing connections (ip_local_port_range, from 32768), since a port that
the kernel chose may be somebody's outgoing connection before the server listens; and a process asks for none twice.
"""

import itertools
import random
import socket
from collections.abc import Iterator

_PORTS = range(10000, 32000)


def _from_anywhere() -> Iterator[int]:
    first = random.SystemRandom().choice(_PORTS)
    return itertools.cycle([*range(first, _PORTS.stop), *range(_PORTS.start, first)])


_next = _from_anywhere()


def free_ports(count: int) -> list[int]:
    """Neighbouring ports of the loopback address that nobody listens on just now.  Raises OSError if there are none."""
    found: list[int] = []
    for port in itertools.islice(_next, len(_PORTS)):
        found = [*found, port] if _is_free(port) and found[-1:] in ([], [port - 1]) else []
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports beside each other from {_PORTS.start} to {_PORTS.stop - 1}")


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    (port,) = free_ports(1)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
