"""Secrets that are read only with the approval of others: who asks, who approves, who gets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.decisions.decision import admit
from coordinator.decisions.read_requests import (
    ReadStanding,
    approve_read,
    ask_to_read,
    by_connection,
    open_requests,
    read_approved,
    signers,
    stands,
    withdraw_read,
)
from coordinator.desk import Desk
from coordinator.manifest.signature import DetachedSignature
from coordinator.manifest.template.values import SecretValue
from coordinator.state.model import Deployment, ReadRequest
from coordinator.state.phase import Ask
from coordinator.wire.read_requests import ReadAsk


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and how it stands."""

    request: ReadRequest
    standing: ReadStanding


class Readings:
    """Requests to read secrets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open(self) -> tuple[Asked, ...]:
        """All that are open, oldest first.  Raises WrongPhase, NotServing."""
        now, deployment = self._now(), self._deployment()
        return tuple(Asked(request, stands(deployment, request, now)) for request in open_requests(deployment, now))

    async def ask(self, leaf: bytes, ask: ReadAsk) -> Asked:
        """A user asks to read secrets.

        Raises WrongPhase, UnknownUser, NotPermitted, ReadRequestRefused, TooManyReadRequests, NotServing.
        """
        desk, now = self._desk, self._now()
        decision = ask_to_read(desk.state, leaf, ask, now=now, entropy=desk.env.entropy)
        written, asked = desk.enact(decision.events), self._asked(decision.reply, now)
        said = {"user": asked.request.document.user, "secrets": [*ask.secrets], "request": decision.reply}
        desk.say_when(written, lambda: desk.env.observer.info("secret read requested", **said))
        await desk.durable(written)
        return asked

    async def approve(self, leaf: bytes, name: str, signatures: Sequence[DetachedSignature]) -> Asked:
        """Approve a request by a connection, by detached signatures, or both.

        leaf: the certificate that the connection proved, or empty where only signatures speak.
        Raises WrongPhase, NoReadRequest, UnknownUser, NotPermitted, ApprovalRefused, NotServing.
        """
        desk, now = self._desk, self._now()
        own = (by_connection(desk.state, leaf, name, now=now),) if leaf else ()
        approvers = (*own, *signers(desk.state, name, signatures, now=now))
        written = desk.enact(approve_read(desk.state, name, approvers, now=now).events)
        asked, who = self._asked(name, now), [one.user.name for one in approvers]
        said = {"users": who, "request": name, "missing": asked.standing.missing}
        desk.say_when(written, lambda: desk.env.observer.info("secret read approved", **said))
        await desk.durable(written)
        return asked

    async def withdraw(self, leaf: bytes, name: str) -> None:
        """End a request.  Raises WrongPhase, NoReadRequest, UnknownUser, NotPermitted, NotServing."""
        desk, now = self._desk, self._now()
        written = desk.enact(withdraw_read(desk.state, leaf, name, now=now).events)
        desk.say_when(written, lambda: desk.env.observer.info("secret read withdrawn", request=name))
        await desk.durable(written)

    async def read(self, leaf: bytes, names: Sequence[str]) -> Mapping[str, SecretValue]:
        """The values of an approved request, for the user who asked; that they were given is durable before.

        Raises WrongPhase, UnknownUser, NotPermitted, NoReadRequest, NotApproved, ReadRequestRefused, NotServing.
        """
        desk, now = self._desk, self._now()
        decision = read_approved(desk.state, leaf, names, now=now)
        written, given = desk.enact(decision.events), decision.reply
        said = {"secrets": [*names], "request": given.request}
        desk.say_when(written, lambda: desk.env.observer.info("secrets read with approval", **said))
        await desk.durable(written)
        return given.values

    def _asked(self, name: str, now: datetime) -> Asked:
        deployment = self._deployment()
        request = deployment.requests[name]
        return Asked(request, stands(deployment, request, now))

    def _now(self) -> datetime:
        """The time of a request.  Raises NotServing."""
        self._desk.check_serving()
        return self._desk.env.clock()

    def _deployment(self) -> Deployment:
        self._desk.check_serving()
        admit(self._desk.state, Ask.READ_SECRETS)
        return self._desk.state.deployed
