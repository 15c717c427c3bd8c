"""`enclasp evidence show|verify PATH…|collect`: what evidence says, whether to believe it, and how to get it."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, guarded, read_input, reports
from coordinator.cli.ear import ear_option, read_ear_key, sign_ear
from coordinator.cli.evidence_collect import collect
from coordinator.cli.group import Group
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import Hex, Moment, current_moment, read_anchors, read_endorsements, read_reference

if TYPE_CHECKING:
    from attestation.appraisal import Verdict
    from attestation.binding import Binding

_PATHS = click.argument("paths", nargs=-1, required=True, type=FILE, metavar="PATH...")


@click.group(cls=Group)
def evidence() -> None:
    """Show, verify and collect evidence of confidential computing hardware, offline."""


evidence.add_command(collect)


@evidence.command()
@_PATHS
@reports
def show(output: Output, paths: tuple[Path, ...]) -> int:
    """Show what evidence says. Nothing of this is verified.

    \b
    enclasp evidence show quote.bin
    enclasp evidence show quote.bin -o json
    """
    from attestation.anchors import TrustAnchors
    from attestation.appraisal import DefaultPolicy, judge
    from attestation.binding import Unbound
    from attestation.endorsements import Endorsements
    from attestation.verify import Verifier
    from coordinator.cli.evidence_files import find_evidence
    from coordinator.cli.verdicts import claim_lines

    verifier = Verifier(TrustAnchors.genuine(), Endorsements.none())
    documents: list[dict[str, Any]] = []
    lines: list[str] = []

    def look(path: Path) -> int:
        found = find_evidence(path)
        verification = verifier.verify(found.evidence, Unbound(), now=current_moment())
        claims = judge(verification, DefaultPolicy()).as_json()["claims"]
        documents.append({"path": str(path), "verified": False, "platform": str(found.evidence.kind), "claims": claims})
        lines.extend([f"{path}", "nothing of this is verified", f"{'platform':<26}{found.evidence.kind}"])
        lines.extend(claim_lines(claims))
        return exit_codes.DONE

    code = _each(paths, look, output)
    if documents:
        output.result(documents if len(paths) > 1 else documents[0], "\n".join(lines))
    return code


@evidence.command()
@_PATHS
@click.option("--collateral", type=FILE, help="Bundle of the vendors' endorsements, besides those in a folder.")
@click.option("--at", type=Moment(), help="Verify for this moment instead of now.")
@click.option(
    "--nonce",
    type=Hex(512),
    help="The nonce must be this; where evidence has none of its own (all but Nitro), the report data.",
)
@click.option("--report-data", type=Hex(64), help="The report data must be this, filled up with zero bytes.")
@click.option("--policy", type=FILE, help="Reference values that the evidence must meet.")
@click.option("--event-log", type=FILE, help="Firmware's event log (CCEL) of a TDX machine, replayed into its RTMRs.")
@click.option(
    "--trust",
    type=FILE,
    multiple=True,
    help="Roots of simulated vendors that you accept (PEM), or keys of NVIDIA's service (JWKS).",
)
@ear_option
@click.option("--accept-warnings", is_flag=True, help="Exit code 0 also for the verdict 'warning'.")
@reports
def verify(
    output: Output,
    paths: tuple[Path, ...],
    collateral: Path | None,
    at: datetime | None,
    nonce: bytes | None,
    report_data: bytes | None,
    policy: Path | None,
    event_log: Path | None,
    trust: tuple[Path, ...],
    ear_key: Path | None,
    accept_warnings: bool,
) -> int:
    """Verify evidence, offline: signatures, certificates, dates, the platform's state; and with --policy what it runs.

    PATH is a quote, or a folder with quote.bin and collateral.json. Roots are built in; those in a folder are not read.

    \b
    enclasp evidence verify quote.bin --collateral collateral.json
    enclasp evidence verify folder/ --at 2025-10-31T14:17:11Z -o json
    enclasp evidence verify quote.bin --collateral collateral.json --ear verifier.key --out result.jwt
    """
    from attestation.appraisal import DefaultPolicy, judge
    from attestation.binding import Nonced
    from attestation.endorsements import Endorsements
    from attestation.kinds import Kind
    from attestation.tdx.event_log import LOG_FILE
    from attestation.verify import Verifier
    from coordinator.cli.evidence_files import find_evidence
    from coordinator.cli.verdicts import verdict_lines

    if nonce is not None and report_data is not None:
        raise click.UsageError(
            "give --nonce or --report-data, not both: on most platforms both say what the report data must be"
        )
    binding = Nonced(nonce) if nonce is not None else _binding(report_data)
    anchors, given = read_anchors(*trust), read_endorsements(collateral)
    told = Endorsements(files={} if event_log is None else {LOG_FILE: read_input(event_log)})
    wanted = DefaultPolicy() if policy is None else read_reference(policy)
    signer = None if ear_key is None else read_ear_key(ear_key)
    now = at if at is not None else current_moment()
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    verdicts: dict[str, Verdict] = {}

    def look(path: Path) -> int:
        found = find_evidence(path)
        if event_log is not None and found.evidence.kind is not Kind.TDX:
            text = f"{path}: --event-log is for TDX evidence, got {found.evidence.kind}"
            raise Problem(text, exit_codes.USAGE, hint="registers of other platforms are not replayed")
        verifier = Verifier(anchors, given.and_those(found.endorsements).and_those(told))
        verifier.read_endorsements()
        verdict = judge(verifier.verify(found.evidence, binding, now=now), wanted)
        verdicts[str(path)] = verdict
        documents.append({"path": str(path), **verdict.as_json()})
        lines.extend([f"{path}", *verdict_lines(verdict)])
        good = verdict.outcome == "affirming" or (accept_warnings and verdict.outcome == "warning")
        return exit_codes.DONE if good else exit_codes.REFUSED

    code = _each(paths, look, output)
    if signer is not None and len(verdicts) == len(set(paths)):
        token = sign_ear(verdicts, signer, at=now, nonce=nonce or b"", policy=policy)
        output.result({"ear": token}, token)
    elif signer is None and documents:
        output.result(documents if len(paths) > 1 else documents[0], "\n".join(lines))
    return code


def _each(paths: tuple[Path, ...], look: Callable[[Path], int], output: Output) -> int:
    """Look at every path, also after one that failed; the exit code is the gravest."""
    return max(guarded(partial(look, path), machine=output.machine) for path in paths)


def _binding(report_data: bytes | None) -> "Binding":
    from attestation.binding import REPORT_DATA_BYTES, Bound, Unbound

    if report_data is None:
        return Unbound()
    return Bound(report_data.ljust(REPORT_DATA_BYTES, b"\0"), "--report-data")
