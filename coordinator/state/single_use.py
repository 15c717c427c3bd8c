"""What Evidence binds is admitted once: a bounded memory of the digests of what was admitted last."""

from typing import Final

REMEMBERED: Final = 65_536
KEPT_BY_SNAPSHOT: Final = 4_096


class SingleUse:
    """Digests (32 bytes) of what admitted Evidence bound, the oldest forgotten first.

    The compatible join has no nonce, so Evidence could be shown again by whoever holds its TLS key; this makes each
    count once, also across a restart (the journal's records fill it again).  The Evidence's own bytes are no measure:
    whoever shows it again can change what nobody signed, as bytes behind a quote, or turn a signature (r, s) into
    (r, -s).  What it binds, the marble's certificate and a nonce where there is one, cannot be changed.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, None] = {}

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._seen

    def add(self, digest: bytes) -> None:
        """Remember one more."""
        self._seen[digest] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def newest(self) -> tuple[bytes, ...]:
        """What a snapshot keeps: the last KEPT_BY_SNAPSHOT digests, oldest first."""
        return tuple(self._seen)[-KEPT_BY_SNAPSHOT:]
