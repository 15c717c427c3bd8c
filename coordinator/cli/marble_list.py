"""`enclasp marble list ENDPOINT`: which marbles have joined."""

from typing import TYPE_CHECKING

import click

from coordinator.cli.command import reports
from coordinator.cli.output import Output
from coordinator.cli.visit import Visit, endpoint_argument, insecure_option, visits

if TYPE_CHECKING:
    from coordinator.wire.marbles import Instance, Marbles, Step


@click.command(name="list")
@endpoint_argument
@click.option(
    "--limit",
    type=click.IntRange(0, 1000),
    default=100,
    show_default=True,
    metavar="N",
    help="How many, the newest first.",
)
@insecure_option
@visits
@reports
def list_marbles(output: Output, endpoint: str, limit: int, visit: Visit) -> None:
    """Verify the coordinator, then print which marbles have joined, and whose certificates are trusted still.

    A coordinator is not told when a marble ends; it remembers the 10,000 that it heard of last, when they started or
    renewed their certificates.

    \b
    enclasp marble list localhost:4433 --reference reference.yaml
    enclasp marble list localhost:4433 --reference reference.yaml --limit 1000 -o json
    """
    from coordinator.wire.marbles import document

    found = visit.client(endpoint, output).marbles(limit)
    output.result(document(found), lambda: _table(found))


def _table(found: "Marbles") -> str:
    from coordinator.manifest.words import printable

    steps = {step.number: step for step in found.steps}
    rows = [_HEAD, *(_row(one, steps.get(one.step)) for one in found.newest)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    types = ", ".join(f"{marble} ({count})" for marble, count in found.counts.items())
    lines.append(f"{found.total} in all" + (f": {types}" if types else ""))
    return "\n".join(printable(line) for line in lines)


def _row(one: "Instance", step: "Step | None") -> tuple[str, ...]:
    from coordinator.wire.marbles import moment

    if step is None or not step.trusted:
        trust = "cut off until it renews or restarts"
    else:
        trust = f"until {moment(step.until_ms)}" if step.until_ms else "in force"
    until = moment(one.until_ms) or "not recorded"
    return one.marble, one.uuid, one.package, one.platform, moment(one.activated_ms) or "", until, str(one.step), trust


_HEAD = ("TYPE", "UUID", "PACKAGE", "PLATFORM", "ACTIVATED", "CERTIFICATE UNTIL", "STEP", "INTERMEDIATE")
