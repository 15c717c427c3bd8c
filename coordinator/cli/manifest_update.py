"""`enclasp manifest update plan|apply|acknowledge|pending|cancel`: change the law of a running deployment."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.group import Group
from coordinator.cli.manifest_words import change_lines, compatible_option
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.recovery_data import kept, recoverydata_option, reserved
from coordinator.cli.signatures import read_signature
from coordinator.cli.visit import (
    Visit,
    endpoint_argument,
    insecure_option,
    manifest_of,
    say_verified,
    user_options,
    visits,
)

if TYPE_CHECKING:
    from coordinator.client.client import CoordinatorClient, UpdateAnswer
    from coordinator.manifest.change import Change
    from coordinator.manifest.model import Manifest
    from coordinator.manifest.update_plan import Plan

_SHOWN: Final = 20
approval_option = click.option(
    "--approval",
    "approvals",
    type=FILE,
    multiple=True,
    help="A detached signature (`manifest sign`) of somebody who approves; several times for several.",
)


@click.group(cls=Group)
def update() -> None:
    """Update the manifest of a running deployment, or raise security versions."""


@update.command()
@click.argument("file", type=FILE)
@endpoint_argument
@compatible_option
@click.option("--exit-code", "tell", is_flag=True, help="Exit code 9 if the update weakens or widens anything.")
@visits
@reports
def plan(output: Output, file: Path, endpoint: str, compatible: bool, tell: bool, visit: Visit) -> int:
    """Say what an update would touch, before anybody approves it: marbles, secrets, people; and who has to approve.

    \b
    enclasp manifest update plan next.yaml localhost:4433 --reference reference.yaml
    enclasp manifest update plan next.yaml localhost:4433 --reference reference.yaml -o json
    """
    from coordinator.client.history import prove, raised_versions
    from coordinator.manifest.package_update import read_package_update
    from coordinator.manifest.parse import parse
    from coordinator.manifest.update_plan import plan_json, plan_update

    raw = read_input(file)
    deployment, client = visit.verified(endpoint)
    say_verified(deployment, output)
    active = _read_active(manifest_of(deployment).raw, compatible=compatible)
    raised = raised_versions(prove(deployment.root, client.history()))
    packages = read_package_update(raw, name=str(file), compatible=compatible)
    if packages is not None:
        before = {name: raised.get(name) for name in packages.versions}
        document = {"versions": {name: {"raised": before[name], "to": to} for name, to in packages.versions.items()}}
        lines = [f"package '{name}': security version {to}" for name, to in packages.versions.items()]
        output.result(document, "\n".join([*lines, "the manifest stays; one user whose role allows it is enough"]))
        return exit_codes.DONE
    new = parse(raw, name=str(file), compatible=compatible).manifest
    planned = plan_update(active, new, raised)
    output.result(plan_json(active, new, planned), lambda: "\n".join(_plan_lines(planned, active.fingerprint)))
    return exit_codes.FINDINGS if tell and planned.weakenings else exit_codes.DONE


@update.command()
@click.argument("file", type=FILE)
@endpoint_argument
@approval_option
@recoverydata_option
@user_options(required=False)
@insecure_option
@visits
@reports
def apply(
    output: Output, file: Path, endpoint: str, approvals: tuple[Path, ...], recoverydata: Path | None, visit: Visit
) -> None:
    """Propose FILE as the manifest, or raise the security versions that it names. Applied as soon as enough approve.

    Who proposes approves too: by --user-cert and --user-key, or by signatures alone.

    \b
    enclasp manifest update apply next.yaml localhost:4433 --user-cert alice.pem --user-key alice.key -o json
    enclasp manifest update apply next.yaml localhost:4433 --approval alice.sig --approval bob.sig
    """
    raw, signatures = _input(file, approvals, visit)
    client = visit.client(endpoint, output)
    _say_what_weakens(output, client, raw)
    with reserved(recoverydata):
        _report(output, client.update_apply(raw, signatures), recoverydata, visit)


@update.command()
@click.argument("file", type=FILE)
@endpoint_argument
@approval_option
@recoverydata_option
@user_options(required=False)
@insecure_option
@visits
@reports
def acknowledge(
    output: Output, file: Path, endpoint: str, approvals: tuple[Path, ...], recoverydata: Path | None, visit: Visit
) -> None:
    """Approve the pending manifest, which must be FILE byte for byte: by a connection, or by detached signatures.

    \b
    enclasp manifest update acknowledge next.yaml localhost:4433 --user-cert bob.pem --user-key bob.key
    enclasp manifest update acknowledge next.yaml localhost:4433 --approval bob.sig
    """
    raw, signatures = _input(file, approvals, visit)
    client = visit.client(endpoint, output)
    _say_what_weakens(output, client, raw)
    with reserved(recoverydata):
        _report(output, client.update_acknowledge(raw, signatures), recoverydata, visit)


@update.command(name="pending")
@endpoint_argument
@insecure_option
@visits
@reports
def pending_update(output: Output, endpoint: str, visit: Visit) -> None:
    """Write the pending manifest, byte for byte; on stderr who proposed and approved it, who is missing, and its times.

    \b
    enclasp manifest update pending localhost:4433 --reference reference.yaml --out pending.yaml
    enclasp manifest update pending localhost:4433 --reference reference.yaml -o json
    """
    client = visit.client(endpoint, output)
    pending = client.update_pending()
    if pending is None:
        raise Problem("no update is pending", exit_codes.INVALID, "U523")
    weakenings = _say_what_weakens(output, client, pending.raw)
    standing = pending.standing
    output.remark("\n".join(_pending_lines(standing)))
    document = {
        "fingerprint": pending.digest.hex(),
        "verified": not visit.insecure,
        "manifest": pending.raw.decode("utf-8", "backslashreplace"),
        "proposedBy": standing.get("proposedBy"),
        "proposedAt": standing.get("proposedAt"),
        "approvals": standing.get("approvals"),
        "missingAcknowledgments": standing.get("missingAcknowledgments"),
        "missingUsers": standing.get("missingUsers") or [],
        "notBefore": standing.get("notBefore"),
        "appliesAt": standing.get("appliesAt"),
        "expires": standing.get("expires"),
        "weakenings": [change.meaning for change in weakenings],
    }
    output.result(document, pending.raw)


@update.command()
@endpoint_argument
@user_options(required=True)
@insecure_option
@visits
@reports
def cancel(output: Output, endpoint: str, visit: Visit) -> None:
    """Withdraw the pending manifest.

    \b
    enclasp manifest update cancel localhost:4433 --user-cert alice.pem --user-key alice.key --reference reference.yaml
    enclasp manifest update cancel localhost:4433 -c alice.pem -k alice.key --reference reference.yaml -o json
    """
    visit.client(endpoint, output).update_cancel()
    output.result({"cancelled": True, "verified": not visit.insecure}, "the pending update is cancelled")


def _read_active(raw: bytes, *, compatible: bool) -> "Manifest":
    """The manifest in force: in our own style, or as MarbleRun reads it where it cannot be that."""
    from coordinator.manifest.errors import ManifestInvalid
    from coordinator.manifest.parse import parse

    name = "the active manifest"
    try:
        return parse(raw, name=name, compatible=compatible).manifest
    except ManifestInvalid:
        if compatible:
            raise
        return parse(raw, name=name, compatible=True).manifest


def _say_what_weakens(output: Output, client: "CoordinatorClient", raw: bytes) -> "tuple[Change, ...]":
    """On stderr, before anybody approves it: every change that lowers what people could rely on.  Those changes."""
    from coordinator.client.client import COMPATIBLE
    from coordinator.manifest.diff import diff
    from coordinator.manifest.errors import ManifestInvalid
    from coordinator.manifest.parse import parse
    from coordinator.manifest.update_plan import weakenings

    active = client.manifest_get()
    compatible = active.mode == COMPATIBLE
    try:
        new = parse(raw, name="the next manifest", compatible=compatible).manifest
    except ManifestInvalid:
        return ()  # raised security versions alone, or the coordinator says what is wrong with it
    found = weakenings(diff(_read_active(active.raw, compatible=compatible), new))
    for change in found[:_SHOWN]:
        output.remark(change_lines(change))
    if len(found) > _SHOWN:
        output.remark(f"and {len(found) - _SHOWN} more; `enclasp manifest update plan` shows all")
    return found


def _input(file: Path, approvals: tuple[Path, ...], visit: Visit) -> tuple[bytes, list[dict[str, str]]]:
    """The document, and the signatures of those who approve it.  Raises Problem."""
    from coordinator.manifest.signature import Subject

    signatures = [read_signature(path, Subject.MANIFEST).as_json() for path in approvals]
    if visit.user is None and not signatures:
        raise click.UsageError("give --user-cert and --user-key, or --approval")
    return read_input(file), signatures


def _report(output: Output, answer: "UpdateAnswer", recoverydata: Path | None, visit: Visit) -> None:
    secrets = kept(recoverydata, dict(answer.recovery_secrets), output)
    if answer.applies_at:
        table = f"approved: the update is in force at {answer.applies_at}"
    elif answer.missing == 0:
        table = "done: the update is in force"
    else:
        table = f"waiting: {answer.missing} more of {', '.join(answer.users)}"
    document = {
        "applied": answer.missing == 0 and not answer.applies_at,
        "appliesAt": answer.applies_at or None,
        "missingAcknowledgments": answer.missing,
        "missingUsers": list(answer.users),
        "RecoverySecrets": secrets,
        "verified": not visit.insecure,
    }
    output.result(document, "\n".join([table, *([json.dumps({"RecoverySecrets": secrets})] if secrets else [])]))


def _pending_lines(standing: Mapping[str, Any]) -> list[str]:
    """How the pending update stands, for people; a coordinator of MarbleRun's says less of it than ours."""
    from coordinator.manifest.words import printable

    def said(key: str) -> str:
        return str(standing.get(key) or "(not said)")

    given = [each for each in standing.get("approvals") or [] if isinstance(each, dict)]
    approved = (f"{each.get('user')}{' (signed)' if each.get('signature') else ''}" for each in given)
    missing = ", ".join(map(str, standing.get("missingUsers") or []))
    earliest = f"when they have approved, not before {said('notBefore')}"
    lines = [
        f"proposed   by {said('proposedBy')}, {said('proposedAt')}",
        f"approved   by {', '.join(approved) or '(not said)'}",
        f"missing    {said('missingAcknowledgments')} of {missing}" if missing else "missing    nobody",
        f"in force   {earliest if missing else standing.get('appliesAt') or 'at once'}",
        f"expires    {said('expires')}",
    ]
    return [printable(line) for line in lines]


def _plan_lines(plan: "Plan", active: str) -> list[str]:
    from coordinator.manifest.words import printable

    lines = [f"update of {active}", ""]
    lines += [line for change in plan.changes for line in change_lines(change).split("\n")] or ["no change of meaning"]
    sections: tuple[tuple[str, Callable[[], list[Any]]], ...] = (
        ("secrets", lambda: list(plan.secrets.items())),
        ("marbles", lambda: list(plan.marbles.items())),
    )
    for title, entries in sections:
        lines += ["", title, *(printable(f"  {name}: {words}") for name, words in entries())]
    lines += ["", f"approvals: {plan.needed} of {plan.who or 'nobody: this manifest is final'}"]
    lines += [f"in force {plan.delay} after it is proposed, at the earliest"] if plan.delay else []
    return [*lines, *(printable(f"note: {remark}") for remark in plan.remarks)]
