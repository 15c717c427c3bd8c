"""`python -m bench.scale PROGRAMS`: what the store, a large deployment and replicas cost, on a real API server.

PROGRAMS: the folder of the cluster's programs that `./dev test-kubernetes` builds.  As root; a few minutes.  Prints the
tables of docs/scale.md and writes `bench/results/scale.{json,md}`.  Exit code 77: this machine cannot run a cluster.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.coordinator import Coordinator
from bench.documents import manifest
from bench.figures import Case
from bench.generator import Generator
from bench.load import Plan
from bench.machine import describe
from bench.past import record_activations
from bench.report import table
from bench.scenarios import Effort, load_on, measure_activations
from bench.unit import UnitMeter
from coordinator.cluster.account import Account
from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ApiRefused
from coordinator.journal.kubernetes import KubernetesStorage
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.storage import Storage
from tests.kubernetes.accounts import ControlPlane
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.machine import obstacle
from tests.kubernetes.cluster.turn import turn
from tests.kubernetes.replicas import environ as in_cluster

_RESULTS: Final = Path(__file__).parent / "results"
_CANNOT: Final = 77
_NETWORK: Final = "enclasp-kube"
_RECORD_BYTES: Final = 300
_APPEND_SECONDS: Final = 4.0
_EACH_WRITER: Final = 50
_EFFORT: Final = Effort(
    rounds=3,
    per_round=200,
    growth=(),
    pasts=(),
    status_requests=0,
    verifications=0,
    other_clients=(),
    restarts=(),
)
Row = tuple[str, ...]
draw = os.urandom  # noqa: TID251 - shell: draws entropy


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the results.  about: what was done, above it."""

    title: str
    about: str
    head: Row
    rows: Sequence[Row]


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev bench-scale", description=__doc__)
    parser.add_argument("programs", type=Path)
    programs = parser.parse_args().programs
    place = programs.parent / "cluster"
    if reason := obstacle(place):
        print(f"no cluster can be started on this machine: {reason}", file=sys.stderr)
        return _CANNOT
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="enclasp-scale-") as name, _control_plane(place, programs) as control_plane:
        folder = Path(name)
        accounts = folder / "accounts"
        accounts.mkdir()
        parts = [
            part(folder, lambda: control_plane.new_account(accounts))
            for part in (_stores, _writers, _activations, _replicas, _large_documents, _many_marbles)
        ]
    text = _markdown(machine, parts)
    print(text)
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "scale.md").write_text(text)
    document = {"machine": machine, "parts": [{"title": p.title, "head": p.head, "rows": p.rows} for p in parts]}
    (_RESULTS / "scale.json").write_text(json.dumps(document, indent=1) + "\n")
    return 0


@contextmanager
def _control_plane(place: Path, programs: Path) -> Iterator[ControlPlane]:
    def kubectl(*arguments: str, text: str = "") -> str:
        environ = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        command = [str(programs / "kubectl"), *arguments]
        return subprocess.run(command, input=text, env=environ, capture_output=True, text=True, check=True).stdout

    with turn(place, lambda left: Cluster(left, programs, _NETWORK).remove(), _say):
        cluster = Cluster(place, programs, _NETWORK)
        _say("starting a cluster")
        cluster.start([])
        yield ControlPlane(cluster, kubectl)


# The parts


def _stores(folder: Path, new_account: Callable[[], Account]) -> Part:
    """Appends, one after the other: what group commit makes of one store write."""
    rows = []
    for name, storage in (
        ("embedded (SQLite, fsync)", SqliteStorage(folder / "store")),
        ("Kubernetes (etcd)", KubernetesStorage(ClusterApi(new_account()), "bench", draw)),
    ):
        storage.create({}, [draw(_RECORD_BYTES)])
        head = 0
        for group in (1, 8, 32):
            times, head = _append(storage, group, head)
            rate = len(times) / sum(times)
            rows.append((name, str(group), f"{rate:.0f}", f"{rate * group:.0f}", *_milliseconds(times)))
        storage.close()
    about = f"Records of {_RECORD_BYTES} bytes, one writer, one write after the other."
    head_row = ("store", "records a write", "writes/s", "records/s", "p50 ms", "p99 ms")
    return Part("Store writes", about, head_row, rows)


