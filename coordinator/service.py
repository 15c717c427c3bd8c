"""The clerk: the one writer.  Verify, decide, append, become, observe, reply; always in this order.

Slow work (the device, RSA keys, the durable write) is awaited outside the writer's turn; from deciding to becoming
the next State there is no await, so a turn cannot be interrupted.  No reply leaves before its record is durable.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from attestation.binding import of_certificate, of_root_key
from attestation.checks import failed
from attestation.errors import EvidenceFormatError, NoSealingKey
from attestation.evidence import Evidence, recognise, with_open_enclave_header
from attestation.issue import Issuer
from attestation.kinds import Kind
from attestation.verify import Verifier
from coordinator.authority import AuthorityKeys, RootContent, issue_authority
from coordinator.decisions import activate_marble as joins
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import EvidenceReused, ManifestRefused, NoCertificate, NotAttested, UnknownUser
from coordinator.decisions.read_secrets import read_secrets
from coordinator.decisions.set_manifest import Founding, check_templates, set_manifest
from coordinator.decisions.users import find_user
from coordinator.decisions.write_secrets import write_secrets
from coordinator.journal.codes import CODES as JOURNAL_CODES
from coordinator.journal.codes import NO_SEALING_KEY
from coordinator.journal.errors import JournalError
from coordinator.journal.journal import Journal
from coordinator.journal.vault import Locked, Opened, Vault
from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.model import Manifest, Secret
from coordinator.manifest.parse import parse
from coordinator.manifest.template.values import SecretValue
from coordinator.observe import Observer
from coordinator.secrets.generate import is_slow, make_key
from coordinator.secrets.parameters import AuthorityTexts
from coordinator.state.events import (
    Event,
    EvidenceRemembered,
    LogEntry,
    MarbleActivated,
    decode_event,
    encode_event,
)
from coordinator.state.model import Authority, Deployment, State
from coordinator.state.phase import Ask, Phase
from coordinator.state.replay import condense, replay, replay_all
from coordinator.state.single_use import SingleUse
from coordinator.wire.secrets import UserSecret
from marble.protocol import ActivationRequest, Parameters
from pki.certificates import der, pem, serial_number
from pki.keys import KeyAlgorithm, PrivateKey, generate, spki_der

T = TypeVar("T")
_MOST_SETTERS: Final = 4
"""Manifests that are being set at a time, the waiting ones included: each may be 8 MiB long."""


class NotServing(Exception):
    """The Coordinator has stopped: its memory may be ahead of its journal, so it answers nothing more."""


class TryAgain(Exception):
    """It could not be done now: nothing has changed, and the same request may be sent again."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What a Coordinator stands on.  names: its DNS names and addresses; snapshot_every: records between snapshots."""

    issuer: Issuer
    verifier: Verifier
    vault: Vault
    observer: Observer
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    names: tuple[str, ...]
    compatible: bool
    snapshot_every: int


