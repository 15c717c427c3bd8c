"""`enclasp journal …`: the sealed state at rest, checked, saved and brought back."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.group import Group
from coordinator.cli.journal_place import PLACE, InCluster, place_of
from coordinator.cli.kubernetes_init_data import told_at_launch
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import current_moment

if TYPE_CHECKING:
    from coordinator.journal.chain import Chain
    from coordinator.journal.check import Inside
    from coordinator.journal.storage import Storage, Stored


@click.group(cls=Group)
def journal() -> None:
    """Check, back up and restore the sealed state of a coordinator.

    A state is in a directory, or in Secrets of a Kubernetes cluster: kubernetes:NAMESPACE/NAME. The cluster is that of
    kubectl's current context, or, in a pod, the pod's.
    """


@journal.command()
@click.argument("place", type=PLACE)
@click.option("--structure", is_flag=True, help="Follow the chain only; do not look for a key that opens the records.")
@click.option(
    "--config", "config_file", type=FILE, help="The coordinator's settings, where they name a TPM or a token."
)
@reports
def check(output: Output, place: Path, structure: bool, config_file: Path | None) -> None:
    """Follow a journal's chain, and open every record where this machine has its key.

    PLACE is a state (its coordinator may be running), a development folder, or a backup. Without the key only what
    stands in clear is checked: that every record follows the one before it. Exit code 4 at the first that does not.

    \b
    enclasp journal check /var/lib/enclasp
    enclasp journal check backup.tar --structure -o json
    enclasp journal check kubernetes:enclasp/enclasp-state
    """
    from coordinator.journal.copy import read_chain
    from coordinator.journal.errors import JournalError

    with _said(), _files(place) as (folder, environ):
        chain = read_chain(folder)
        inside, reason = None, "not asked for"
        if not structure:
            try:
                inside, reason = _look_inside(folder, environ, config_file), ""
            except _Closed as closed:
                reason = str(closed).removesuffix(":")
            except JournalError as problem:
                raise _refused(problem) from problem
    output.result(_document(chain, inside, reason), lambda: _table(chain, inside, reason))


@journal.command()
@click.argument("state", type=PLACE)
@click.argument("backup", type=PLACE)
@reports
def backup(output: Output, state: Path, backup: Path) -> None:
    """Save the state STATE to the file BACKUP, while its coordinator runs or not.

    The backup stays sealed as the state is: it needs no secret here, and opens where the state would, or with the
    owners of the manifest's recovery keys.

    \b
    enclasp journal backup /var/lib/enclasp /backups/monday.tar
    enclasp journal backup /var/lib/enclasp /backups/monday.tar -o json
    enclasp journal backup kubernetes:enclasp/enclasp-state /backups/monday.tar
    """
    from coordinator.journal.backup import back_up, back_up_records

    place = place_of(state)
    with _said():
        if isinstance(place, InCluster):
            made = back_up_records(_read(place), backup)
        else:
            made = back_up(place, backup)
    document = _place(made.chain) | {"file": str(backup), "evidence_bytes": made.evidence_bytes}
    output.result(document, f"{backup}: {_words(made.chain)}; {made.evidence_bytes} bytes of kept evidence")


@journal.command()
@click.argument("backup", type=PLACE)
@click.argument("state", type=PLACE)
@click.option("--reason", required=True, help="Why; it is written into the journal, where people and clients read it.")
@click.option("--replace", is_flag=True, help="Keep the state that is there aside; what BACKUP has not is lost.")
@reports
def restore(output: Output, backup: Path, state: Path, reason: str, replace: bool) -> None:
    """Put the file BACKUP in the place of the state STATE. Its coordinator must not be running.

    What happened after the backup is lost: secrets that were set, counters, limits that were used up. So it is never
    silent: the coordinator writes the reason into its journal, and clients that saw a later state refuse this one.

    \b
    enclasp journal restore /backups/monday.tar /var/lib/enclasp --reason "disk of host 7 broke"
    enclasp journal restore /backups/monday.tar kubernetes:enclasp/enclasp-state --reason "etcd was lost"
    """
    from coordinator.journal.backup import opened, restore_in_cluster
    from coordinator.journal.backup import restore as bring_back
    from coordinator.journal.copy import read_chain
    from coordinator.journal.restoration import Restoration

    _check_reason(reason)
    place = place_of(state)
    with _said():
        with opened(backup) as fresh:
            sequence = read_chain(fresh).head.sequence
        note = Restoration(reason, int(current_moment().timestamp() * 1000), sequence)
        if isinstance(place, InCluster):
            draw = os.urandom  # noqa: TID251 - shell: draws names of objects
            chain = restore_in_cluster(backup, place.api, place.name, note, draw, replace=replace)
        else:
            chain = bring_back(backup, place, note, replace=replace)
    output.result(_place(chain) | {"state": str(state), "reason": reason}, f"{state}: {_words(chain)}")


@journal.command()
@click.argument("state", type=PLACE)
@click.option("--reason", required=True, help="Why; it is written into the journal, where people and clients read it.")
@reports
def accept(output: Output, state: Path, reason: str) -> None:
    """Let the state STATE be served, although its witness says that it is not the newest.

    Its coordinator must not be running, and serves the state when it is started again. Where the manifest names owners
    of recovery keys, they have the last word all the same: `enclasp recovery approve`.

    \b
    enclasp journal accept /var/lib/enclasp --reason "the TPM of host 7 was replaced"
    enclasp journal accept kubernetes:enclasp/enclasp-state --reason "restored after the outage of November"
    """
    from coordinator.journal.backup import accept as leave_note

    _check_reason(reason)
    with _said(), _held(place_of(state)) as storage:
        chain = leave_note(storage, reason, int(current_moment().timestamp() * 1000))
    output.result(_place(chain) | {"state": str(state), "reason": reason}, f"{state}: {_words(chain)}")


def _read(place: InCluster) -> "Stored":
    """What is in the Secrets now.  Raises StorageFailed."""
    from coordinator.journal.errors import StorageFailed
    from coordinator.journal.kubernetes import read_unclaimed

    stored = read_unclaimed(place.api, place.name)
    if not stored.meta:
        raise StorageFailed(str(place), "read", "no journal is there")
    return stored


@contextmanager
def _held(place: Path | InCluster) -> "Iterator[Storage]":
    """The storage, which is ours alone: its coordinator must not be running, or is refused its next write."""
    from coordinator.journal.copy import demand_journal
    from coordinator.journal.kubernetes import KubernetesStorage
    from coordinator.journal.sqlite import SqliteStorage

    storage: Storage
    if isinstance(place, InCluster):
        _read(place)
        draw = os.urandom  # noqa: TID251 - shell: draws names of objects
        storage = KubernetesStorage(place.api, place.name, draw)
    else:
        demand_journal(place)
        storage = SqliteStorage(place)
    try:
        yield storage
    finally:
        storage.close()


def _check_reason(reason: str) -> None:
    from coordinator.journal.restoration import LONGEST_REASON

    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise Problem(f"--reason: expected 1 to {LONGEST_REASON} characters", exit_codes.USAGE)


class _Closed(Exception):
    """No key of this machine opens the journal; the text says why."""


def _look_inside(folder: Path, environ: Mapping[str, str], config_file: Path | None) -> "Inside":
    """Every record and all kept evidence.  Raises _Closed, JournalError."""
    from attestation.errors import AttestationError
    from attestation.issue import find_issuer
    from coordinator.config import ConfigInvalid, load
    from coordinator.journal.check import look_inside
    from coordinator.journal.configured import key_sources
    from coordinator.journal.errors import KeyUnusable
    from coordinator.journal.sources import name_of_machine
    from coordinator.program import own_program

    try:
        config = load(None if config_file is None else read_input(config_file), environ, told_at_launch(environ))
        issuer = find_issuer(environ, own_program())
        sources = key_sources(config, issuer, os.urandom)  # noqa: TID251 - shell: draws nothing here
        return look_inside(folder, sources, name_of_machine(issuer))
    except ConfigInvalid as cause:
        raise Problem(str(cause), exit_codes.INVALID, "U507") from cause
    except (AttestationError, KeyUnusable) as cause:
        raise _Closed(str(cause).partition("\n")[0]) from cause


@contextmanager
def _files(place: Path) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A copy of the state's files to look at, and the environment in which its key may be."""
    from coordinator.journal.backup import laid_out, opened
    from coordinator.journal.copy import copy_journal

    state = place_of(place)
    if isinstance(state, InCluster):
        with laid_out(_read(state)) as folder:
            yield folder, os.environ
        return
    if place.is_file():
        with opened(place) as folder:
            yield folder, os.environ
        return
    environ = dict(os.environ)
    if (place / "simulation").is_dir():
        environ = {"ENCLASP_SIMULATION": str(place / "simulation"), **environ}
    with tempfile.TemporaryDirectory(prefix="enclasp-check-") as name:
        copy_journal(state, Path(name))
        yield Path(name), environ