def _append(storage: Storage, group: int, head: int) -> tuple[list[float], int]:
    times, end = [], time.perf_counter() + _APPEND_SECONDS
    while (begin := time.perf_counter()) < end:
        storage.append([draw(_RECORD_BYTES) for _ in range(group)], expected_head=head)
        times.append(time.perf_counter() - begin)
        head += group
    return times, head


def _writers(folder: Path, new_account: Callable[[], Account]) -> Part:
    """Read, change, write if nobody else did: the way that was not taken."""
    rows = []
    for writers in (1, 4):
        account = new_account()
        path = f"/api/v1/namespaces/{account.namespace}/secrets"
        ClusterApi(account).create(path, {"metadata": {"name": "counter"}, "data": {}})
        found: list[tuple[int, float]] = []
        threads = [
            threading.Thread(target=_compare_and_swap, args=(account, f"{path}/counter", found)) for _ in range(writers)
        ]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        tries, times = sum(count for count, _ in found), [spent for _, spent in found]
        lost = f"{100 * (tries - len(found)) / tries:.0f} %"
        rows.append((str(writers), f"{len(found) / seconds:.0f}", lost, *_milliseconds(times)))
    about = f"Each writer reads one Secret, changes it and writes it back, {_EACH_WRITER} times with success."
    head = ("writers", "changes/s", "writes lost", "p50 ms", "p99 ms")
    return Part("Several writers of one object", about, head, rows)


def _compare_and_swap(account: Account, path: str, found: list[tuple[int, float]]) -> None:
    api = ClusterApi(account)
    for _ in range(_EACH_WRITER):
        begin, tries, done = time.perf_counter(), 0, False
        while not done:
            secret = api.get(path)
            assert secret is not None
            tries += 1
            try:
                api.replace(path, {**secret, "data": {"value": draw(12).hex()}})
                done = True
            except ApiRefused:
                continue
        found.append((tries, time.perf_counter() - begin))


def _activations(folder: Path, new_account: Callable[[], Account]) -> Part:
    rows: list[Row] = []
    case = Case(10, 100, True)
    for name, environ in (("embedded", {}), ("Kubernetes", in_cluster(new_account()))):
        with Coordinator(folder / name, environ=environ) as coordinator:
            for clients in (8, 32):
                with load_on(coordinator, case, folder, clients, fresh=not rows or rows[-1][0] != name) as load:
                    row = measure_activations(coordinator, load, case, clients, _EFFORT, UnitMeter())
                figures = (f"{row.per_second:.0f}", f"{row.cpu_ms:.2f}", f"{row.p50_ms:.0f}", f"{row.p99_ms:.0f}")
                rows.append((name, str(clients), *figures))
    about = (
        "10 marble types, 100 secrets, limits; every activation durable. Load generator, coordinator and API server "
        "share the cores."
    )
    return Part("Activations", about, ("store", "clients", "per s", "CPU ms", "p50 ms", "p99 ms"), rows)


def _replicas(folder: Path, new_account: Callable[[], Account]) -> Part:
    """The leader's own door, and a follower's, which passes connections on."""
    environ, case, rows = in_cluster(new_account()), Case(10, 100, True), []
    with ExitStack() as stack:
        leader = stack.enter_context(Coordinator(folder / "replica-0", environ=environ))
        stack.enter_context(load_on(leader, case, folder, 8))
        replicas = [leader]
        for number in range(1, 4):
            place = folder / f"replica-{number}"
            place.mkdir()
            (place / "simulation").symlink_to(leader.simulation)
            replicas.append(stack.enter_context(Coordinator(place, environ=environ)))
        for name, door in (("the leader's", leader), ("a follower's", replicas[1])):
            plan = Plan(door.mesh_port, door.client_port, str(leader.simulation), str(folder / "program"), 10, 8)
            with Generator(plan) as load:
                load.prepare(16)
                load.activate()
                before = door.usage().cpu_ms
                row = measure_activations(leader, load, case, 8, _EFFORT, UnitMeter())
                own = (door.usage().cpu_ms - before) / row.activations if door is not leader else 0.0
            costs = (f"{row.per_second:.0f}", f"{row.cpu_ms:.2f}", f"{own:.2f}")
            rows.append((name, *costs, f"{row.p50_ms:.0f}", f"{row.p99_ms:.0f}"))
    about = "Four replicas, Kubernetes store, 8 clients."
    head = ("door", "per s", "leader's CPU ms", "follower's CPU ms", "p50 ms", "p99 ms")
    return Part("Four replicas", about, head, rows)


