"""A user raises security versions, or proposes, approves or cancels another manifest.

One update at a time.  What it needs (parsing, keys, evidence of the new root) is made before the writer's turn; the
turn itself decides anew on the State that is then.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from attestation.errors import NoSealingKey
from coordinator.authority import AuthorityKeys, retire
from coordinator.clerks.manifests import Manifests, custody_of, wants_key_now
from coordinator.decisions.approvals import (
    Approver,
    approver,
    by_connection,
    check_signable,
    milliseconds,
    signers,
)
from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import ManifestRefused, NoPendingUpdate, Refused, UnknownUser, UpdateFailed
from coordinator.decisions.update_manifest import Materials, seals_anew, update_manifest
from coordinator.decisions.update_packages import check_package_update, update_packages
from coordinator.decisions.update_request import (
    Standing,
    acknowledge,
    cancel,
    clear_way,
    mature,
    propose,
    stands,
    waiting,
)
from coordinator.desk import Desk, NotServing, TryAgain
from coordinator.journal.errors import JournalError
from coordinator.journal.sources import key_source_names
from coordinator.journal.vault import NewKeys
from coordinator.manifest.approvers import needed
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.model import Manifest, SealMode
from coordinator.manifest.package_update import PackageUpdate, read_package_update
from coordinator.manifest.signature import DetachedSignature
from coordinator.recovery.prepare import Prepared
from coordinator.state.events import Approval, UpdateApproved, UpdateWithdrawn, Version
from coordinator.state.model import Deployment, PendingUpdate, State
from coordinator.state.phase import Ask
from coordinator.state.replay import prepared_event, replay
from coordinator.state.update_replay import FAILED, longer
from coordinator.wire.history import RAISED, UPDATED, ApprovalEntry, HistoryEntry
from pki.certificates import TemplateInvalid, serial_number
from pki.keys import generate_p384

_MOST_WAITING: Final = 4
"""Documents that wait for their turn, the one whose turn it is included: each may be 8 MiB long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """standing: how the update stands.  recovery_secrets: encrypted shares by owner, where the update made new ones."""

    standing: Standing
    recovery_secrets: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """The update that waits, for those who ask.  not_before: it is not in force earlier, whoever approves it."""

    update: PendingUpdate
    standing: Standing
    not_before: datetime


