"""How much one peer may cost the marble door."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """Bounds of one server.  Times in seconds, sizes in bytes.  Source: design.md, 10.

    message: of a request.  streams: calls at a time on one connection.
    resets, control_frames: so many resets by the client (or frames with little or nothing of a call) are borne each;
    each call that is answered earns some back, so that long-lived honest connections do not run out.
    buffered, buffered_total: of requests that are not complete and answers that are not taken, on one connection and on
    all together.
    idle_seconds: without a call.  deadline_seconds: from a call's header to the last byte of its answer.
    age_seconds: after it a connection takes no new calls, and is closed when the last one is answered.
    """

    message: int = 4 * 1024 * 1024
    streams: int = 100
    resets: int = 50
    control_frames: int = 1000
    header_list: int = 16 * 1024
    buffered: int = 8 * 1024 * 1024
    buffered_total: int = 128 * 1024 * 1024
    idle_seconds: float = 120.0
    deadline_seconds: float = 30.0
    age_seconds: float = 3600.0


@dataclass(eq=False, slots=True)
class Allowance:
    """A number that is spent and earned back, never above where it began."""

    full: int
    left: int

    @classmethod
    def of(cls, full: int) -> "Allowance":
        """A full one."""
        return cls(full, full)

    def spend(self, amount: int = 1) -> bool:
        """Take some; False, and nothing taken, if less is left."""
        if amount > self.left:
            return False
        self.left -= amount
        return True

    def earn(self, amount: int = 1) -> None:
        """Give some back."""
        self.left = min(self.full, self.left + amount)
