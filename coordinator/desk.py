"""The writer's desk: the State, the journal behind it, and the only place where one follows the other.

Decide, append, become, in this order: from deciding to becoming the next State there is no await, so a turn cannot be
interrupted.  No reply leaves before its record is durable (`durable`).  Slow work is done `in_thread`, before a turn.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Final, TypeVar

from attestation.errors import NoSealingKey
from attestation.init_data import InitData
from attestation.issue import Issuer
from attestation.likeness import is_same_program
from attestation.verify import Verifier
from coordinator.authority import AuthorityKeys
from coordinator.credentials import Credentials
from coordinator.decisions.errors import Refused
from coordinator.decisions.succession import check_goes_on, check_keeper, check_program
from coordinator.journal.archive import Kept
from coordinator.journal.codes import OLDER_STATE
from coordinator.journal.errors import JournalError, JournalGone, KeySourceFailed
from coordinator.journal.glimpses import NOTHING_SEEN, Glimpses
from coordinator.journal.handover import Held
from coordinator.journal.journal import Journal
from coordinator.journal.key import JournalId
from coordinator.journal.keyring import NoJournal
from coordinator.journal.sources import key_source_names
from coordinator.journal.vault import Locked, NewKeys, Opened, Vault
from coordinator.manifest.model import Manifest, SealMode, Secret
from coordinator.observe import Observer
from coordinator.older_state import Objections, accepted, may_serve, objections
from coordinator.recovery.prepare import Prepared
from coordinator.secrets.generate import is_slow, make_key
from coordinator.secrets.parameters import AuthorityTexts
from coordinator.setters import ANYONE, Setters
from coordinator.state.events import (
    Event,
    EvidenceRemembered,
    MarbleActivated,
    decode_event,
    encode_event,
)
from coordinator.state.kept_evidence import KeptEvidence, decode_kept, encode_kept
from coordinator.state.model import Custody, State
from coordinator.state.phase import Phase
from coordinator.state.replay import condense, issued_event, replay, replay_all
from coordinator.state.roll import Roll
from coordinator.state.single_use import SingleUse
from coordinator.wire.standing import Standing
from pki.keys import PrivateKey, generate_p384

T = TypeVar("T")


class NotServing(Exception):
    """The Coordinator has stopped: its memory may be ahead of its journal, so it answers nothing more."""


class TryAgain(Exception):
    """It could not be done now: nothing has changed, and the same request may be sent again."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What a Coordinator stands on.

    names: its DNS names and addresses; snapshot_every: records between snapshots; setters: of the first manifest;
    replicas: whether others share its state; glimpses: what this one saw of it while another one led;
    told: the init-data that its machine was started with.
    """

    issuer: Issuer
    verifier: Verifier
    vault: Vault
    observer: Observer
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    names: tuple[str, ...]
    compatible: bool
    snapshot_every: int
    setters: Setters = ANYONE
    replicas: bool = False
    glimpses: Glimpses = NOTHING_SEEN
    told: InitData | None = None


@dataclass(frozen=True, slots=True)
class Doubted:
    """A state that opens and may not be the newest: it waits for approval.  custody: whose; None for the operator's."""

    journal_id: JournalId
    objections: Objections
    custody: Custody | None

    @property
    def message(self) -> str:
        """For `status`."""
        head = self.objections.head
        who = "owners of its recovery keys" if self.custody is not None else "the operator"
        return (
            "Coordinator is in recovery: its sealed state may not be the newest: "
            f"record {head.sequence} is its last, link {head.link.hex()}; {self.objections.text}. "
            f"Bring the newest state back, or {who} may approve this one; a new manifest replaces it."
        )


