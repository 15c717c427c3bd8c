"""A user asks to read secrets that need the approval of others; k people say yes; the user gets them (decision 16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from coordinator.decisions.approvals import Approver, approver, milliseconds, signing_user
from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import (
    NoReadRequest,
    NotApproved,
    ReadRequestRefused,
    TooManyReadRequests,
)
from coordinator.decisions.expiry import expired_reads
from coordinator.decisions.read_secrets import values_of
from coordinator.decisions.users import find_user, require
from coordinator.manifest.approvers import people, person, read_approvers
from coordinator.manifest.model import Action, Manifest, ReadApproval, User
from coordinator.manifest.signature import DetachedSignature, Subject
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.generate import Entropy
from coordinator.state.events import Event, ReadApproved, ReadEnded, ReadRequested, SecretsRead
from coordinator.state.model import Deployment, ReadRequest, State
from coordinator.state.phase import Ask
from coordinator.state.read_replay import WITHDRAWN
from coordinator.wire.read_requests import MOST_BYTES, ReadAsk, ReadRequestDocument, Wanted
from pki.keys import fingerprint


@dataclass(frozen=True, slots=True)
class ReadStanding:
    """How a request stands.  wanted: approvals that are missing, by secret.

    due: when the values are given, where nothing but time is missing; else None.
    """

    wanted: tuple[Wanted, ...]
    due: datetime | None

    @property
    def granted(self) -> bool:
        """Whether the values are given now."""
        return not self.wanted and self.due is None

    @property
    def missing(self) -> int:
        """At least so many people have to approve still."""
        return max((one.approvals for one in self.wanted), default=0)

    @property
    def users(self) -> tuple[str, ...]:
        """Who may."""
        return tuple(dict.fromkeys(user for one in self.wanted for user in one.users))


@dataclass(frozen=True, slots=True)
class Given:
    """Values by name, and the request by which they are given."""

    request: str
    values: Mapping[str, SecretValue] = field(repr=False)


def stands(deployment: Deployment, request: ReadRequest, now: datetime) -> ReadStanding:
    """How a request of this deployment stands."""
    return _stands(deployment, request.document, [approval.user for approval in request.approvals], now)


def open_requests(deployment: Deployment, now: datetime) -> tuple[ReadRequest, ...]:
    """Those that are not over, oldest first."""
    return tuple(request for request in deployment.requests.values() if request.document.expires > now)


def ask_to_read(state: State, leaf: bytes, ask: ReadAsk, *, now: datetime, entropy: Entropy) -> Decision[str]:
    """A user asks, which is the user's own approval where the user may give one.  The reply: the request's id.

    Raises WrongPhase, UnknownUser, NotPermitted, ReadRequestRefused, TooManyReadRequests.
    """
    deployment = _deployment(state)
    manifest = deployment.manifest
    user = find_user(manifest, leaf)
    require(user, Action.READ_SECRET, ask.secrets)
    terms = _terms(manifest, ask)
    if sum(request.document.user == user.name for request in open_requests(deployment, now)) >= MOST_OPEN:
        raise TooManyReadRequests(f"user '{user.name}' has {MOST_OPEN} open requests already")
    begun = now.replace(microsecond=now.microsecond // 1000 * 1000)
    not_before = begun + max(one.delay for one in terms)
    longest = min(one.expiry for one in terms)
    if ask.lasts is not None and ask.lasts > longest:
        raise ReadRequestRefused(f"a request for these secrets lasts at most {longest}, got {ask.lasts}")
    document = ReadRequestDocument(
        id=entropy(_ID_BYTES).hex(),
        coordinator=fingerprint(state.authority.root_key.public_key()),
        manifest=manifest.digest,
        user=user.name,
        key=approver(user).key,
        secrets=ask.secrets,
        reason=ask.reason,
        not_before=not_before,
        expires=not_before + (ask.lasts or longest),
    )
    if len(raw := document.text()) > MOST_BYTES:
        raise ReadRequestRefused(f"a request has at most {MOST_BYTES} bytes, got {len(raw)}: ask for fewer secrets")
    first = _stands(deployment, document, [], now)
    requested = ReadRequested(milliseconds(now), raw, first.missing, first.users)
    own: tuple[Event, ...] = ()
    if _may_approve(user, document):
        then = _stands(deployment, document, [user.name], now)
        own = (ReadApproved(document.id, approver(user).approval(now), then.missing, then.users),)
    return Decision((*expired_reads(deployment, now), requested, *own), document.id)


def by_connection(state: State, leaf: bytes, name: str, *, now: datetime) -> Approver:
    """The user whose certificate the connection proved, who may approve this request.

    Raises WrongPhase, NoReadRequest, UnknownUser, NotPermitted.
    """
    deployment = _deployment(state)
    user = find_user(deployment.manifest, leaf)
    return approver(_approving(user, _request(deployment, name, now)))


def signers(state: State, name: str, signatures: Sequence[DetachedSignature], *, now: datetime) -> tuple[Approver, ...]:
    """The users who signed this request's exact bytes, and may approve it.

    Raises WrongPhase, NoReadRequest, ApprovalRefused, NotPermitted.
    """
    deployment = _deployment(state)
    request = _request(deployment, name, now)
    users = deployment.manifest.users.values()
    able, found = [user for user in users if _may_approve(user, request.document)], []
    for signature in signatures:
        user = signing_user((*able, *users), Subject.READ_REQUEST, request.digest, signature)
        found.append(Approver(_approving(user, request), signature.key, signature.signature))
    return tuple(found)


def approve_read(state: State, name: str, approvers: Sequence[Approver], *, now: datetime) -> Decision[None]:
    """These say yes.  Who has approved before may do so again, which changes nothing.

    Raises WrongPhase, NoReadRequest.
    """
    deployment = _deployment(state)
    request = _request(deployment, name, now)
    names = [approval.user for approval in request.approvals]
    events: list[Event] = []
    for one in approvers:
        if one.user.name not in names:
            names.append(one.user.name)
            then = _stands(deployment, request.document, names, now)
            events.append(ReadApproved(name, one.approval(now), then.missing, then.users))
    return Decision(tuple(events), None)


def withdraw_read(state: State, leaf: bytes, name: str, *, now: datetime) -> Decision[None]:
    """End a request: the user's own, or as somebody who may approve it.

    Raises WrongPhase, NoReadRequest, UnknownUser, NotPermitted.
    """
    deployment = _deployment(state)
    user = find_user(deployment.manifest, leaf)
    request = _request(deployment, name, now)
    if user.name != request.document.user:
        _approving(user, request)
    return Decision((ReadEnded(milliseconds(now), name, WITHDRAWN, user.name),), None)


def read_approved(state: State, leaf: bytes, names: Sequence[str], *, now: datetime) -> Decision[Given]:
    """The values, for the user who asked, by a request that has all of these secrets and all its approvals.

    Raises WrongPhase, UnknownUser, NotPermitted, NoReadRequest, NotApproved, ReadRequestRefused.
    """
    deployment = _deployment(state)
    user = find_user(deployment.manifest, leaf)
    if not names:
        raise ReadRequestRefused("expected at least one secret, got none")
    require(user, Action.READ_SECRET, names)
    own = [
        request
        for request in open_requests(deployment, now)
        if request.document.user == user.name and set(names) <= set(request.document.secrets)
    ]
    if not own:
        listed = ", ".join(f"'{name}'" for name in names[:_NAMED])
        raise NoReadRequest(f"user '{user.name}' has no open request that has all of {listed}")
    granted = [request for request in own if stands(deployment, request, now).granted]
    if not granted:
        standing = stands(deployment, own[-1], now)
        raise NotApproved(own[-1].document.id, standing.wanted, standing.due)
    request = min(granted, key=lambda request: request.times_read)
    if request.times_read >= MOST_READ:
        raise ReadRequestRefused(f"request {request.document.id} was answered {MOST_READ} times already: ask anew")
    event = SecretsRead(milliseconds(now), request.document.id, tuple(names))
    return Decision((event,), Given(request.document.id, values_of(deployment, names)))


def _stands(
    deployment: Deployment, document: ReadRequestDocument, approved: Sequence[str], now: datetime
) -> ReadStanding:
    """Two users with one key are one person."""
    wanted = []
    for name in document.secrets:
        terms = deployment.manifest.secrets[name].read_approval
        assert terms is not None, "a request is for secrets that need approval, and ends with its manifest"
        approvers = read_approvers(deployment.manifest.users.values(), name)
        heard = people(user for user in approvers if user.name in approved)
        if missing := max(0, terms.threshold - len(heard)):
            others = tuple(user.name for user in approvers if person(user) not in heard)
            wanted.append(Wanted(name, missing, others))
    due = document.not_before if not wanted and document.not_before > now else None
    return ReadStanding(tuple(wanted), due)


def _terms(manifest: Manifest, ask: ReadAsk) -> list[ReadApproval]:
    """The terms of every secret that is asked for.  Raises ReadRequestRefused."""
    if not 0 < len(ask.secrets) <= MOST_SECRETS:
        raise ReadRequestRefused(f"expected from 1 to {MOST_SECRETS} secrets, got {len(ask.secrets)}")
    if not 0 < len(ask.reason) <= MOST_REASON or not ask.reason.isprintable():
        raise ReadRequestRefused(
            f"expected a reason of 1 to {MOST_REASON} printable characters, got {len(ask.reason)} characters"
        )
    terms = []
    for name in ask.secrets:
        if (one := manifest.secrets[name].read_approval) is None:
            raise ReadRequestRefused(f"secret '{name}' needs no approval: read it with `enclasp secret get`")
        terms.append(one)
    return terms


def _may_approve(user: User, document: ReadRequestDocument) -> bool:
    return any(user.may(Action.APPROVE_READ, name) for name in document.secrets)


def _approving(user: User, request: ReadRequest) -> User:
    """The user, who may approve for one of the secrets at least.  Raises NotPermitted."""
    if not _may_approve(user, request.document):
        require(user, Action.APPROVE_READ, request.document.secrets)
    return user


def _request(deployment: Deployment, name: str, now: datetime) -> ReadRequest:
    request = deployment.requests.get(name)
    if request is None or request.document.expires <= now:
        raise NoReadRequest(f"no request '{name[:40]}' is open")
    return request


def _deployment(state: State) -> Deployment:
    admit(state, Ask.READ_SECRETS)
    return state.deployed


MOST_OPEN: Final = 8
"""Open requests of one user."""
MOST_SECRETS: Final = 16
"""Secrets of one request."""
MOST_REASON: Final = 500
"""Characters of a reason."""
MOST_READ: Final = 8
"""How often one request is answered: each answer is a record of the journal, and one may be lost on the way."""
_ID_BYTES: Final = 8
_NAMED: Final = 10
