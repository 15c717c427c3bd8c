"""A small gRPC server for unary calls, on the sans-IO library h2, with hard limits.

    server = UnaryServer({"/rpc.Marble/Activate": handler}, RpcLimits())
    await tls.serve(server, chooser, …)

Everything that a peer can make us hold or do is bounded by `RpcLimits`.  Compression, streaming and metadata are not
supported.  Source: gRPC over HTTP/2; RFC 9113.
"""

from collections.abc import Mapping

from coordinator.rpc.calls import Handler, Peer
from coordinator.rpc.connection import UnaryProtocol
from coordinator.rpc.limits import Allowance, RpcLimits
from coordinator.rpc.status import RpcError, StatusCode

__all__ = ["Handler", "Peer", "RpcError", "RpcLimits", "StatusCode", "UnaryProtocol", "UnaryServer"]


class UnaryServer:
    """What all connections share.  Calling it makes the protocol of a new connection."""

    def __init__(self, methods: Mapping[str, Handler], limits: RpcLimits) -> None:
        self._methods = methods
        self._limits = limits
        self._memory = Allowance.of(limits.buffered_total)
        self._open: set[UnaryProtocol] = set()

    def __call__(self) -> UnaryProtocol:
        """The protocol of one connection."""
        return UnaryProtocol(self._methods, self._limits, memory=self._memory, connections=self._open)

    def drain(self) -> None:
        """Take no more calls; connections close as their calls are answered."""
        for connection in tuple(self._open):
            connection.drain()