def _large_documents(folder: Path, new_account: Callable[[], Account]) -> Part:
    rows = []
    for marbles, secrets in ((1_000, 1_000), (1_000, 10_000)):
        account, place = new_account(), folder / f"large-{secrets}"
        document = manifest(marbles, secrets, unique_id="ab" * 32, limits=True)
        with Coordinator(place, environ=in_cluster(account)) as coordinator:
            set_ms = coordinator.set_manifest(document)
        with Coordinator(place, environ=in_cluster(account)) as again:
            sizes = _sizes(account)
            start = (f"{again.start_ms / 1000:.1f}", f"{again.start_cpu_ms / 1000:.1f}", f"{again.usage().rss_mb:.0f}")
        rows.append((f"{marbles} / {secrets}", f"{len(document) / 1e6:.1f}", f"{set_ms / 1000:.1f}", *start, *sizes))
    about = "Kubernetes store; set once, then the coordinator starts again. An object may have 1.5 MB in etcd."
    head = ("marbles / secrets", "manifest MB", "set s", "restart s", "CPU s", "RSS MB", "Secrets", "largest kB")
    return Part("Large manifests", about, head, rows)


def _many_marbles(folder: Path, new_account: Callable[[], Account]) -> Part:
    case, place = Case(1_000, 1_000, True), folder / "many"
    with Coordinator(place) as coordinator, load_on(coordinator, case, folder, 8):
        pass
    record_activations(place, 10_000, case.marbles)
    rows = []
    with Coordinator(place) as coordinator:
        rows.append(("restart", f"{coordinator.start_ms:.0f}", f"{coordinator.start_cpu_ms:.0f}"))
        for path in ("/api/v2/status", "/api/v2/marbles?limit=200", "/api/v2/marbles?limit=1000", "/api/v2/hierarchy"):
            before, begin = coordinator.usage().cpu_ms, time.perf_counter()
            for _ in range(50):
                coordinator.request("GET", path)
            spent = (time.perf_counter() - begin) * 20
            rows.append((f"GET {path}", f"{spent:.1f}", f"{(coordinator.usage().cpu_ms - before) / 50:.1f}"))
        rows.append(("memory", f"{coordinator.usage().rss_mb:.0f} MB", ""))
    about = (
        "1,000 types, 1,000 secrets, embedded store; 10,000 instances have joined. A new connection for each request."
    )
    return Part("10,000 marbles", about, ("what", "ms", "CPU ms"), rows)


# What they share


def _sizes(account: Account) -> tuple[str, str]:
    """How many Secrets a state has, and the largest in kB."""
    api = ClusterApi(account)
    path = f"/api/v1/namespaces/{account.namespace}/secrets"
    sizes = [len(json.dumps(api.get(f"{path}/{name}"))) for name in api.names(path, "")]
    return str(len(sizes)), f"{max(sizes) / 1000:.0f}"


def _milliseconds(times: Sequence[float]) -> tuple[str, str]:
    """Median and 99th percentile."""
    ordered = sorted(times)
    late = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"{1000 * statistics.median(ordered):.1f}", f"{1000 * late:.1f}"


def _markdown(machine: Mapping[str, Any], parts: Sequence[Part]) -> str:
    on = f"{machine['cores']} x {machine['cpu']}, {machine['memory_gb']} GB, Python {machine['python']}"
    sections = [f"## {p.title}\n\n{p.about}\n\n{table(p.head, p.rows)}" for p in parts]
    return "\n\n".join([f"Machine: {on}; load {machine['load_at_start']} before.", *sections]) + "\n"


def _say(text: str) -> None:
    print(f"scale: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
