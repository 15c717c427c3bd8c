"""`enclasp collateral fetch|show`: what the hardware vendors say about machines, as a file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, reports
from coordinator.cli.group import Group
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import Moment, current_moment, read_endorsements

if TYPE_CHECKING:
    from attestation.freshness import Part

_WARN_DAYS = 7
_STALE = "verification with it is refused: fetch it anew with `enclasp collateral fetch`"
_ENDING = "fetch it anew in time: from that moment on verification with it is refused"


@click.group(cls=Group)
def collateral() -> None:
    """Endorsements of the hardware vendors: fetch them once, verify offline."""


@collateral.command()
@click.option(
    "--for",
    "paths",
    multiple=True,
    required=True,
    type=FILE,
    metavar="EVIDENCE",
    help="Evidence of a machine that the bundle shall be about; may be given again.",
)
@click.option("--url", default="", help="Address of a cache (a PCCS, a KDS mirror) instead of the vendors' services.")
@click.option(
    "--attempts",
    type=click.IntRange(1, 10),
    default=3,
    show_default=True,
    help="Ask this often, if the service is busy or cannot be reached.",
)
@reports
def fetch(output: Output, paths: tuple[Path, ...], url: str, attempts: int) -> None:
    """Fetch what Intel or AMD say about the machines of some evidence, as a bundle for --collateral.

    This is the only command that asks a vendor. What comes back is verified when it is used.

    \b
    enclasp collateral fetch --for quote.bin --out bundle.json
    enclasp collateral fetch --for quote.bin --for report.bin --url https://pccs.example:8081 --out bundle.json
    """
    import json

    from attestation.endorsements import parse_bundle
    from attestation.fetch import codes
    from attestation.fetch.bundle import fetch_bundle
    from attestation.fetch.errors import FetchFailed
    from attestation.fetch.http import Http, Limits
    from attestation.freshness import parts_of
    from coordinator.cli.evidence_files import find_evidence

    evidences = [find_evidence(path).evidence for path in paths]
    try:
        bundle = fetch_bundle(Http(Limits(attempts=attempts)), evidences, url)
    except FetchFailed as error:
        ours = error.code in (codes.NOTHING_TO_FETCH, codes.ADDRESS)
        exit_code = exit_codes.INVALID if ours else exit_codes.UNREACHABLE
        raise Problem(str(error), exit_code, error.code) from error
    now = current_moment()
    for part in parts_of(parse_bundle(bundle)):
        output.remark(f"{part.kind} {part.platform}: {part.sentence(now)}")
    output.result(json.loads(bundle), bundle)


@collateral.command()
@click.argument("file", type=FILE)
@click.option("--at", type=Moment(), help="Say what is still valid at this moment instead of now.")
@click.option(
    "--warn-days",
    type=click.IntRange(0, 365),
    default=_WARN_DAYS,
    show_default=True,
    help="Warn this many days ahead of the next update.",
)
@click.option("--strict", is_flag=True, help="Exit code 9 if something is stale, or ends soon.")
@reports
def show(output: Output, file: Path, at: datetime | None, warn_days: int, strict: bool) -> int:
    """Show what a collateral bundle is about, how old it is, and until when. Nothing of it is verified.

    \b
    enclasp collateral show collateral.json
    enclasp collateral show collateral.json --warn-days 14 --strict -o json
    """
    from attestation.freshness import State, gravest, parts_of

    now = at if at is not None else current_moment()
    ahead = timedelta(days=warn_days)
    parts = parts_of(read_endorsements(file))
    output.result(_entries(parts, now, ahead), "\n".join(_lines(parts, now, ahead)))
    return exit_codes.FINDINGS if strict and gravest(parts, now, ahead) is not State.CURRENT else exit_codes.DONE


def collateral_entries(file: Path, now: datetime) -> list[dict[str, Any]]:
    """One entry for each platform in the bundle; the dates are those of the part that ends first."""
    from attestation.freshness import parts_of

    return _entries(parts_of(read_endorsements(file)), now, timedelta(days=_WARN_DAYS))


def _entries(parts: "tuple[Part, ...]", now: datetime, ahead: timedelta) -> list[dict[str, Any]]:
    """A platform is as fresh as its stalest part."""
    from attestation.freshness import State, gravest

    entries = []
    for (kind, platform), group in _platforms(parts).items():
        state = gravest(group, now, ahead)
        ends = min((part.next_update for part in group if part.next_update), default=None)
        entries.append(
            {
                "kind": kind,
                "platform": platform,
                "next_update": _text(ends),
                "state": state.value,
                "current": state in (State.CURRENT, State.ENDING),
                "parts": [
                    {
                        "name": part.name,
                        "issued": _text(part.issued),
                        "next_update": _text(part.next_update),
                        "age_days": None if part.issued is None else (now - part.issued).days,
                        "state": part.state(now, ahead).value,
                    }
                    for part in group
                ],
            }
        )
    return entries


def _lines(parts: "tuple[Part, ...]", now: datetime, ahead: timedelta) -> list[str]:
    from attestation.freshness import State, gravest

    lines = ["nothing of this is verified"]
    for (kind, platform), group in _platforms(parts).items():
        lines.append(f"{kind}  {platform}")
        lines.extend(f"  {part.sentence(now, ahead)}" for part in group)
        state = gravest(group, now, ahead)
        if state in (State.STALE, State.UNREADABLE):
            lines.append(f"  {_STALE}")
        elif state is State.ENDING:
            lines.append(f"  {_ENDING}")
    return lines


def _platforms(parts: "tuple[Part, ...]") -> "dict[tuple[str, str], list[Part]]":
    platforms: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        platforms.setdefault((str(part.kind), part.platform), []).append(part)
    return platforms


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
