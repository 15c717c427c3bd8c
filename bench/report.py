"""How are the figures shown to people?  As Markdown tables, which also read well on a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import peer
from bench.figures import Activation, Figures, Verification


@dataclass(frozen=True, slots=True)
class Run:
    """When, on what, and how thoroughly.  when: RFC 3339.  commit: of the source, or empty."""

    when: str
    machine: Mapping[str, object]
    commit: str
    quick: bool
    profiled: bool


def as_markdown(run: Run, figures: Figures) -> str:
    """The document of `latest.md`, which is also what the terminal shows."""
    return "\n".join(
        [
            "# What an activation costs",
            "",
            *(f"{note}\n" for note in _notes(run, figures)),
            "## Activation",
            "",
            _activation_table(figures),
            "",
            "## Growth (10 marbles, 100 secrets, no limits)",
            "",
            _growth_table(figures),
            "",
            "## With a past (1,000 marbles, 1,000 secrets, limits)",
            "",
            "The past is written by the coordinator's own desk, journal and snapshots into the state of a stopped "
            "coordinator, in groups of 100, without network, verification and certificates; its evidence is 5.6 kB of "
            "random bytes each. Then the coordinator is started with it, and real activations are measured.",
            "",
            _past_table(figures),
            "",
            "## Verification of evidence",
            "",
            "Recorded from real hardware (CCA: Arm's emulator); Intel's new machines are simulated. CPU milliseconds, "
            "median. Cold: a verifier is made for it. New machine: endorsements read, Intel's collateral verified. "
            "dcap-qvl verifies the collateral each time.",
            "",
            verification_table(figures.verifications),
            "",
            "## Everything else",
            "",
            _other_table(figures),
            "",
        ]
    )


def _activation_table(figures: Figures) -> str:
    head = (
        "marbles", "secrets", "limits", "clients", "CPU ms", "U", "per s", "p50 ms", "p99 ms", "client CPU ms",
        "peer CPU ms",
    )  # fmt: skip
    rows = [
        (
            str(row.case.marbles),
            str(row.case.secrets),
            "yes" if row.case.limits else "no",
            str(row.clients),
            f"{row.cpu_ms:.2f}",
            f"{row.units:.1f}",
            f"{row.per_second:.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.p99_ms:.1f}",
            f"{row.client_cpu_ms:.1f}",
            _peer_activation(row),
        )
        for row in figures.activations
    ]
    return table(head, rows)


def _growth_table(figures: Figures) -> str:
    head = ("after activations", "CPU ms", "U", "RSS MB", "state MB", "peer RSS")
    rows = [
        (
            str(row.activations),
            f"{row.cpu_ms:.2f}",
            f"{row.units:.1f}",
            f"{row.rss_mb:.0f}",
            f"{row.state_bytes / 1e6:.2f}",
            next((f"{mb:g} MB" for count, mb in peer.GROWTH if count == row.activations), ""),
        )
        for row in figures.growth
    ]
    return table(head, rows)


def _past_table(figures: Figures) -> str:
    head = (
        "recorded before", "CPU ms", "U", "per s", "RSS MB", "restart ms (CPU)", "journal MB", "kept evidence MB",
    )  # fmt: skip
    rows = [
        (
            str(row.recorded),
            f"{row.cpu_ms:.2f}",
            f"{row.units:.1f}",
            f"{row.per_second:.0f}",
            f"{row.rss_mb:.0f}",
            f"{row.restart_ms:.0f} ({row.restart_cpu_ms:.0f})" if row.recorded else "",
            f"{row.journal_bytes / 1e6:.1f}",
            f"{row.evidence_bytes / 1e6:.1f}",
        )
        for row in figures.pasts
    ]
    return table(head, rows)


def _other_table(figures: Figures) -> str:
    head = ("what", "this run", "peer (published)")
    rows = [
        *(
            (
                f"status on a new connection, {row.case.marbles} marbles, {row.case.secrets} secrets",
                f"{row.cpu_ms:.2f} ms CPU = {row.units:.1f} U; {row.per_second:.0f}/s, p99 {row.p99_ms:.1f} ms",
                f"{peer.STATUS_MS[row.case.marbles, row.case.secrets]} ms CPU",
            )
            for row in figures.statuses
        ),
        *(
            (
                row.what,
                f"{row.ms:.0f} ms, {row.cpu_ms:.0f} ms CPU, {row.rss_mb:.0f} MB",
                _peer_start(row.what),
            )
            for row in figures.starts
        ),
        (
            "memory: empty / with a manifest",
            f"{figures.empty_mb:.0f} / {figures.rest_mb:.0f} MB",
            f"{peer.REST_MB:g} MB",
        ),
    ]
    return table(head, rows)


def _notes(run: Run, figures: Figures) -> list[str]:
    """When, where and how; one paragraph each."""
    machine = run.machine
    return [
        f"Run: {run.when}{', quick' if run.quick else ''}"
        f"{', under cProfile: compare nothing with it' if run.profiled else ''}"
        f"{', commit ' + run.commit if run.commit else ''}.",
        f"Machine: {machine['cores']} x {machine['cpu']}, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']} (its loop: {machine['python_loop_ms']} ms), "
        f"cryptography {machine['cryptography']} ({machine['openssl']}), "
        f"load {machine['load_at_start']} before the run. Load generator and coordinator share the cores.",
        f"U = one P-384 signature + one P-384 verification by cryptography in the same run: {figures.unit_ms:.2f} ms. "
        "CPU is the coordinator's, all threads, per activation, with quote verification and a durable journal.",
        f"Peer: {peer.NOTE}. Calmer minutes: {peer.CALM_ACTIVATION_MS} ms for the first row.",
    ]


def verification_table(verifications: Sequence[Verification]) -> str:
    """One row for each platform."""
    rows = [
        (
            row.kind,
            f"{row.cold_ms:.2f}",
            f"{row.new_machine_ms:.2f}",
            f"{row.cpu_ms:.2f}",
            f"{row.units:.1f}",
            f"{1000 / row.cold_ms:.0f} / {1000 / row.new_machine_ms:.0f} / {1000 / row.cpu_ms:.0f}",
            "" if row.reference_ms is None else f"{row.reference} {row.reference_ms:.2f}",
        )
        for row in verifications
    ]
    return table(("platform", "cold", "new machine", "known machine", "U", "per s and core", "reference"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned, so that it also reads well on a terminal."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _peer_activation(row: Activation) -> str:
    published = peer.ACTIVATION.get((row.case.marbles, row.case.secrets, row.case.limits))
    if published is None or row.clients != 8:
        return ""
    return f"{published.cpu_ms:g}" + (f" ({published.units} U)" if published.units else "")


def _peer_start(what: str) -> str:
    if what.startswith("first start"):
        return f"{peer.START_MS:g} ms"
    for (marbles, secrets), milliseconds in peer.RESTART_MS.items():
        if what == f"restart, {marbles} marbles, {secrets} secrets":
            return f"{milliseconds:g} ms"
    return ""