class Desk:
    """What the clerks share.  state: replaced as a whole, by `become` alone.

    changing: held while a state is founded, recovered or updated.  locked: what waits for recovery, if anything does.
    doubted: what waits for approval, if anything does.  known: the last record of the state that this process knew of
    when it began with it; None where it knew nothing, and would not have noticed an older state.
    """

    def __init__(self, environment: Environment) -> None:
        """Open the sealed state, or begin anew.

        Raises JournalError, EventFormatError, ReplayFailed, and SelfNotAccepted, AnotherState or KeeperNotNamed.
        """
        self.env = environment
        self.credentials = Credentials(
            environment.issuer, environment.verifier, environment.clock, environment.entropy, environment.names
        )
        self.used = SingleUse()
        self.roll = Roll()
        self.changing = asyncio.Lock()
        self.locked: Locked | None = None
        self.doubted: Doubted | None = None
        self.known: int | None = None
        self._journal: Journal | None = None
        self._stopped: JournalError | None = None
        self._since_snapshot = 0
        self._slow = ThreadPoolExecutor(2, thread_name_prefix="slow")
        self._failed: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()
        found = self.env.vault.open()
        self._state = self._start(found)
        self.env.observer.phase(self._state.phase.value)
        self.texts = AuthorityTexts(self._state.authority)
        self.root_evidence = self.credentials.evidence_for(self._state.authority, b"")
        if isinstance(found, Opened) and self._state.deployment is not None:
            self._go_on(found)

    @property
    def state(self) -> State:
        """Everything that the Coordinator believes; a new value after every change."""
        return self._state

    @property
    def serving(self) -> bool:
        """True while requests are answered from a state that is whole: not stopped, not waiting for recovery."""
        return self._stopped is None and self._state.phase is not Phase.RECOVERY

    @property
    def message(self) -> str:
        """What `status` says of the phase."""
        return self._state.phase.message if self.doubted is None else self.doubted.message

    def check_serving(self) -> None:
        """Raises NotServing."""
        if self._stopped is not None:
            raise NotServing(f"the coordinator has stopped: {self._stopped}")

    def enact(self, events: Sequence[Event], keep: Sequence[KeptEvidence] = ()) -> "asyncio.Future[None]":
        """Append and become, now.  The future is done when it is durable; await it with `durable`.

        keep: Evidence behind these events, for a later look; it is durable before they are.
        Raises NotServing.
        """
        durable = self._append(events, keep)
        for event in events:
            self.become(replay(self._state, event))
            self.roll.note(event)
        return durable

    async def new_keys(self, mode: str, sources: Sequence[str], recovery: Prepared | None) -> NewKeys:
        """A new key of the state, kept as a manifest says, for `enact_under`.  Raises NoSealingKey, KeySourceFailed."""
        journal_id, vault = self._open_journal().journal_id, self.env.vault
        return await self.in_thread(lambda: vault.new_keys(journal_id, mode, sources, recovery))

    def enact_under(self, keys: NewKeys, events: Sequence[Event]) -> "asyncio.Future[None]":
        """As `enact`, and from then on the state is sealed under these keys only, all of it.  Raises NotServing."""
        state = self._state
        for event in events:
            state = replay(state, event)
            self.roll.note(event)
        bodies = self._condensed(state)
        try:
            durable = self._open_journal().rekey(bodies, keys.data_key, keys.wrapped, keys.notes)
        except JournalError as failure:
            raise self.stop(failure) from failure
        self._since_snapshot = len(bodies)
        self.become(state)
        return durable

    def found(self, journal: Journal, state: State) -> None:
        """A state that a new journal has made durable already: become it."""
        self._begin(journal, state)
        self.known = journal.head.sequence

    def _begin(self, journal: Journal, state: State) -> None:
        self._journal, self.locked, self.doubted = journal, None, None
        self.roll.under_law(len(state.deployed.history.versions))
        self.become(state)
        self.root_evidence = self.credentials.evidence_for(state.authority, b"")

    def resume(self, opened: Opened, state: State, appended: int) -> None:
        """A state that was read from a journal, and whose last `appended` events are durable in it: become it."""
        self._remember(opened)
        self._since_snapshot += appended
        self._begin(opened.journal, state)

    def read(self, opened: Opened) -> State:
        """What an open journal says.  Slow.  Raises EventFormatError, ReplayFailed."""
        return replay_all([decode_event(body) for body in opened.bodies])

    def become(self, state: State) -> None:
        """The only place where the State is replaced."""
        if state.authority is not self._state.authority:
            self.texts = AuthorityTexts(state.authority)
        self._state = state
        self.env.observer.phase(state.phase.value)

    async def durable(self, written: "asyncio.Future[None]") -> None:
        """Wait until what was enacted is durable.  Raises NotServing."""
        begin = monotonic()
        try:
            await asyncio.shield(written)
        except JournalError as failure:
            raise self.stop(failure) from failure
        self.env.observer.meters.durable(monotonic() - begin)
        if self._since_snapshot >= self.env.snapshot_every:
            self._snapshot()

    def say_when(self, written: "asyncio.Future[None]", say: Callable[[], None]) -> None:
        """Say aloud what was enacted, once it is durable, even if the caller has hung up."""

        def said(future: "asyncio.Future[None]") -> None:
            if not future.cancelled() and future.exception() is None:
                say()

        written.add_done_callback(said)

    async def key_for(self, secret: Secret) -> PrivateKey:
        """A new key pair for a certificate secret; RSA keys take their time elsewhere."""
        return await self.in_thread(lambda: make_key(secret)) if is_slow(secret) else make_key(secret)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do slow work beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    def standing(self, sequence: int | None) -> Standing | None:
        """Where the journal ends, and its link at an earlier record; None without a journal."""
        journal = self._journal
        if journal is None:
            return None
        head, link_asked = journal.head, b"" if sequence is None else journal.link_at(sequence)
        return Standing(journal.journal_id, head.sequence, head.link, sequence, link_asked)

    async def recent(self) -> Sequence[KeptEvidence]:
        """Evidence of the newest activations that is kept, oldest first.  Raises JournalError."""
        journal = self._journal
        if journal is None:
            return ()
        return [decode_kept(entry.body) for entry in await self.in_thread(lambda: journal.newest_kept(_RECENT))]

    @property
    def held(self) -> Held | None:
        """The key of the state; None where there is none yet, or where it is in memory only."""
        deployment = self._state.deployment
        if self._journal is None or deployment is None or deployment.manifest.config.seal_mode is SealMode.DISABLED:
            return None
        return self._journal.held

    async def keep_key(self, name: str, wrapped: bytes) -> None:
        """Keep a copy of the data key that another machine wrapped, durably.  Raises NotServing."""
        assert self._journal is not None, "a phase that admits changes has a journal"
        await self.durable(self._journal.keep_key(name, wrapped))

    async def failure(self) -> JournalError:
        """Wait until the journal of this Coordinator fails, perhaps for ever; the process should then stop."""
        return await self._failed

    async def close(self) -> None:
        """Finish what is being written, then let go of the state."""
        self._slow.shutdown(wait=False, cancel_futures=True)
        if self._journal is not None:
            await self._journal.close()
        self.env.vault.close()

    def objections(self, opened: Opened, state: State) -> Objections:
        """What speaks against a state that was opened.  Raises StorageFailed."""
        return objections(state, opened.journal, self.env.vault.restoration(), self.env.glimpses)

    def _start(self, found: Opened | Locked | NoJournal) -> State:
        if isinstance(found, NoJournal) and self.env.glimpses.seen:
            last = self.env.glimpses.seen[-1]
            raise JournalGone(last.journal_id.hex(), last.head.sequence)
        if isinstance(found, Opened):
            state = self.read(found)
            against = self.objections(found, state)
            if may_serve(state, against):
                self._journal = found.journal
                self._remember(found)
                return state
            custody = None if state.deployment is None else state.deployment.custody
            self.doubted = Doubted(found.journal.journal_id, against, custody)
            self.env.observer.error(f"{OLDER_STATE} the state is not served", reason=self.doubted.message)
        if isinstance(found, Locked):
            self.locked = found
            self.env.observer.warning("state cannot be unsealed, waiting for recovery", reason=str(found.reason))
        phase = Phase.ACCEPTING_MANIFEST if isinstance(found, NoJournal) else Phase.RECOVERY
        return State(phase, self.credentials.make_authority(AuthorityKeys(generate_p384(), generate_p384()), b"", None))

    def _go_on(self, opened: Opened) -> None:
        """With a state that was opened at the start, if this program may have it.

        Seal it here, let the root certificate say who serves from now on, and write down what the operator's note says.
        """
        state = self._state
        against = self.objections(opened, state)
        try:
            another = self.is_another_program(opened, state)
        except Refused:
            self.env.vault.close()
            raise
        if opened.handed:
            self._seal_here(opened, state.deployed.manifest)
        if another:
            authority = replace(state.authority, root=self.credentials.renewed_root(state))
            written = self.enact((issued_event(authority),))
            self.root_evidence = self.credentials.evidence_for(self._state.authority, b"")
            self.say_when(written, lambda: self.env.observer.info("another program than before serves this deployment"))
        if self.env.replicas and not against.witness:
            self._say_known()
        if events := accepted(against, {}, now=self.env.clock()):
            self.say_when(self.enact(events), lambda: self.say_accepted(against, ()))

    def _say_known(self) -> None:
        if self.known is None:
            self.env.observer.warning("this replica knew nothing of the state: an older one would not be noticed now")
        else:
            self.env.observer.info("the state goes on from what this replica had seen of it", record=self.known)

    def is_another_program(self, opened: Opened, state: State) -> bool:
        """Whether another program than this one served an opened state until now.

        Raises SelfNotAccepted, AnotherState or KeeperNotNamed where this one may not have it.
        """
        mine = self.credentials.claims_of(self.root_evidence, self._state.authority)
        before = self.credentials.claims_in_root(state)
        check_keeper(state.deployed, opened.keeper)
        check_goes_on(state.deployed, opened.held.since)
        check_program(state.deployed, mine, before)
        return before is None or not is_same_program(before, mine)

    def say_accepted(self, against: Objections, owners: Sequence[str]) -> None:
        """Aloud, when an older state is served all the same."""
        self.env.observer.warning("an older state was accepted", why=against.text, owners=list(owners))

    def _seal_here(self, opened: Opened, manifest: Manifest) -> None:
        """Another replica's key opened the state: from now on this machine's opens it too, if it has one."""
        try:
            self.env.vault.seal(opened, manifest.config.seal_mode.value, key_source_names(manifest))
        except (NoSealingKey, KeySourceFailed) as cause:
            self.env.observer.warning("nothing of this machine seals the state", reason=str(cause))

    def _remember(self, opened: Opened) -> None:
        """Which Evidence was admitted before, how long the journal is, and what was known of it."""
        seen = self.env.glimpses.of(opened.journal.journal_id)
        self.known = None if seen is None else seen.head.sequence
        self._since_snapshot = len(opened.bodies)
        for body in opened.bodies:
            event = decode_event(body)
            self.roll.note(event)
            if isinstance(event, MarbleActivated):
                self.used.add(event.bound)
            elif isinstance(event, EvidenceRemembered):
                for digest in event.digests:
                    self.used.add(digest)

    def _append(self, events: Sequence[Event], keep: Sequence[KeptEvidence]) -> "asyncio.Future[None]":
        journal = self._open_journal()
        try:
            kept = [Kept(entry.time_ms, encode_kept(entry)) for entry in keep]
            durable = journal.append([encode_event(event) for event in events], kept)
        except JournalError as failure:
            raise self.stop(failure) from failure
        self._since_snapshot += len(events)
        return durable

    def _snapshot(self) -> None:
        bodies = self._condensed(self._state)
        self._since_snapshot = len(bodies)
        try:
            written = self._open_journal().replace(bodies)
        except JournalError as failure:  # of somebody else's append; what led here is durable
            self.stop(failure)
            return
        written.add_done_callback(self._snapshot_written)

    def _condensed(self, state: State) -> list[bytes]:
        """What a journal begins with that says all of this."""
        events = (*condense(state), EvidenceRemembered(self.used.newest()), self.roll.kept())
        return [encode_event(event) for event in events]

    def _open_journal(self) -> Journal:
        assert self._journal is not None, "a phase that admits changes has a journal"
        return self._journal

    def _snapshot_written(self, written: "asyncio.Future[None]") -> None:
        failure = None if written.cancelled() else written.exception()
        if isinstance(failure, JournalError):
            self.stop(failure)

    def stop(self, failure: JournalError) -> NotServing:
        """Answer nothing more: memory and journal may have parted.  What to raise."""
        self._stopped = failure
        if not self._failed.done():
            self._failed.set_result(failure)
        return NotServing(f"the coordinator has stopped: {failure}")


_RECENT: Final = 1_000
"""Activations that the event log shows."""
