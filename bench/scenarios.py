"""What is measured, and how.  Every figure of the server is CPU time of the coordinator's process (all threads).

Each activation is one marble as in `bench/marbles.py` on a new TCP + TLS 1.3 + HTTP/2 connection.  The coordinator
verifies every quote and writes every activation durably.  The unit U is sampled around and during every round; a
row's U is the median of its own samples.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from attestation.simulation.measure import measure_program
from bench.coordinator import Coordinator
from bench.documents import manifest
from bench.figures import Activation, Case, Figures, Growth, Past, Start, Status
from bench.generator import Generator
from bench.load import Plan, Result
from bench.past import record_activations
from bench.unit import UnitMeter
from bench.verifications import measure_verifications

_CLIENTS: Final = 8
_SETTLE_SECONDS: Final = 0.2
_BATCH: Final = 500


CASES: Final = (Case(10, 0, False), Case(10, 100, False), Case(10, 1000, False), Case(1000, 1000, True))
_GROWTH_CASE: Final = Case(10, 100, False)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of everything.

    growth: numbers of activations after which the coordinator is looked at.  other_clients: for the first case.
    pasts: numbers of recorded activations, rising, on top of which activations are measured.
    restarts: of these cases the coordinator is started once more with the state that it has then.
    """

    rounds: int
    per_round: int
    growth: tuple[int, ...]
    pasts: tuple[int, ...]
    status_requests: int
    verifications: int
    other_clients: tuple[int, ...]
    restarts: tuple[Case, ...]


FULL: Final = Effort(
    rounds=5,
    per_round=100,
    growth=(100, 1000, 5000),
    pasts=(0, 10_000, 100_000),
    status_requests=400,
    verifications=300,
    other_clients=(1, 32),
    restarts=(CASES[0], CASES[1], CASES[3]),
)
QUICK: Final = Effort(
    rounds=2,
    per_round=40,
    growth=(100, 300),
    pasts=(0, 2_000),
    status_requests=80,
    verifications=60,
    other_clients=(),
    restarts=(CASES[1], CASES[3]),
)


def measure(effort: Effort, folder: Path, say: Callable[[str], None], profile: Path | None) -> Figures:
    """Run everything below `folder`.

    profile: a folder for cProfile's statistics of each coordinator, or None.
    Raises LoadFailed if an activation or request fails, CoordinatorFailed if a coordinator does.
    """
    unit = UnitMeter()
    unit.sample()
    activations: list[Activation] = []
    statuses: list[Status] = []
    growth: list[Growth] = []
    starts: list[Start] = []
    say("verification of recorded evidence")
    verifications = measure_verifications(effort.verifications, unit)
    empty_mb = rest_mb = 0.0
    with Coordinator(folder / "first"):
        say("a coordinator has made the bytecode that the others start from")
    for case in CASES:
        name = f"{case.marbles}-{case.secrets}"
        say(f"{case.marbles} marbles, {case.secrets} secrets{', limits' if case.limits else ''}")
        with Coordinator(folder / name, profile=profile and profile / f"{name}.prof") as coordinator:
            if case == CASES[0]:
                starts.append(_start("first start, empty", coordinator))
            if case == _GROWTH_CASE:
                empty_mb = coordinator.usage().rss_mb
            with load_on(coordinator, case, folder, _CLIENTS) as load:
                if case in (CASES[0], CASES[-1]):
                    statuses.append(_status(coordinator, load, case, effort.status_requests, unit))
                if case == _GROWTH_CASE:
                    say(f"  growth over {effort.growth[-1]} activations")
                    rest_mb = coordinator.usage().rss_mb
                    growth = _growth(coordinator, load, effort.growth, unit)
                activations.append(measure_activations(coordinator, load, case, _CLIENTS, effort, unit))
            for clients in effort.other_clients if case == CASES[0] else ():
                say(f"  the same, {clients} clients at once")
                with load_on(coordinator, case, folder, clients, fresh=False) as load:
                    activations.append(measure_activations(coordinator, load, case, clients, effort, unit))
        if case in effort.restarts:
            with Coordinator(folder / name) as again:
                remembered = ", " + str(effort.growth[-1]) + " activations" if case == _GROWTH_CASE else ""
                starts.append(_start(f"restart, {case.marbles} marbles, {case.secrets} secrets{remembered}", again))
    pasts = _pasts(folder, effort, unit, say)
    return Figures(unit.milliseconds(), activations, statuses, growth, pasts, starts, verifications, empty_mb, rest_mb)


