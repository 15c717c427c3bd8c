"""The first manifest is set; and what every manifest must pass before it may become the law."""

import asyncio
from collections.abc import Mapping
from typing import Final

from attestation.errors import NoSealingKey
from coordinator.authority import AuthorityKeys
from coordinator.decisions.approvals import milliseconds
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import ManifestRefused
from coordinator.decisions.set_manifest import Founding, check_templates, set_manifest
from coordinator.desk import Desk, TryAgain
from coordinator.journal.codes import CODES as JOURNAL_CODES
from coordinator.journal.codes import NO_SEALING_KEY
from coordinator.journal.errors import JournalError, KeySourceFailed, WriteUncertain
from coordinator.journal.sources import key_source_names
from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.model import Manifest, Secret
from coordinator.recovery.prepare import Prepared, prepare
from coordinator.state.events import encode_event
from coordinator.state.model import Custody
from coordinator.state.phase import Ask
from coordinator.state.replay import first_entry, replay_all
from coordinator.state.update_replay import agreed_manifest
from pki.manifest_history import GENESIS, HistoryMark, next_link

_MOST_SETTERS: Final = 4
"""Manifests that are being set at a time, the waiting ones included: each may be 8 MiB long."""


class Manifests:
    """Requests that bring a manifest."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._setters = 0

    async def set(self, raw: bytes) -> Mapping[str, bytes]:
        """Set the first manifest; its recovery secrets by owner, each encrypted for that owner.

        Raises WrongPhase, ManifestRefused, TryAgain, NotServing.
        """
        if self._setters == _MOST_SETTERS:
            raise TryAgain(f"{_MOST_SETTERS} manifests are being set already; try again when they are done")
        self._setters += 1
        task = asyncio.ensure_future(self._set(raw))
        task.add_done_callback(self._setter_done)
        return await asyncio.shield(task)

    async def _set(self, raw: bytes) -> Mapping[str, bytes]:
        """The whole of it, even if the caller hangs up: the journal and the State must not part."""
        desk, env = self._desk, self._desk.env
        async with desk.changing:
            desk.check_serving()
            admit(desk.state, Ask.SET_MANIFEST)
            manifest = await desk.in_thread(lambda: self.accept(raw))
            keys = {s.name: await desk.key_for(s) for s in manifest.secrets.values() if wants_key_now(s)}
            held = AuthorityKeys(desk.state.authority.root_key, desk.state.authority.intermediate_key)
            prepared = await self.prepare(manifest)
            custody = custody_of(prepared) if prepared is not None else None
            now = env.clock()
            entry = first_entry(milliseconds(now), manifest.digest)
            mark = HistoryMark(1, next_link(GENESIS, entry.encode()), ())
            authority = await desk.in_thread(lambda: desk.credentials.make_authority(held, manifest.digest, mark))
            decision = set_manifest(
                desk.state,
                manifest,
                Founding(authority, keys, custody, entry),
                compatible=env.compatible,
                now=now,
                entropy=env.entropy,
            )
            mode, sources = manifest.config.seal_mode.value, key_source_names(manifest)
            bodies = [encode_event(event) for event in decision.events]
            state = await desk.in_thread(lambda: replay_all(decision.events))
            try:
                journal = await desk.in_thread(lambda: env.vault.found(bodies, mode, sources, prepared))
            except WriteUncertain as failure:
                raise desk.stop(failure) from failure
            except JournalError as failure:
                env.observer.error("manifest was not set: the state cannot be written", reason=str(failure))
                text = "manifest was not set: the state cannot be written; the coordinator's log says why"
                raise TryAgain(text) from failure
            desk.found(journal, state)
            env.observer.info("manifest set", fingerprint=manifest.fingerprint, marbles=len(manifest.marbles))
            return prepared.envelopes if prepared is not None else {}

    async def prepare(self, manifest: Manifest) -> Prepared | None:
        """A recovery key, split among the manifest's owners; None if it has none."""
        keys, threshold, entropy = manifest.recovery_keys, manifest.config.recovery_threshold, self._desk.env.entropy
        return await self._desk.in_thread(lambda: prepare(keys, threshold, entropy)) if keys else None

    def _setter_done(self, _task: "asyncio.Task[Mapping[str, bytes]]") -> None:
        self._setters -= 1

    def accept(self, raw: bytes) -> Manifest:
        """Parsed, every template tried, and a key to seal its state with.  Slow.  Raises ManifestRefused."""
        try:
            manifest = agreed_manifest(raw, self._desk.env.compatible)
            check_templates(manifest, self._desk.state.authority)
            self._check_sealing(manifest)
        except ManifestInvalid as cause:
            raise ManifestRefused(cause) from cause
        return manifest

    def _check_sealing(self, manifest: Manifest) -> None:
        """Raises ManifestInvalid if this environment has no key for the manifest's seal mode, or a source fails."""
        try:
            self._desk.env.vault.check(manifest.config.seal_mode.value, key_source_names(manifest))
        except NoSealingKey as cause:
            raise _unsealed(NO_SEALING_KEY, "/Config/SealMode", str(cause)) from cause
        except KeySourceFailed as cause:
            raise _unsealed(cause.code, "/Config/KeySources", f"{cause.source}: {cause.reason}") from cause


def _unsealed(code: str, path: str, message: str) -> ManifestInvalid:
    return ManifestInvalid("manifest", (Finding(code, Severity.ERROR, 1, 1, path, message, JOURNAL_CODES[code][1]),))


def custody_of(prepared: Prepared) -> Custody:
    """What the State knows of it."""
    return Custody(prepared.plan, prepared.envelopes, prepared.verifiers)


def wants_key_now(secret: Secret) -> bool:
    """True for a certificate that all marbles share: its key pair is made when the manifest is."""
    return secret.shared and not secret.user_defined and secret.type.is_certificate
