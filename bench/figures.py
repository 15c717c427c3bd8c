"""The figures of one run, as values; every server figure is CPU milliseconds or memory of the coordinator's process."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """A manifest of a size."""

    marbles: int
    secrets: int
    limits: bool


@dataclass(frozen=True, slots=True)
class Activation:
    """One row of the headline table.  cpu_ms: of the server, per activation; cpu_ms_rounds: of each round."""

    case: Case
    clients: int
    activations: int
    cpu_ms: float
    units: float
    per_second: float
    p50_ms: float
    p99_ms: float
    client_cpu_ms: float
    rss_mb: float
    cpu_ms_rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """GET status on a new connection each, 8 clients; cpu_ms: of the server, per request."""

    case: Case
    cpu_ms: float
    units: float
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Growth:
    """The coordinator after `activations` in all; cpu_ms, units: per activation since the row before."""

    activations: int
    cpu_ms: float
    units: float
    rss_mb: float
    state_bytes: int


@dataclass(frozen=True, slots=True)
class Start:
    """From the process's start to its first answer, in `ms`."""

    what: str
    ms: float
    cpu_ms: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Past:
    """Activations of a coordinator that has `recorded` so many before.  cpu_ms: of the server, per activation.

    restart_ms, restart_cpu_ms: from the process's start to its first answer.  journal_bytes, evidence_bytes: on disk.
    """

    case: Case
    recorded: int
    restart_ms: float
    restart_cpu_ms: float
    cpu_ms: float
    units: float
    per_second: float
    rss_mb: float
    journal_bytes: int
    evidence_bytes: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Verification in this process: CPU milliseconds, median.

    cpu_ms, units: of a known machine.  cold_ms: with a new verifier.  new_machine_ms: collateral verified before.
    reference: an independent library that verified the same in the same run, or empty.
    """

    kind: str
    cpu_ms: float
    units: float
    cold_ms: float
    new_machine_ms: float
    reference: str
    reference_ms: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one run.  rest_mb: resident memory of a coordinator with a manifest that nobody used yet."""

    unit_ms: float
    activations: Sequence[Activation]
    statuses: Sequence[Status]
    growth: Sequence[Growth]
    pasts: Sequence[Past]
    starts: Sequence[Start]
    verifications: Sequence[Verification]
    empty_mb: float
    rest_mb: float