@contextmanager
def load_on(
    coordinator: Coordinator, case: Case, folder: Path, clients: int, *, fresh: bool = True
) -> Iterator[Generator]:
    """A load generator for this coordinator, which gets its manifest first and has served a few marbles then."""
    program = folder / "program"
    program.write_text("the program that every marble of the bench runs\n")
    if fresh:
        unique_id = measure_program([str(program)]).mrenclave.hex()
        coordinator.set_manifest(manifest(case.marbles, case.secrets, unique_id=unique_id, limits=case.limits))
    plan = Plan(
        mesh_port=coordinator.mesh_port,
        client_port=coordinator.client_port,
        simulation=str(coordinator.simulation),
        program=str(program),
        marbles=case.marbles,
        clients=clients,
    )
    with Generator(plan) as load:
        load.prepare(2 * clients)
        load.activate()
        yield load


def measure_activations(
    coordinator: Coordinator, load: Generator, case: Case, clients: int, effort: Effort, unit: UnitMeter
) -> Activation:
    first_sample = len(unit.samples)
    rounds: list[tuple[Result, float]] = []
    unit.sample()
    for _ in range(effort.rounds):
        load.prepare(effort.per_round)
        rounds.append(_cost(coordinator, load.activate, unit))
        unit.sample()
    results = [result for result, _ in rounds]
    count = effort.rounds * effort.per_round
    cpu_ms = sum(cpu for _, cpu in rounds) / count
    p50_ms, p99_ms = _percentiles(results)
    return Activation(
        case=case,
        clients=clients,
        activations=count,
        cpu_ms=cpu_ms,
        units=cpu_ms / unit.milliseconds(first_sample),
        per_second=count / sum(result.seconds for result in results),
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        client_cpu_ms=sum(result.cpu_ms for result in results) / count,
        rss_mb=coordinator.usage().rss_mb,
        cpu_ms_rounds=tuple(cpu / effort.per_round for _, cpu in rounds),
    )


def _status(coordinator: Coordinator, load: Generator, case: Case, count: int, unit: UnitMeter) -> Status:
    first_sample = len(unit.samples)
    unit.sample()
    result, cpu_ms = _cost(coordinator, lambda: load.status(count), unit)
    unit.sample()
    p50_ms, p99_ms = _percentiles([result])
    return Status(
        case, cpu_ms / count, cpu_ms / count / unit.milliseconds(first_sample), count / result.seconds, p50_ms, p99_ms
    )


def _growth(coordinator: Coordinator, load: Generator, marks: Sequence[int], unit: UnitMeter) -> list[Growth]:
    rows: list[Growth] = []
    done = 0
    for mark in marks:
        first_sample, begun, cpu_ms = len(unit.samples), done, 0.0
        while done < mark:
            count = min(_BATCH, mark - done)
            load.prepare(count)
            _, cost = _cost(coordinator, load.activate, unit)
            cpu_ms += cost
            done += count
            unit.sample()
        each = cpu_ms / (mark - begun)
        rows.append(
            Growth(
                activations=mark,
                cpu_ms=each,
                units=each / unit.milliseconds(first_sample),
                rss_mb=coordinator.usage().rss_mb,
                state_bytes=coordinator.state_bytes(),
            )
        )
    return rows


def _pasts(folder: Path, effort: Effort, unit: UnitMeter, say: Callable[[str], None]) -> list[Past]:
    """What an activation costs a coordinator with a large manifest that has a past, and how it starts with it."""
    case, place, recorded = CASES[-1], folder / "past", 0
    rows: list[Past] = []
    for mark in effort.pasts:
        if mark:
            say(f"{mark} recorded activations, {case.marbles} marbles, {case.secrets} secrets, limits")
            record_activations(place, mark - recorded, case.marbles)
        recorded = mark
        with Coordinator(place) as coordinator, load_on(coordinator, case, folder, _CLIENTS, fresh=not rows) as load:
            row = measure_activations(coordinator, load, case, _CLIENTS, effort, unit)
            evidence = coordinator.evidence_bytes()
            rows.append(
                Past(
                    case=case,
                    recorded=mark,
                    restart_ms=coordinator.start_ms,
                    restart_cpu_ms=coordinator.start_cpu_ms,
                    cpu_ms=row.cpu_ms,
                    units=row.units,
                    per_second=row.per_second,
                    rss_mb=row.rss_mb,
                    journal_bytes=coordinator.state_bytes() - evidence,
                    evidence_bytes=evidence,
                )
            )
    return rows


def _cost(coordinator: Coordinator, work: Callable[[], Result], unit: UnitMeter) -> tuple[Result, float]:
    """What the work found, and the CPU milliseconds that the coordinator used for it and for what it left behind."""
    before = coordinator.usage()
    with unit.beside():
        result = work()
    time.sleep(_SETTLE_SECONDS)
    return result, coordinator.usage().cpu_ms - before.cpu_ms


def _percentiles(results: Sequence[Result]) -> tuple[float, float]:
    latencies = sorted(latency for result in results for latency in result.latencies_ms)
    return latencies[len(latencies) // 2], latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)]


def _start(what: str, coordinator: Coordinator) -> Start:
    return Start(what, coordinator.start_ms, coordinator.start_cpu_ms, coordinator.usage().rss_mb)