class Updates:
    """Requests that change the law."""

    def __init__(self, desk: Desk, manifests: Manifests) -> None:
        self._desk = desk
        self._manifests = manifests
        self._waiting = 0

    async def update(self, leaf: bytes, raw: bytes, signatures: Sequence[DetachedSignature]) -> Outcome:
        """A package update, or a proposal of another manifest; it is done if its approvals are complete.

        leaf: the certificate that the connection proved, or empty where only signatures speak.
        Raises Refused (every kind of it), TryAgain, NotServing.
        """
        return await self._whole(self._update(leaf, raw, signatures))

    async def acknowledge(self, leaf: bytes, raw: bytes, signatures: Sequence[DetachedSignature]) -> Outcome:
        """Approve the pending manifest by its exact bytes; it is put in force if that was the last approval.

        Raises Refused (every kind of it), TryAgain, NotServing.
        """
        return await self._whole(self._acknowledge(leaf, raw, signatures))

    async def cancel(self, leaf: bytes) -> None:
        """Withdraw the pending manifest.  Raises NoPendingUpdate, UnknownUser, NotPermitted, NotServing."""
        desk = self._desk
        desk.check_serving()
        decision = cancel(desk.state, leaf, now=desk.env.clock())
        written = desk.enact(decision.events)
        desk.say_when(written, lambda: desk.env.observer.info("update cancelled", fingerprint=decision.reply))
        await desk.durable(written)

    def pending(self) -> Pending:
        """The manifest that waits for approvals.  Raises NoPendingUpdate, NotServing."""
        self._desk.check_serving()
        now = self._desk.env.clock()
        deployment, update = waiting(self._desk.state, now)
        not_before = update.proposed + deployment.manifest.config.update_delay
        return Pending(update, stands(deployment, update, now), not_before)

    async def apply_due(self) -> None:
        """Put in force what only time was missing to.  Who asked for it has had an answer; the log says the rest."""
        desk = self._desk
        try:
            deployment, update = waiting(desk.state, now := desk.env.clock())
            found = stands(deployment, update, now)
            if found.missing == 0 and found.due is None:
                await self._whole(self._mature())
        except NoPendingUpdate:
            return
        except (Refused, TryAgain, NotServing) as reason:
            desk.env.observer.error("an approved update is not in force", reason=str(reason))

    async def _mature(self) -> Outcome:
        _, update = waiting(self._desk.state, self._desk.env.clock())
        return await self._settle(lambda state, now: mature(state, now=now), update.manifest)

    async def _whole(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """One at a time, and to its end even if the caller hangs up: the journal and the State must not part."""
        if self._waiting == _MOST_WAITING:
            work.close()
            raise TryAgain(f"{_MOST_WAITING} updates are being looked at already; try again when they are done")
        self._waiting += 1
        return await asyncio.shield(asyncio.ensure_future(self._in_turn(work)))

    async def _in_turn(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        try:
            async with self._desk.changing:
                return await work
        finally:
            self._waiting -= 1

    async def _update(self, leaf: bytes, raw: bytes, signatures: Sequence[DetachedSignature]) -> Outcome:
        desk, env = self._desk, self._desk.env
        desk.check_serving()
        admit(desk.state, Ask.UPDATE)
        if not leaf:
            signers(self._deployment, hashlib.sha256(raw).digest(), signatures)
        try:
            package_update = await desk.in_thread(
                lambda: read_package_update(raw, name="update", compatible=env.compatible)
            )
        except ManifestInvalid as cause:
            raise ManifestRefused(cause) from cause
        if package_update is not None:
            return await self._raise_versions(leaf, package_update)
        clear_way(desk.state, Ask.UPDATE, env.clock())
        if leaf:
            by_connection(self._deployment, leaf)
        manifest = await desk.in_thread(lambda: self._manifests.accept(raw))
        seals_anew(self._deployment.manifest, manifest)
        approvers = self._approvers(leaf, manifest, signatures)

        def decide(state: State, now: datetime) -> Decision[Standing]:
            return propose(state, manifest, approvers, compatible=env.compatible, now=now)

        return await self._settle(decide, manifest)

    async def _acknowledge(self, leaf: bytes, raw: bytes, signatures: Sequence[DetachedSignature]) -> Outcome:
        desk, digest = self._desk, hashlib.sha256(raw).digest()
        desk.check_serving()
        _, pending = waiting(desk.state, desk.env.clock())
        approvers = self._approvers(leaf, pending.manifest, signatures)

        def decide(state: State, now: datetime) -> Decision[Standing]:
            return acknowledge(state, digest, approvers, now=now)

        return await self._settle(decide, pending.manifest)

    async def _settle(self, decide: Callable[[State, datetime], Decision[Standing]], manifest: Manifest) -> Outcome:
        """Enact what was decided; and if no approval is missing then, put the manifest in force in the same record."""
        desk, env = self._desk, self._desk.env
        now = env.clock()
        foreseen = decide(desk.state, now)
        if foreseen.reply.missing or foreseen.reply.due is not None:
            written = desk.enact(foreseen.events)
            fields = {
                "fingerprint": manifest.fingerprint,
                "missing": foreseen.reply.missing,
                "due": foreseen.reply.due,
            }
            desk.say_when(written, lambda: env.observer.info("update waits", **fields))
            await desk.durable(written)
            return Outcome(foreseen.reply)
        approvals = [event.approval for event in foreseen.events if isinstance(event, UpdateApproved)]
        pending = self._deployment.pending
        if pending is not None and pending.manifest.digest == manifest.digest:
            approvals = [*pending.approvals, *approvals]
        materials = await self._materials(manifest, self._entry(manifest, approvals, now), now)
        evidence = await desk.in_thread(lambda: desk.credentials.evidence_for(materials.authority, b""))
        prepared, keys = None, None
        if seals_anew(self._deployment.manifest, manifest):
            prepared = await self._manifests.prepare(manifest)
            if manifest.config.seal_mode is not SealMode.DISABLED:
                keys = await self._new_keys(manifest, prepared)
        decision = decide(desk.state, now)
        state = desk.state
        for event in decision.events:
            state = replay(state, event)
        try:
            done = update_manifest(state, materials, now=now, entropy=env.entropy)
        except TemplateInvalid as cause:
            written = desk.enact((*decision.events, UpdateWithdrawn(milliseconds(now), FAILED, "")))
            env.observer.error("update failed", fingerprint=manifest.fingerprint, reason=str(cause))
            await desk.durable(written)
            raise UpdateFailed(f"the approved manifest cannot be put in force: {cause}") from cause
        events = (*decision.events, *done.events, *([prepared_event(custody_of(prepared))] if prepared else []))
        written = desk.enact(events) if keys is None else desk.enact_under(keys, events)
        desk.root_evidence = evidence
        desk.say_when(written, lambda: env.observer.info("manifest updated", fingerprint=manifest.fingerprint))
        await desk.durable(written)
        return Outcome(decision.reply, prepared.envelopes if prepared is not None else {})

    async def _new_keys(self, manifest: Manifest, prepared: Prepared | None) -> NewKeys:
        try:
            sources = key_source_names(manifest)
            return await self._desk.new_keys(manifest.config.seal_mode.value, sources, prepared)
        except (NoSealingKey, JournalError) as failure:
            raise TryAgain(f"the state cannot be sealed anew, so nothing has changed: {failure}") from failure

    async def _raise_versions(self, leaf: bytes, update: PackageUpdate) -> Outcome:
        desk, env = self._desk, self._desk.env
        if not leaf:
            raise UnknownUser("a package update wants the certificate of the user who raises the versions")
        user, deployment, _ = check_package_update(desk.state, leaf, update, now=env.clock())
        now = env.clock()
        by = approver(user).approval(now)
        manifest = deployment.manifest
        entry = self._text(RAISED, update.digest, manifest.digest, 1, (by,), update.versions, now)
        materials = await self._materials(manifest, Version(entry, update.raw), now)
        evidence = await desk.in_thread(lambda: desk.credentials.evidence_for(materials.authority, b""))
        decision = update_packages(desk.state, leaf, update, materials, now=now, entropy=env.entropy)
        written = desk.enact(decision.events)
        desk.root_evidence = evidence
        fields = {"user": decision.reply, "versions": dict(update.versions)}
        desk.say_when(written, lambda: env.observer.info("security versions raised", **fields))
        await desk.durable(written)
        return Outcome(Standing(0, ()))

    def _approvers(
        self, leaf: bytes, manifest: Manifest, signatures: Sequence[DetachedSignature]
    ) -> tuple[Approver, ...]:
        deployment = self._deployment
        own = (by_connection(deployment, leaf),) if leaf else ()
        if signatures:
            check_signable(deployment, manifest, now=self._desk.env.clock())
        return (*own, *signers(deployment, manifest.digest, signatures))

    async def _materials(self, manifest: Manifest, version: Version, now: datetime) -> Materials:
        """A new intermediate, a root that names the manifest and all before it, and keys for shared certificates."""
        desk, env, deployment = self._desk, self._desk.env, self._deployment
        keys = {s.name: await desk.key_for(s) for s in manifest.secrets.values() if wants_key_now(s)}
        held = AuthorityKeys(desk.state.authority.root_key, generate_p384())
        retired = retire(
            desk.state.authority,
            held.intermediate.public_key(),
            now=now,
            overlap=manifest.config.update_overlap,
            number=len(deployment.history.versions),
            serials=(serial_number(env.entropy(16)), serial_number(env.entropy(16))),
        )
        history = longer(deployment.history, version, deployment.manifest.digest, manifest.digest)
        make = desk.credentials.make_authority
        authority = await desk.in_thread(lambda: make(held, manifest.digest, history.mark, retired))
        return Materials(authority, keys, version)

    def _entry(self, manifest: Manifest, approvals: Sequence[Approval], now: datetime) -> Version:
        wanted = needed(self._deployment.manifest)
        text = self._text(UPDATED, manifest.digest, manifest.digest, wanted, approvals, {}, now)
        return Version(text, manifest.raw)

    def _text(
        self,
        kind: str,
        digest: bytes,
        manifest: bytes,
        wanted: int,
        approvals: Sequence[Approval],
        versions: Mapping[str, int],
        now: datetime,
    ) -> str:
        number = len(self._deployment.history.versions) + 1
        entries = tuple(ApprovalEntry(a.user, a.time_ms, a.key, a.signature) for a in approvals)
        return HistoryEntry(number, kind, milliseconds(now), digest, manifest, wanted, entries, versions).text()

    @property
    def _deployment(self) -> Deployment:
        return self._desk.state.deployed
