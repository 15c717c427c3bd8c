"""How much a stranger may cost us before the application knows who it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsLimits:
    """Bounds of one door.  Times in seconds, sizes in bytes.  Source of the first three: design.md, 10.

    handshake_seconds: from the TCP connection to the end of the handshake, waiting for a turn included.
    handshakes: at most so many at a time; address_share: at most so many of them from one address.
    patience_seconds: a handshake that takes longer gives up its turn when others wait for it.
    stall_seconds: a peer that has output waiting and reads nothing for so long is cut off.
    answer_seconds: how long a request is still answered whose peer has closed its side.
    quiet_seconds: when such an answer has begun and nothing more of it was written for so long, it is complete.
    linger_seconds: how long after our last byte we take (and drop) the peer's, so that it can read ours.
    write_high_water: the application is asked to pause above it, and to resume below a quarter of it.
    """

    handshake_seconds: float = 10.0
    handshakes: int = 64
    connections: int = 10_000
    address_share: int = 48
    patience_seconds: float = 2.0
    stall_seconds: float = 60.0
    answer_seconds: float = 30.0
    quiet_seconds: float = 1.0
    linger_seconds: float = 2.0
    linger_bytes: int = 4 * 1024 * 1024
    write_high_water: int = 64 * 1024
