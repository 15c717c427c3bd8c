"""Owners of shares: they recover a state that no key source opens, approve one that may not be the newest, and rehearse
while all is well."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.errors import NoSealingKey
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import RecoveryRefused, ShareUnreadable
from coordinator.decisions.recover import check_same_plan, recovered, rehearse
from coordinator.desk import Desk, TryAgain
from coordinator.journal.errors import JournalError, KeySourceFailed, KeyUnusable
from coordinator.journal.sources import key_source_names
from coordinator.journal.vault import Opened
from coordinator.older_state import accepted
from coordinator.recovery.approval import Approvals
from coordinator.recovery.errors import (
    ApprovalMissing,
    EnvelopeUnreadable,
    NoRecoveryKeys,
    NothingDoubted,
    NothingLocked,
    OtherState,
    RecoveryError,
)
from coordinator.recovery.gathering import Gathering, Submission
from coordinator.recovery.owner_key import OAEP, encode_owner_key, open_oaep
from coordinator.recovery.plan import Plan, decode_plan
from coordinator.recovery.statement import WaitingState, describe
from coordinator.state.events import EventFormatError, encode_event
from coordinator.state.model import Custody, State
from coordinator.state.phase import Ask
from coordinator.state.replay import ReplayFailed, issued_event, replay
from pki.keys import generate_rsa

_PLAIN_LENGTHS: Final = (16, 32, 33)
"""Shares as they are; every other length is one that was encrypted for this process (contract 1.12)."""
_EPHEMERAL_BITS: Final = 4096
_NONCE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Standing:
    """Where recovery stands.  waiting: None where nothing waits; custody: None where the state is not open.

    given: owners whose shares, or approvals, are there.  nonce: the question of the next rehearsal, or of the approvals
    that are awaited; empty where shares are.
    doubt: why the state that waits may not be the newest; then approvals are awaited and not shares.
    """

    plan: Plan
    waiting: WaitingState | None
    given: tuple[str, ...]
    custody: Custody | None
    nonce: bytes
    doubt: str = ""


class Recovery:
    """Requests of owners."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ephemeral: asyncio.Future[rsa.RSAPrivateKey] | None = None
        self._nonce = desk.env.entropy(_NONCE_BYTES)
        self._gathering: Gathering | None = None
        self._approvals: Approvals | None = None
        self._finishing = False
        self._start()

    def standing(self) -> Standing:
        """Where recovery stands.  Raises RecoveryRefused if the state has no recovery keys, NotServing."""
        self._desk.check_serving()
        deployment = self._desk.state.deployment
        if self._desk.locked is not None and self._gathering is not None:
            return Standing(self._gathering.plan, self._gathering.state, tuple(self._gathering.given), None, b"")
        if self._desk.doubted is not None and (approvals := self._approvals) is not None:
            given, doubt = tuple(approvals.given), approvals.why
            return Standing(approvals.plan, approvals.state, given, self._desk.doubted.custody, approvals.nonce, doubt)
        if deployment is None or deployment.custody is None:
            raise RecoveryRefused(NoRecoveryKeys("the manifest of this state names no recovery keys"))
        return Standing(deployment.custody.plan, None, (), deployment.custody, self._nonce)

    async def public_key(self) -> bytes:
        """An RSA key of this process, SubjectPublicKeyInfo in DER: an owner far away encrypts the share with it.

        Made when it is first asked for.  Raises WrongPhase, NotServing.
        """
        self._desk.check_serving()
        admit(self._desk.state, Ask.RECOVER)
        if self._ephemeral is None:
            make = self._desk.in_thread(lambda: generate_rsa(_EPHEMERAL_BITS))
            self._ephemeral = asyncio.ensure_future(make)
        return encode_owner_key((await asyncio.shield(self._ephemeral)).public_key())

    async def submit(self, given: Submission) -> int:
        """Take one share; how many more are needed.  With the last one the state is open, and sealed anew.

        given: its share may be one that was encrypted with `public_key`.

        Raises ShareUnreadable, WrongPhase, RecoveryRefused, TryAgain, NotServing.
        """
        self._desk.check_serving()
        if len(given.share) not in _PLAIN_LENGTHS:
            given = replace(given, share=await self._decrypt(given.share))
        admit(self._desk.state, Ask.RECOVER)
        if self._desk.doubted is not None:
            raise RecoveryRefused(NothingLocked("the state is open, and waits for approvals: no share is needed"))
        if self._gathering is None:
            raise RecoveryRefused(NoRecoveryKeys("the state that waits here names no owners"))
        self._check_not_finishing()
        try:
            self._gathering = self._gathering.accept(given)
        except RecoveryError as cause:
            raise RecoveryRefused(cause) from cause
        if self._gathering.remaining == 0:
            gathering = self._gathering
            await self._whole(lambda: self._recover(gathering))
            return 0
        return self._gathering.remaining

    async def approve(self, owner: str, state: WaitingState, signature: bytes) -> int:
        """Take one owner's word for a state that may not be the newest; how many more are needed.

        With the last one it is served.  Raises WrongPhase, RecoveryRefused, TryAgain, NotServing.
        """
        self._desk.check_serving()
        admit(self._desk.state, Ask.RECOVER)
        if self._approvals is None or self._desk.doubted is None:
            raise RecoveryRefused(NothingDoubted("no state waits here for its owners' approval"))
        self._check_not_finishing()
        try:
            self._approvals = self._approvals.accept(owner, state, signature)
        except RecoveryError as cause:
            raise RecoveryRefused(cause) from cause
        if self._approvals.remaining == 0:
            approvals = self._approvals
            await self._whole(lambda: self._serve(approvals))
            return 0
        return self._approvals.remaining

    async def rehearse(self, owner: str, proof: bytes) -> None:
        """Record that an owner's share still opens.  Raises WrongPhase, RecoveryRefused, NotServing."""
        desk = self._desk
        desk.check_serving()
        try:
            decision = rehearse(desk.state, owner, proof, nonce=self._nonce, now=desk.env.clock())
        except RecoveryError as cause:
            raise RecoveryRefused(cause) from cause
        self._nonce = desk.env.entropy(_NONCE_BYTES)
        written = desk.enact(decision.events)
        desk.say_when(written, lambda: desk.env.observer.info("recovery rehearsed", owner=owner))
        await desk.durable(written)

    def _start(self) -> None:
        """Nobody has given anything yet."""
        locked, doubted = self._desk.locked, self._desk.doubted
        self._gathering = self._approvals = None
        if doubted is not None and doubted.custody is not None:
            head, custody = doubted.objections.head, doubted.custody
            state = WaitingState(doubted.journal_id, head.sequence, head.link)
            self._approvals = Approvals(custody.plan, custody.verifiers, state, doubted.objections.text, self._nonce)
        if locked is None or not locked.plan:
            return
        try:
            plan = decode_plan(locked.plan)
        except RecoveryError as cause:
            self._desk.env.observer.error("nobody can recover this state", reason=str(cause))
            return
        self._gathering = Gathering(plan, WaitingState(locked.journal_id, locked.head.sequence, locked.head.link))

    def _check_not_finishing(self) -> None:
        if self._finishing:
            raise TryAgain("recovery: enough owners have spoken, and the state is being opened")

    async def _decrypt(self, envelope: bytes) -> bytes:
        if self._ephemeral is None or not self._ephemeral.done():
            raise ShareUnreadable(
                EnvelopeUnreadable("expected a share of 32 or 33 bytes, or one encrypted for this run")
            )
        key = self._ephemeral.result()
        try:
            return await self._desk.in_thread(lambda: open_oaep(lambda: key.decrypt(envelope, OAEP)))
        except EnvelopeUnreadable as cause:
            raise ShareUnreadable(cause) from cause

    async def _whole(self, work: Callable[[], Awaitable[None]]) -> None:
        """All of it, even if the caller hangs up."""
        self._finishing = True
        await asyncio.shield(asyncio.ensure_future(self._finish(work)))

    async def _finish(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever fails, all shares and approvals are welcome again."""
        try:
            async with self._desk.changing:
                await work()
        except RecoveryError as cause:
            raise RecoveryRefused(cause) from cause
        except (JournalError, EventFormatError, ReplayFailed) as cause:
            self._desk.env.observer.error("the state was not opened", reason=str(cause))
            text = f"recovery: the state cannot be opened, and all owners must speak again: {cause}"
            raise TryAgain(text) from cause
        finally:
            self._finishing = False
            self._start()

    async def _recover(self, gathering: Gathering) -> None:
        desk = self._desk
        admit(desk.state, Ask.RECOVER)
        opened, state = await desk.in_thread(lambda: self._open(gathering))
        against = desk.objections(opened, state)
        words = _words_for_the_state(gathering) if against.text else {}
        if against.text and len(words) < gathering.plan.needed:
            raise ApprovalMissing(f"the state may not be the newest: {against.text}")
        root = await desk.in_thread(lambda: desk.credentials.renewed_root(state))
        now = desk.env.clock()
        events = (*accepted(against, words, now=now), *recovered(state, root, gathering, now=now))
        await opened.journal.append([encode_event(event) for event in events])
        await self._seal(opened, state)
        for event in events:
            state = replay(state, event)
        desk.resume(opened, state, len(events))
        self._ephemeral = None
        desk.env.observer.info("state recovered", owners=sorted(gathering.given))
        if against.text:
            desk.say_accepted(against, sorted(words))

    async def _serve(self, approvals: Approvals) -> None:
        """A state that its owners have approved: remember that, and serve it."""
        desk = self._desk
        admit(desk.state, Ask.RECOVER)
        opened, state = await desk.in_thread(self._open_again)
        against = desk.objections(opened, state)
        _check_same_state(opened, approvals.state)
        if against.text != approvals.why:
            raise OtherState("what speaks against the state is another thing now than what was approved")
        events = list(accepted(against, approvals.given, now=desk.env.clock(), nonce=approvals.nonce))
        if await desk.in_thread(lambda: desk.is_another_program(opened, state)):
            root = await desk.in_thread(lambda: desk.credentials.renewed_root(state))
            events.append(issued_event(replace(state.authority, root=root)))
        await opened.journal.append([encode_event(event) for event in events])
        if opened.handed:
            await self._seal(opened, state)
        for event in events:
            state = replay(state, event)
        desk.resume(opened, state, len(events))
        desk.say_accepted(against, sorted(approvals.given))

    def _open_again(self) -> tuple[Opened, State]:
        """A state that a key source has opened before.  Slow."""
        opened = self._desk.env.vault.open()
        if not isinstance(opened, Opened):
            raise KeyUnusable("journal", "the one that was opened at the start", "one that does not open")
        return opened, self._desk.read(opened)

    def _open(self, gathering: Gathering) -> tuple[Opened, State]:
        """Open, read, and compare it with the state that waited, and its owners with those beside it.  Slow."""
        opened = self._desk.env.vault.recover(gathering.secret())
        _check_same_state(opened, gathering.state)
        state = self._desk.read(opened)
        check_same_plan(state, gathering.plan)
        return opened, state

    async def _seal(self, opened: Opened, state: State) -> None:
        manifest, desk = state.deployed.manifest, self._desk
        mode, sources = manifest.config.seal_mode.value, key_source_names(manifest)
        try:
            await desk.in_thread(lambda: desk.env.vault.seal(opened, mode, sources))
        except (NoSealingKey, KeySourceFailed) as cause:
            desk.env.observer.warning("R430 recovered, but nothing of this machine seals the state", reason=str(cause))
        else:
            desk.env.observer.info("state sealed anew", sources=sources)


def _check_same_state(opened: Opened, waited: WaitingState) -> None:
    """The storage is the host's, who can exchange what lies there while owners speak; what waited must be part of it.

    It may go on from there: with what an attempt to open it wrote before it failed.  Raises OtherState.
    """
    journal = opened.journal
    found = WaitingState(journal.journal_id, waited.sequence, journal.link_at(waited.sequence))
    if found != waited:
        ends = WaitingState(journal.journal_id, journal.head.sequence, journal.head.link)
        raise OtherState(f"the state is another one now: expected {describe(waited)}, got {describe(ends)}")


def _words_for_the_state(gathering: Gathering) -> Mapping[str, bytes]:
    """Signatures of owners who gave their share for this very state, and no other."""
    return {owner: given.signature for owner, given in gathering.given.items() if given.state is not None}
