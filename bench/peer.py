"""The peer's figures, as published; never measured in a run of ours.

Source: shared/reference/performance.md, 1, 2, 4-6: MarbleRun 1.9.1 without an enclave, so without any quote
verification and without fsync, on a machine of the same kind, both cores shared with the load generator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NOTE: Final = (
    "published by us in shared/reference/performance.md, not measured in this run; "
    "MarbleRun 1.9.1 without an enclave verifies no quote and never calls fsync"
)


@dataclass(frozen=True, slots=True)
class PeerActivation:
    """Server CPU milliseconds and the range in U as far as it was published."""

    cpu_ms: float
    units: str


# (marbles, secrets, limits) -> figures
ACTIVATION: Final[Mapping[tuple[int, int, bool], PeerActivation]] = {
    (10, 0, False): PeerActivation(8.4, "4-8"),
    (10, 100, False): PeerActivation(12.1, ""),
    (10, 1000, False): PeerActivation(37.8, "27-36"),
    (1000, 1000, True): PeerActivation(60.0, "40-57"),
}
CALM_ACTIVATION_MS: Final = "5.2-6.5"
REST_MB: Final = 71.0
AFTER_5000_MB: Final = 134.1
# activations, RSS in MB (5 kB quotes, Prometheus off)
GROWTH: Final = ((0, 72.9), (100, 79.7), (1000, 88.6), (5000, 134.1))
STATUS_MS: Final[Mapping[tuple[int, int], float]] = {(10, 0): 1.57, (1000, 1000): 3.2}
START_MS: Final = 84.0
RESTART_MS: Final[Mapping[tuple[int, int], float]] = {(10, 0): 100.0, (1000, 1000): 150.0}
