"""Who may begin a handshake now?  Bounds connections and handshakes, and keeps one address from taking every turn."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from coordinator.doors.limits import TlsLimits


@dataclass(eq=False, slots=True)
class Turn:
    """One connection at the gate.  `start` is called once when its turn comes; `give_up` if it was too slow."""

    address: str
    start: Callable[[], None]
    give_up: Callable[[], None]


class Gate:
    """Turns are given in the order of arrival, round robin between addresses.

    Every connection that entered must leave: `handshake_over` when it no longer needs a turn (more than once is
    fine), `leave` when it is lost.
    """

    def __init__(self, limits: TlsLimits) -> None:
        self._limits = limits
        self._connections = 0
        self._running: dict[Turn, float] = {}
        self._running_by_address: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._patience: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """Connections that are open now, handshakes included."""
        return self._connections

    @property
    def handshakes(self) -> int:
        """Handshakes that are running now."""
        return len(self._running)

    def enter(self, turn: Turn) -> bool:
        """Count a new connection in, and start it at once if a turn is free.  False: the door is full."""
        if self._connections >= self._limits.connections:
            return False
        self._connections += 1
        self._waiting.setdefault(turn.address, deque()).append(turn)
        self._admit()
        return True

    def handshake_over(self, turn: Turn) -> None:
        """This connection needs its turn no longer: done, failed or lost."""
        if turn in self._running:
            del self._running[turn]
            self._running_by_address[turn.address] -= 1
            if not self._running_by_address[turn.address]:
                del self._running_by_address[turn.address]
        elif turn in self._waiting.get(turn.address, ()):
            self._waiting[turn.address].remove(turn)
            if not self._waiting[turn.address]:
                del self._waiting[turn.address]
        else:
            return
        self._admit()

    def leave(self, turn: Turn) -> None:
        """The connection is lost."""
        self.handshake_over(turn)
        self._connections -= 1

    def _admit(self) -> None:
        now = asyncio.get_running_loop().time()
        while len(self._running) < self._limits.handshakes and (turn := self._next()):
            self._running[turn] = now
            self._running_by_address[turn.address] += 1
            turn.start()
        if self._waiting and self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(
                self._limits.patience_seconds, self._turn_out_the_slow
            )

    def _next(self) -> Turn | None:
        for address, queue in self._waiting.items():
            if self._running_by_address[address] < self._limits.address_share:
                turn = queue.popleft()
                if queue:
                    self._waiting.move_to_end(address)
                else:
                    del self._waiting[address]
                return turn
        return None

    def _turn_out_the_slow(self) -> None:
        self._patience = None
        if self._waiting:
            overdue = asyncio.get_running_loop().time() - self._limits.patience_seconds
            for turn in [turn for turn, since in self._running.items() if since <= overdue]:
                turn.give_up()
            self._admit()
