"""`enclasp status ENDPOINT`: in which phase is the coordinator?"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import PRIVATE, Output, write_file
from coordinator.cli.problems import Problem
from coordinator.cli.visit import Visit, endpoint_argument, say_verified, unverified_client, visits

if TYPE_CHECKING:
    from cryptography import x509

    from coordinator.client.client import CoordinatorClient


@click.command()
@endpoint_argument
@visits
@click.option("--seen", type=FILE, help="Remember the state in this file; refuse one that does not go on from it.")
@reports
def status(output: Output, endpoint: str, visit: Visit, seen: Path | None) -> int:
    """Print the coordinator's phase, where its journal stands, and after an update who has certificates of before it.

    Exit code 8 if it waits for recovery.

    With --reference the coordinator is verified first; without it anybody may have answered, and the output says so.

    \b
    enclasp status localhost:4433
    enclasp status localhost:4433 -o json
    enclasp status localhost:4433 --reference reference.yaml --seen seen.json
    """
    from coordinator.client.client import COMPATIBLE, PHASE_ACCEPTING_MARBLES, PHASE_RECOVERY

    verified = visit.reference is not None
    if seen is not None and not verified:
        raise Problem("--seen needs a verified coordinator: give --reference", exit_codes.USAGE, "U504")
    root = None
    if verified and not visit.insecure:
        deployment, client = visit.verified(endpoint)
        say_verified(deployment, output)
        root = deployment.root
    elif verified:
        client = visit.client(endpoint, output)
    else:
        client = unverified_client(endpoint, output, "no --reference was given")
    answer = client.status()
    document = {"code": answer.code, "message": answer.message, "mode": answer.mode, "verified": verified}
    how = "; it reads the manifest in MarbleRun's way (compatible)" if answer.mode == COMPATIBLE else ""
    found = _hierarchy(client) if answer.code == PHASE_ACCEPTING_MARBLES else None
    lines = [f"{answer.code}: {answer.message}{how}", *(_lines(found) if found is not None else ())]
    document |= {"hierarchy": dict(found)} if found is not None else {}
    if answer.shared:
        document["knownAtStart"] = answer.known
        lines.append(_UNKNOWN if answer.known is None else _KNOWN.format(answer.known))
    if root is not None and answer.code == PHASE_ACCEPTING_MARBLES:
        journal, words = _journal(client, root, seen)
        document["journal"] = journal
        lines.append(words)
    output.result(document, "\n".join(lines))
    return exit_codes.RECOVERY if answer.code == PHASE_RECOVERY else exit_codes.DONE


def _journal(
    client: "CoordinatorClient", root: "x509.Certificate", file: Path | None
) -> tuple[Mapping[str, Any] | None, str]:
    """Where the journal stands, for programs and in words; a file is compared with it, and written."""
    from coordinator.client.errors import ClientError
    from coordinator.client.standing import Seen, SeenFormatError, ask_standing, decode_seen, encode_seen, follows

    try:
        before = decode_seen(read_input(file)) if file is not None and file.exists() else None
    except SeenFormatError as cause:
        hint = "it is left as it is: give the file that an earlier `status --seen` wrote, or a name that is not taken"
        raise Problem(f"{file}: {cause}", exit_codes.INVALID, "U501", hint) from cause
    nonce = os.urandom(_NONCE_BYTES)  # noqa: TID251 - shell: draws the nonce
    try:
        now = ask_standing(client, root, nonce, before)
    except ClientError:
        if file is not None:
            raise
        return None, "journal: the coordinator does not say where it stands"
    words = f"journal: {now.journal.hex()} at record {now.sequence}, link {now.link.hex()}"
    document = {"id": now.journal.hex(), "sequence": now.sequence, "link": now.link.hex(), "seen": None}
    if file is not None:
        document["seen"] = "first" if before is None else "follows" if follows(now, before) else "too-far-back"
        words += "; " + _SEEN[str(document["seen"])]
        write_file(file, encode_seen(Seen(now.journal, now.sequence, now.link)), mode=PRIVATE)
    return document, words


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
        lines.append(f"not trusted by marbles of after the update until they renew or restart: {_names(cut_off)}")
    return lines


def _names(marbles: Sequence[Mapping[str, Any]]) -> str:
    """Types of marbles with their number, and the UUIDs of a few of each; `enclasp marble list` has all."""
    from coordinator.manifest.words import printable

    return printable(", ".join(map(_instances, marbles))) or "no marble uses it"


def _instances(marble: Mapping[str, Any]) -> str:
    uuids = [str(uuid) for uuid in marble.get("uuids") or ()][-_NAMED:]
    named = f": {', '.join(uuids)}" if uuids else ""
    return f"{marble.get('type')} ({marble.get('count')}{named}{', …' if marble.get('count') != len(uuids) else ''})"


_NAMED: Final = 3
"""UUIDs of one type that are shown."""
_NONCE_BYTES: Final = 32
_KNOWN: Final = (
    "rollback: its leader knew the state up to record {} when it began to lead; what it serves goes on from there, "
    "or was approved"
)
_UNKNOWN: Final = (
    "rollback: its leader knew nothing of the state when it began to lead: an older one would not have been noticed"
)
_SEEN: Final = {
    "first": "remembered; nothing was seen before",
    "follows": "it goes on from what was seen last",
    "too-far-back": "what was seen last is too far back to be compared with its link, and not later",
}