class Coordinator:
    """Everything that can be asked of a Coordinator, one method each; the doors only translate."""

    def __init__(self, environment: Environment) -> None:
        """Open the sealed state, or begin anew.  Raises JournalError, EventFormatError, ReplayFailed."""
        self._env = environment
        self._journal: Journal | None = None
        self._stopped: JournalError | None = None
        self._used = SingleUse()
        self._since_snapshot = 0
        self._setting = asyncio.Lock()
        self._setters = 0
        self._slow = ThreadPoolExecutor(2, thread_name_prefix="slow")
        self._failed: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()
        self._state = self._start()
        self._texts = AuthorityTexts(self._state.authority)
        self._root_evidence = self._issue_for(self.authority, b"")

    @property
    def authority(self) -> Authority:
        """The hierarchy in force; a new object after every change."""
        return self._state.authority

    @property
    def phase(self) -> Phase:
        """The phase, for `status`.  Raises NotServing."""
        self._check_serving()
        return self._state.phase

    @property
    def serving(self) -> bool:
        """True while requests are answered from a state that is whole: not stopped, not waiting for recovery."""
        return self._stopped is None and self._state.phase is not Phase.RECOVERY

    def manifest(self) -> Deployment:
        """The deployment in force.  Raises WrongPhase, NotServing."""
        self._check_serving()
        admit(self._state, Ask.READ_MANIFEST)
        assert self._state.deployment is not None, "the phase table admits reading only with a deployment"
        return self._state.deployment

    def known_type(self, marble_type: str) -> str:
        """A marble type as a label: itself if the manifest has it, else "unknown"."""
        deployment = self._state.deployment
        return marble_type if deployment and marble_type in deployment.manifest.marbles else "unknown"

    async def quote(self, nonce: bytes) -> tuple[str, bytes]:
        """Certificate chain (PEM: intermediate, root) and Evidence over the root and the nonce (contract 1.7).

        Raises WrongPhase, NotServing.
        """
        self._check_serving()
        admit(self._state, Ask.QUOTE)
        authority = self.authority
        if nonce:
            evidence = await self._in_thread(lambda: self._issue_for(authority, nonce))
        else:
            evidence = self._root_evidence
        chain = pem(authority.intermediate, authority.root).decode()
        raw = with_open_enclave_header(evidence.raw) if evidence.kind is Kind.SGX else evidence.raw
        return chain, raw

    async def set_manifest(self, raw: bytes) -> Manifest:
        """Set the first manifest.  Raises WrongPhase, ManifestRefused, TryAgain, NotServing."""
        if self._setters == _MOST_SETTERS:
            raise TryAgain(f"{_MOST_SETTERS} manifests are being set already; try again when they are done")
        self._setters += 1
        task = asyncio.ensure_future(self._set_manifest(raw))
        task.add_done_callback(self._setter_done)
        return await asyncio.shield(task)

    async def _set_manifest(self, raw: bytes) -> Manifest:
        """The whole of it, even if the caller hangs up: the journal and the State must not part."""
        async with self._setting:
            self._check_serving()
            admit(self._state, Ask.SET_MANIFEST)
            manifest = await self._in_thread(lambda: self._parse(raw))
            keys = {s.name: await self._key_for(s) for s in manifest.secrets.values() if _wants_key_now(s)}
            held = AuthorityKeys(self.authority.root_key, self.authority.intermediate_key)
            authority = await self._in_thread(lambda: self._authority(held, manifest.digest))
            decision = set_manifest(
                self._state,
                manifest,
                Founding(authority, keys),
                compatible=self._env.compatible,
                now=self._env.clock(),
                entropy=self._env.entropy,
            )
            bodies = [encode_event(event) for event in decision.events]
            state = await self._in_thread(lambda: replay_all(decision.events))
            try:
                self._journal = await self._in_thread(
                    lambda: self._env.vault.found(bodies, manifest.config.seal_mode.value)
                )
            except JournalError as failure:
                self._env.observer.error("manifest was not set: the state cannot be written", reason=str(failure))
                text = "manifest was not set: the state cannot be written; the coordinator's log says why"
                raise TryAgain(text) from failure
            self._become(state)
            self._root_evidence = self._issue_for(self.authority, b"")
            self._env.observer.info("manifest set", fingerprint=manifest.fingerprint, marbles=len(manifest.marbles))
            return manifest

    def _setter_done(self, _task: "asyncio.Task[Manifest]") -> None:
        self._setters -= 1

    async def activate(self, request: ActivationRequest, leaf: bytes | None) -> Parameters:
        """Admit one marble.  leaf: the certificate that its TLS connection proved, DER.

        Raises Refused (every kind of it), NotServing.
        """
        self._check_serving()
        now = self._env.clock()
        admission = self._admit(request, leaf, now)
        wanted = joins.certificate_secrets(self.manifest().manifest, admission.marble)
        keys = joins.Keys(_p384(), {secret.name: await self._key_for(secret) for secret in wanted})
        if admission.evidence_digest in self._used:
            raise EvidenceReused(f"marble '{admission.marble.type}': this evidence was admitted before")
        decision = joins.activate_marble(self._state, admission, keys, self._texts, now=now, entropy=self._env.entropy)
        durable = self._append(decision.events)
        for event in decision.events:
            self._become(replay(self._state, event))
        self._used.add(admission.evidence_digest)
        durable.add_done_callback(lambda written: self._granted(written, admission, now))
        await self._durable(durable)
        return decision.reply

    def check_user(self, leaf: bytes | None) -> bytes:
        """The certificate that the connection proved (DER), if a user of the manifest has it.

        A Coordinator without a manifest knows nobody, and says in which phase it is when it is asked for something.
        Raises UnknownUser, NotServing.
        """
        self._check_serving()
        if leaf is None:
            raise UnknownUser("no client certificate was shown")
        if self._state.deployment is not None:
            find_user(self._state.deployment.manifest, leaf)
        return leaf

    def read_secrets(self, leaf: bytes, names: Sequence[str]) -> Mapping[str, SecretValue]:
        """Values of secrets for a user.  Raises WrongPhase, UnknownUser, NotPermitted, NotServing."""
        self._check_serving()
        values = read_secrets(self._state, leaf, names)
        self._env.observer.info("secrets read", user=find_user(self.manifest().manifest, leaf).name, secrets=[*values])
        return values

    async def write_secrets(self, leaf: bytes, given: Mapping[str, UserSecret]) -> None:
        """Set user-defined secrets.  Raises WrongPhase, UnknownUser, NotPermitted, SecretRefused, NotServing."""
        self._check_serving()
        decision = write_secrets(self._state, leaf, given, now=self._env.clock())
        user = find_user(self.manifest().manifest, leaf).name
        durable = self._append(decision.events)
        for event in decision.events:
            self._become(replay(self._state, event))
        durable.add_done_callback(lambda written: self._written(written, user, decision.reply))
        await self._durable(durable)

    def update_log(self) -> tuple[LogEntry, ...]:
        """What was changed, oldest first.  Raises WrongPhase, NotServing."""
        self._check_serving()
        admit(self._state, Ask.READ_LOG)
        return self.manifest().log

    async def failure(self) -> JournalError:
        """Wait until the journal of this Coordinator fails, perhaps for ever; the process should then stop."""
        return await self._failed

    async def close(self) -> None:
        """Finish what is being written, then let go of the state."""
        self._slow.shutdown(wait=False, cancel_futures=True)
        if self._journal is not None:
            await self._journal.close()
        self._env.vault.close()

    def _start(self) -> State:
        found = self._env.vault.open()
        if isinstance(found, Opened):
            events = [decode_event(body) for body in found.bodies]
            self._journal = found.journal
            self._since_snapshot = len(events)
            for event in events:
                if isinstance(event, MarbleActivated):
                    self._used.add(event.evidence)
                elif isinstance(event, EvidenceRemembered):
                    for digest in event.digests:
                        self._used.add(digest)
            return replay_all(events)
        if isinstance(found, Locked):
            self._env.observer.warning("state cannot be unsealed, waiting for recovery", reason=str(found.reason))
        phase = Phase.RECOVERY if isinstance(found, Locked) else Phase.ACCEPTING_MANIFEST
        return State(phase, self._authority(AuthorityKeys(_p384(), _p384()), b""))

    def _become(self, state: State) -> None:
        """The only place where the State is replaced."""
        if state.authority is not self._state.authority:
            self._texts = AuthorityTexts(state.authority)
        self._state = state
        self._env.observer.phase(state.phase.value)

    def _admit(self, request: ActivationRequest, leaf: bytes | None, now: datetime) -> joins.Admission:
        admit(self._state, Ask.ACTIVATE)
        if leaf is None:
            raise NoCertificate("activation: no client certificate was shown")
        deployment, marble = joins.find_marble(self._state, request.marble_type)
        try:
            evidence = recognise(request.quote)
        except EvidenceFormatError as cause:
            check = failed("evidence.format", "an SGX or TDX quote", str(cause), "contract 2.3", code="V101")
            raise NotAttested(marble.type, (check,), genuine=False) from cause
        verification = self._env.verifier.verify(evidence, of_certificate(leaf), now=now)
        attested = joins.check_evidence(deployment.manifest, marble, verification)
        joins.check_limit(deployment, marble)
        return joins.Admission(
            marble=marble,
            attested=attested,
            evidence_digest=hashlib.sha256(evidence.raw).digest(),
            uuid=joins.canonical_uuid(request.uuid),
            csr=joins.read_csr(request.csr),
        )

    def _granted(self, written: "asyncio.Future[None]", admission: joins.Admission, now: datetime) -> None:
        """Say an activation aloud once it is durable, even if the marble has hung up."""
        if not written.cancelled() and written.exception() is None:
            self._env.observer.activated(
                admission.marble.type,
                admission.uuid,
                now,
                simulated=admission.attested.simulated,
                evidence=admission.evidence_digest.hex(),
            )

    def _written(self, written: "asyncio.Future[None]", user: str, names: tuple[str, ...]) -> None:
        """Say aloud that secrets are set, once that is durable."""
        if not written.cancelled() and written.exception() is None:
            self._env.observer.info("secrets set", user=user, secrets=[*names])

    def _parse(self, raw: bytes) -> Manifest:
        try:
            manifest = parse(raw, name="manifest", compatible=self._env.compatible).manifest
            check_templates(manifest, self._state.authority)
            self._check_sealing(manifest)
        except ManifestInvalid as cause:
            raise ManifestRefused(cause) from cause
        return manifest

    def _check_sealing(self, manifest: Manifest) -> None:
        """Raises ManifestInvalid if this environment has no key for the manifest's seal mode."""
        try:
            self._env.vault.check(manifest.config.seal_mode.value)
        except NoSealingKey as cause:
            hint = JOURNAL_CODES[NO_SEALING_KEY][1]
            finding = Finding(NO_SEALING_KEY, Severity.ERROR, 1, 1, "/Config/SealMode", str(cause), hint)
            raise ManifestInvalid("manifest", (finding,)) from cause

    def _authority(self, keys: AuthorityKeys, digest: bytes) -> Authority:
        """A hierarchy whose root carries the manifest's digest and Evidence over both."""
        binding = of_root_key(spki_der(keys.root.public_key()), digest)
        evidence = self._env.issuer.issue(binding.report_data)
        a, b, c = (serial_number(self._env.entropy(16)) for _ in range(3))
        content = RootContent(digest, evidence)
        return issue_authority(keys, self._env.names, content, now=self._env.clock(), serials=(a, b, c))

    def _issue_for(self, authority: Authority, nonce: bytes) -> Evidence:
        return self._env.issuer.issue(of_certificate(der(authority.root), nonce).report_data)

    async def _key_for(self, secret: Secret) -> PrivateKey:
        return await self._in_thread(lambda: make_key(secret)) if is_slow(secret) else make_key(secret)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    def _append(self, events: tuple[Event, ...]) -> "asyncio.Future[None]":
        assert self._journal is not None, "a phase that admits activations has a journal"
        try:
            durable = self._journal.append([encode_event(event) for event in events])
        except JournalError as failure:
            raise self._stop(failure) from failure
        self._since_snapshot += len(events)
        return durable

    async def _durable(self, written: "asyncio.Future[None]") -> None:
        try:
            await asyncio.shield(written)
        except JournalError as failure:
            raise self._stop(failure) from failure
        if self._since_snapshot >= self._env.snapshot_every:
            self._snapshot()

    def _snapshot(self) -> None:
        assert self._journal is not None, "only a journal grows"
        events = (*condense(self._state), EvidenceRemembered(self._used.newest()))
        self._since_snapshot = len(events)
        try:
            written = self._journal.replace([encode_event(event) for event in events])
        except JournalError as failure:  # of somebody else's append; what led here is durable
            self._stop(failure)
            return
        written.add_done_callback(self._snapshot_written)

    def _snapshot_written(self, written: "asyncio.Future[None]") -> None:
        failure = None if written.cancelled() else written.exception()
        if isinstance(failure, JournalError):
            self._stop(failure)

    def _stop(self, failure: JournalError) -> NotServing:
        self._stopped = failure
        if not self._failed.done():
            self._failed.set_result(failure)
        return NotServing(f"the coordinator has stopped: {failure}")

    def _check_serving(self) -> None:
        if self._stopped is not None:
            raise NotServing(f"the coordinator has stopped: {self._stopped}")


def _wants_key_now(secret: Secret) -> bool:
    return secret.shared and not secret.user_defined and secret.type.is_certificate


def _p384() -> EllipticCurvePrivateKey:
    key = generate(KeyAlgorithm.EC_P384)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key