@contextmanager
def _said() -> Iterator[None]:
    """What is wrong with a journal, as a problem with its code."""
    from coordinator.journal.errors import JournalError

    try:
        yield
    except JournalError as error:
        raise _refused(error) from error


def _refused(error: Any) -> Problem:
    from coordinator.journal.errors import ArchiveBroken, BrokenLink

    broken = isinstance(error, BrokenLink | ArchiveBroken)
    message = str(error).partition("\n")[0]
    return Problem(message, exit_codes.REFUSED if broken else exit_codes.INVALID, error.code, error.hint)


def _place(chain: "Chain") -> dict[str, Any]:
    return {
        "journal": chain.journal_id.hex(),
        "records": chain.records,
        "first": chain.first,
        "sequence": chain.head.sequence,
        "link": chain.head.link.hex(),
    }


def _document(chain: "Chain", inside: "Inside | None", reason: str) -> dict[str, Any]:
    opened = None
    if inside is not None:
        opened = {
            "events": dict(inside.events),
            "evidence": {"kept": inside.kept, "missing": [digest.hex() for digest in inside.missing]},
        }
    sources = sorted(chain.keyring.wrapped_keys)
    return _place(chain) | {"chain": "holds", "key_sources": sources, "opened": opened, "not_opened": reason or None}


def _words(chain: "Chain") -> str:
    return f"journal {chain.journal_id.hex()} up to record {chain.head.sequence}, link {chain.head.link.hex()}"


def _table(chain: "Chain", inside: "Inside | None", reason: str) -> str:
    lines = [
        f"{_words(chain)}",
        f"chain: holds over {chain.records} records from record {chain.first} on"
        + (" (a snapshot stands for what was before)" if chain.first else ""),
        f"sealed for: {', '.join(sorted(chain.keyring.wrapped_keys)) or 'nobody'}",
    ]
    if inside is None:
        lines.append(f"records: NOT opened: {reason}. Without the key nothing in them is proven")
    else:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(inside.events.items()))
        lines.append(f"records: all authentic, and they make a state: {counts}")
        lost = f"; {len(inside.missing)} that the journal names are not kept any more" if inside.missing else ""
        lines.append(f"evidence: {inside.kept} activations kept, all authentic{lost}")
    return "\n".join(lines)
