"""A manifest is proposed, approved, cancelled: k of n users, before a deadline (contract 1.10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.decisions.approvals import Approver, milliseconds
from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import NoPendingUpdate, OtherDocument, ReplacesOther, UnknownUser, UpdatePending
from coordinator.decisions.expiry import expired_update
from coordinator.decisions.users import find_user, require
from coordinator.manifest.approvers import needed, people, person, updaters
from coordinator.manifest.model import WHOLE_MANIFEST, Action, Manifest
from coordinator.state.events import (
    LANGUAGE_VERSION,
    Event,
    UpdateApproved,
    UpdateProposed,
    UpdateWithdrawn,
)
from coordinator.state.model import Deployment, PendingUpdate, State
from coordinator.state.phase import Ask
from coordinator.state.update_replay import CANCELLED


@dataclass(frozen=True, slots=True)
class Standing:
    """How an update stands.  missing: people whose approval is wanted still.  users: who may give them; empty for none.

    due: when it comes in force, where nothing but time is missing; else None.
    """

    missing: int
    users: tuple[str, ...]
    due: datetime | None = None


def waiting(state: State, now: datetime) -> tuple[Deployment, PendingUpdate]:
    """The update that waits for approvals.  Raises NoPendingUpdate."""
    deployment = state.deployment
    if deployment is None or deployment.pending is None or deployment.pending.expires <= now:
        raise NoPendingUpdate("no update of the manifest is pending")
    return deployment, deployment.pending


def standing(deployment: Deployment, approved: Sequence[str], *, proposed: datetime, now: datetime) -> Standing:
    """Who is missing, when these users have approved what was proposed then.  Users with one key are one person."""
    able = updaters(deployment.manifest.users.values())
    heard = people(user for user in able if user.name in approved)
    missing = max(0, needed(deployment.manifest) - len(heard))
    if missing:
        return Standing(missing, tuple(user.name for user in able if person(user) not in heard))
    due = proposed + deployment.manifest.config.update_delay
    return Standing(0, (), due if due > now else None)


def stands(deployment: Deployment, pending: PendingUpdate, now: datetime) -> Standing:
    """How the pending update stands."""
    approved = [approval.user for approval in pending.approvals]
    return standing(deployment, approved, proposed=pending.proposed, now=now)


def mature(state: State, *, now: datetime) -> Decision[Standing]:
    """Nobody says anything new: how does the pending update stand?  Raises NoPendingUpdate."""
    deployment, pending = waiting(state, now)
    return Decision((), stands(deployment, pending, now))


def clear_way(state: State, ask: Ask, now: datetime) -> tuple[Deployment, tuple[Event, ...]]:
    """A new update may begin; the events that end one whose time is over.  Raises WrongPhase, UpdatePending."""
    admit(state, ask)
    deployment = state.deployed
    ended, pending = expired_update(deployment, now), deployment.pending
    if pending is not None and not ended:
        raise UpdatePending(f"an update of the manifest is pending already: {pending.manifest.fingerprint}")
    return deployment, ended


def propose(
    state: State, manifest: Manifest, approvers: Sequence[Approver], *, compatible: bool, now: datetime
) -> Decision[Standing]:
    """Ask for this manifest, with the first approvals (at least one; the first is the proposer's).

    Raises WrongPhase, UpdatePending, ReplacesOther.
    """
    deployment, ended = clear_way(state, Ask.UPDATE, now)
    check_successor(deployment, manifest)
    config = deployment.manifest.config
    expires = milliseconds(now + config.update_delay + config.update_expiry)
    proposer = approvers[0].user.name
    begun = UpdateProposed(milliseconds(now), proposer, manifest.raw, LANGUAGE_VERSION, compatible, expires)
    approved, reply = _approve(deployment, (), approvers, proposed=now, now=now)
    return Decision((*ended, begun, *approved), reply)


def acknowledge(state: State, digest: bytes, approvers: Sequence[Approver], *, now: datetime) -> Decision[Standing]:
    """Approve the manifest that is pending, by its exact bytes.  Who has approved before may do so again.

    digest: SHA-256 of the bytes that were sent.  Raises NoPendingUpdate, OtherDocument, ReplacesOther.
    """
    deployment, pending = waiting(state, now)
    if pending.manifest.digest != digest:
        raise OtherDocument(f"another manifest is pending: expected {pending.manifest.fingerprint}, got {digest.hex()}")
    check_successor(deployment, pending.manifest)
    before = tuple(approval.user for approval in pending.approvals)
    approved, reply = _approve(deployment, before, approvers, proposed=pending.proposed, now=now)
    return Decision(approved, reply)


def cancel(state: State, leaf: bytes, *, now: datetime) -> Decision[str]:
    """Withdraw the manifest that is pending.  The reply: its fingerprint.

    Raises NoPendingUpdate, UnknownUser, NotPermitted.
    """
    deployment, pending = waiting(state, now)
    user = find_user(deployment.manifest, leaf)
    require(user, Action.UPDATE_MANIFEST, [WHOLE_MANIFEST])
    return Decision((UpdateWithdrawn(milliseconds(now), CANCELLED, user.name),), pending.manifest.fingerprint)


def check_successor(deployment: Deployment, manifest: Manifest) -> None:
    """Raises ReplacesOther if the document says that it replaces another manifest than the one in force."""
    replaces = manifest.update.replaces
    if replaces and replaces != deployment.manifest.digest:
        raise ReplacesOther(
            "the document is an update of another manifest: expected Update.Replaces "
            f"{deployment.manifest.fingerprint} (the one in force), got {replaces.hex()}"
        )


def _approve(
    deployment: Deployment,
    before: tuple[str, ...],
    approvers: Sequence[Approver],
    *,
    proposed: datetime,
    now: datetime,
) -> tuple[tuple[Event, ...], Standing]:
    if not approvers:
        raise UnknownUser("nobody approves: expected a user's certificate or a detached signature")
    names = list(before)
    events: list[Event] = []
    for approver in approvers:
        if approver.user.name not in names:
            names.append(approver.user.name)
            then = standing(deployment, names, proposed=proposed, now=now)
            events.append(UpdateApproved(approver.approval(now), then.missing, then.users))
    return tuple(events), standing(deployment, names, proposed=proposed, now=now)
