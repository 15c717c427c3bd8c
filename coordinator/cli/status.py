"""`enclasp status ENDPOINT`: in which phase is the coordinator?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import reports
from coordinator.cli.output import Output
from coordinator.cli.visit import Visit, endpoint_argument, unverified_client, visits

if TYPE_CHECKING:
    from coordinator.client.client import CoordinatorClient


@click.command()
@endpoint_argument
@visits
@reports
def status(output: Output, endpoint: str, visit: Visit) -> int:
    """Print the coordinator's phase, and after an update who still has certificates of before it.

    Exit code 8 if it waits for recovery.

    With --reference the coordinator is verified first; without it anybody may have answered, and the output says so.

    \b
    enclasp status localhost:4433
    enclasp status localhost:4433 -o json
    """
    from coordinator.client.client import COMPATIBLE, PHASE_ACCEPTING_MARBLES, PHASE_RECOVERY

    verified = visit.reference is not None
    if verified:
        client = visit.client(endpoint, output)
    else:
        client = unverified_client(endpoint, output, "no --reference was given")
    answer = client.status()
    document = {"code": answer.code, "message": answer.message, "mode": answer.mode, "verified": verified}
    how = "; it reads the manifest in MarbleRun's way (compatible)" if answer.mode == COMPATIBLE else ""
    found = _hierarchy(client) if answer.code == PHASE_ACCEPTING_MARBLES else None
    lines = [f"{answer.code}: {answer.message}{how}", *(_lines(found) if found is not None else ())]
    output.result(document | ({"hierarchy": dict(found)} if found is not None else {}), "\n".join(lines))
    return exit_codes.RECOVERY if answer.code == PHASE_RECOVERY else exit_codes.DONE


def _hierarchy(client: "CoordinatorClient") -> Mapping[str, Any] | None:
    """Who uses which intermediate; None where the coordinator (MarbleRun's) does not say."""
    from coordinator.client.errors import AnswerInvalid

    try:
        return client.hierarchy()
    except AnswerInvalid:
        return None


def _lines(found: Mapping[str, Any]) -> list[str]:
    """What is worth a word: only what is left of before an update."""
    lines = []
    for one in found["intermediates"][1:]:
        who = _names(one.get("marbles", ()))
        lines.append(f"the intermediate of step {one.get('number')} is trusted until {one.get('trustedUntil')}: {who}")
    if cut_off := found.get("cutOff"):
        lines.append(f"not trusted by marbles of after the update until they restart: {_names(cut_off)}")
    return lines


def _names(marbles: Sequence[Mapping[str, Any]]) -> str:
    from coordinator.manifest.words import printable

    named = (f"{marble.get('type')} ({marble.get('count')})" for marble in marbles)
    return printable(", ".join(named)) or "no marble uses it"
