"""`enclasp collateral show FILE`: what a bundle endorses, and until when."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from coordinator.cli.command import FILE, reports
from coordinator.cli.output import Output
from coordinator.cli.trust import Moment, current_moment, read_endorsements


@click.group()
def collateral() -> None:
    """Endorsements of the hardware vendors."""


@collateral.command()
@click.argument("file", type=FILE)
@click.option("--at", type=Moment(), help="Say what is still valid at this moment instead of now.")
@reports
def show(output: Output, file: Path, at: datetime | None) -> None:
    """Show what a collateral bundle is about, and until when. Nothing of it is verified.

    \b
    enclasp collateral show collateral.json
    enclasp collateral show collateral.json -o json
    """
    now = at if at is not None else current_moment()
    entries = collateral_entries(file, now)
    lines = ["nothing of this is verified"]
    for entry in entries:
        state = "current" if entry["current"] else "EXPIRED"
        lines.append(f"{entry['kind']:<5} FMSPC {entry['fmspc']}  {entry['ca']}")
        lines.append(f"      issued {entry['issue_date']}  next update {entry['next_update']}  {state}")
    output.result(entries, "\n".join(lines))


def collateral_entries(file: Path, now: datetime) -> list[dict[str, Any]]:
    """One entry for each collateral in the bundle; dates as its TCB info has them."""
    import json

    entries = []
    for item in read_endorsements(file).dcap:
        tcb_info = json.loads(item.tcb_info)
        next_update = str(tcb_info.get("nextUpdate", ""))
        entries.append(
            {
                "kind": str(item.kind),
                "fmspc": item.fmspc,
                "ca": item.ca,
                "issue_date": str(tcb_info.get("issueDate", "")),
                "next_update": next_update,
                "current": _is_after(next_update, now),
            }
        )
    return entries


def _is_after(text: str, now: datetime) -> bool:
    try:
        return datetime.fromisoformat(text) > now
    except (ValueError, TypeError):
        return False
