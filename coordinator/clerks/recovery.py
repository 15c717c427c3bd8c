"""Owners of shares: they recover a state that no key source opens, and rehearse it while all is well."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.errors import NoSealingKey
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import RecoveryRefused, ShareUnreadable
from coordinator.decisions.recover import check_same_plan, recovered, rehearse
from coordinator.desk import Desk, TryAgain
from coordinator.journal.errors import JournalError, KeySourceFailed
from coordinator.journal.sources import key_source_names
from coordinator.journal.vault import Opened
from coordinator.recovery.errors import EnvelopeUnreadable, NoRecoveryKeys, RecoveryError
from coordinator.recovery.gathering import Gathering, Submission
from coordinator.recovery.owner_key import OAEP, encode_owner_key, open_oaep
from coordinator.recovery.plan import Plan, decode_plan
from coordinator.recovery.statement import WaitingState
from coordinator.state.events import EventFormatError, encode_event
from coordinator.state.model import Custody, State
from coordinator.state.phase import Ask
from coordinator.state.replay import ReplayFailed, replay
from pki.keys import generate_rsa

_PLAIN_LENGTHS: Final = (16, 32, 33)
"""Shares as they are; every other length is one that was encrypted for this process (contract 1.12)."""
_EPHEMERAL_BITS: Final = 4096
_NONCE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Standing:
    """Where recovery stands.  waiting: None where nothing waits; custody: None where the state is not open.

    given: owners whose shares are there.  nonce: the question of the next rehearsal, empty where nothing waits for one.
    """

    plan: Plan
    waiting: WaitingState | None
    given: tuple[str, ...]
    custody: Custody | None
    nonce: bytes


class Recovery:
    """Requests of owners."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ephemeral: asyncio.Future[rsa.RSAPrivateKey] | None = None
        self._nonce = desk.env.entropy(_NONCE_BYTES)
        self._gathering: Gathering | None = None
        self._finishing = False
        self._start()

    def standing(self) -> Standing:
        """Where recovery stands.  Raises RecoveryRefused if the state has no recovery keys, NotServing."""
        self._desk.check_serving()
        deployment = self._desk.state.deployment
        if self._desk.locked is not None and self._gathering is not None:
            return Standing(self._gathering.plan, self._gathering.state, tuple(self._gathering.given), None, b"")
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
        if self._gathering is None:
            raise RecoveryRefused(NoRecoveryKeys("the state that waits here names no owners"))
        if self._finishing:
            raise TryAgain("recovery: enough shares are there, and the state is being opened")
        try:
            self._gathering = self._gathering.accept(given)
        except RecoveryError as cause:
            raise RecoveryRefused(cause) from cause
        if self._gathering.remaining == 0:
            self._finishing = True
            await asyncio.shield(asyncio.ensure_future(self._finish(self._gathering)))
            return 0
        return self._gathering.remaining

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
        locked = self._desk.locked
        self._gathering = None
        if locked is None or not locked.plan:
            return
        try:
            plan = decode_plan(locked.plan)
        except RecoveryError as cause:
            self._desk.env.observer.error("nobody can recover this state", reason=str(cause))
            return
        self._gathering = Gathering(plan, WaitingState(locked.journal_id, locked.head.sequence, locked.head.link))

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

    async def _finish(self, gathering: Gathering) -> None:
        """The whole of it, even if the caller hangs up.  Whatever fails, all shares are welcome again."""
        try:
            async with self._desk.changing:
                await self._recover(gathering)
        except RecoveryError as cause:
            raise RecoveryRefused(cause) from cause
        except (JournalError, EventFormatError, ReplayFailed) as cause:
            self._desk.env.observer.error("the state was not recovered", reason=str(cause))
            text = f"recovery: the state cannot be opened, and all shares must be given again: {cause}"
            raise TryAgain(text) from cause
        finally:
            self._finishing = False
            self._start()

    async def _recover(self, gathering: Gathering) -> None:
        desk = self._desk
        admit(desk.state, Ask.RECOVER)
        opened, state = await desk.in_thread(lambda: self._open(gathering))
        root = await desk.in_thread(lambda: desk.renewed_root(state))
        events = recovered(state, root, gathering, now=desk.env.clock())
        await opened.journal.append([encode_event(event) for event in events])
        await self._seal(opened, state)
        for event in events:
            state = replay(state, event)
        desk.resume(opened, state, len(events))
        self._ephemeral = None
        desk.env.observer.info("state recovered", owners=sorted(gathering.given))

    def _open(self, gathering: Gathering) -> tuple[Opened, State]:
        """Open, read, and compare what the journal says of its owners with what stood beside it.  Slow."""
        opened = self._desk.env.vault.recover(gathering.secret())
        state = self._desk.read(opened)
        check_same_plan(state, gathering.plan)
        return opened, state

    async def _seal(self, opened: Opened, state: State) -> None:
        assert state.deployment is not None, "a journal begins with a manifest"
        manifest, desk = state.deployment.manifest, self._desk
        mode, sources = manifest.config.seal_mode.value, key_source_names(manifest)
        try:
            await desk.in_thread(lambda: desk.env.vault.seal(opened, mode, sources))
        except (NoSealingKey, KeySourceFailed) as cause:
            desk.env.observer.warning("R430 recovered, but nothing of this machine seals the state", reason=str(cause))
        else:
            desk.env.observer.info("state sealed anew", sources=sources)
