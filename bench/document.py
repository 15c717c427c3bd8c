"""The figures of a run as JSON: the schema of design.md, 9, and more keys beside it."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TypeAlias

from bench import peer
from bench.figures import Activation, Case, Figures, Growth, Past, Start, Status, Verification
from bench.report import Run

Row: TypeAlias = Activation | Growth | Past | Start | Status | Verification


def as_json(run: Run, figures: Figures) -> dict[str, object]:
    """The document of `latest.json`."""
    return {
        "unit_ms": _round(figures.unit_ms),
        "activation": _rows(figures.activations),
        "growth": _rows(figures.growth),
        "past": _rows(figures.pasts),
        "memory": {
            "empty_mb": _round(figures.empty_mb),
            "rest_mb": _round(figures.rest_mb),
            "after_activations": figures.growth[-1].activations,
            "after_mb": _round(figures.growth[-1].rss_mb),
        },
        "status": _rows(figures.statuses),
        "start": _rows(figures.starts),
        "verification": _rows(figures.verifications),
        "when": run.when,
        "machine": dict(run.machine),
        "commit": run.commit,
        "quick": run.quick,
        "profiled": run.profiled,
        "peer": {
            "note": peer.NOTE,
            "activation": [
                {"marbles": marbles, "secrets": secrets, "limits": limits, "cpu_ms": row.cpu_ms, "units": row.units}
                for (marbles, secrets, limits), row in peer.ACTIVATION.items()
            ],
        },
    }


def _rows(rows: Iterable[Row]) -> list[dict[str, object]]:
    return [_row(row) for row in rows]


def _row(row: Row) -> dict[str, object]:
    """By the names of its fields; a case's fields stand among them."""
    shown: dict[str, object] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        shown |= asdict(value) if isinstance(value, Case) else {field.name: _round(value)}
    return shown


def _round(value: object) -> object:
    """Thousandths are enough, also of each in a row."""
    if isinstance(value, tuple):
        return [_round(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value
