"""A follower that asks its leader for the state's key, so that it can lead on a machine whose own key never saw it.

Both prove what they are: the leader by fresh evidence over its root certificate, the follower by evidence over the
leader's challenge and the key for which the answer is encrypted.  Each accepts another instance of its own program, or
one that the manifest names (Config.Coordinators).  A follower does not know the manifest: it believes the one that the
leader's evidence covers, and the key counts only for a state that goes on from there (journal/since.py).

Whenever it looks who leads it also looks where the leader's journal ends, over a connection that is pinned to the root
key that was proven, and remembers that: so it knows an older state when it leads itself (journal/glimpses.py).
"""

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate

from attestation import binding
from attestation.errors import AttestationError, NoSealingKey
from attestation.likeness import Alike
from coordinator.client.client import COMPATIBLE, CoordinatorClient
from coordinator.client.endpoint import Endpoint
from coordinator.client.errors import AnswerInvalid, ClientError, Distrusted, Unreachable
from coordinator.client.transport import Exchange, Limits, Transport, key_digest
from coordinator.client.verify import (
    NONCE_BYTES,
    Expectation,
    VerificationRefused,
    VerifiedDeployment,
    verify_answer,
    with_manifest,
)
from coordinator.decisions.errors import LeaderNotAccepted, ProgramNotAccepted
from coordinator.decisions.succession import leader_not_accepted
from coordinator.journal.codes import LEADER_IS_OLDER
from coordinator.journal.errors import JournalError, KeySourceFailed
from coordinator.journal.glimpses import NOTHING_SEEN, Glimpse
from coordinator.journal.handover import Held, open_sealed, prove
from coordinator.journal.key import JournalId
from coordinator.journal.keyring import keyring_of
from coordinator.journal.sources import Sources
from coordinator.journal.witness import Head
from coordinator.machine import Machine
from coordinator.manifest.coordinators import accepted
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from coordinator.own_claims import OwnEvidenceRefused, own_claims
from coordinator.wire.replicas import KeyRequest, WrappedCopy
from pki.certificates import der
from pki.keys import public_of_known_kind, spki_der
from pki.manifest_history import HistoryStep, history_of

_ASK_AGAIN: Final = timedelta(seconds=60)
"""A state that was replaced has another key."""

_NOT_SHOWN: Final = "the leader did not show where its journal ends"
_LIMITS: Final = Limits(connect=3, whole=10)


class Successor:
    """held: what the leader handed over last; None before.  glimpses: where the leader's journal was seen to end."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.held: Held | None = None
        self.glimpses = NOTHING_SEEN
        self._asked: datetime | None = None
        self._pin: bytes | None = None
        self._said = ""
        self._refused = False
        self._sources = Sources(tuple(machine.sources), machine.name)

    def learn(self, host: str, port: int) -> bool:
        """Ask the leader for the key, unless that was done within the last minute, and look where its journal ends.

        Blocks; what goes wrong is logged.  Returns False if leader and follower do not accept each other, also when
        that was the last that it said: this replica must not take its place.
        """
        leader, now = Endpoint(host, port), self.machine.clock()
        if self._asked is None or now - self._asked >= _ASK_AGAIN:
            self._learn_key(leader, now)
        if self._pin is not None:
            self._look(leader, self._pin)
        return not self._refused

    def _learn_key(self, leader: Endpoint, now: datetime) -> None:
        self._pin = None
        try:
            held = self._ask(leader, now)
        except LeaderNotAccepted as refusal:
            self._say_refused(refusal.code, str(refusal))
        except (ClientError, AttestationError, JournalError, OwnEvidenceRefused) as failure:
            if isinstance(failure, ClientError) and failure.code == ProgramNotAccepted.code:
                self._say_refused(failure.code, str(failure))
            else:
                self.machine.observer.info("the leader did not hand over the state's key", reason=str(failure))
        else:
            self._take(held, now)

    def _look(self, leader: Endpoint, pin: bytes) -> None:
        """Remember where the leader's journal ends, if it goes on from what is remembered."""
        client = CoordinatorClient(Transport(leader, _LIMITS).exchange, pin=pin)
        before = self.glimpses.seen[-1:]
        try:
            shown, accepted = client.replica_journal(before[0].head.sequence if before else None)
        except (Distrusted, Unreachable) as failure:  # whoever leads now is to be proven first
            self._asked = self._pin = None
            self._say(self.machine.observer.info, _NOT_SHOWN, str(failure))
        except ClientError as failure:
            self._say(self.machine.observer.info, _NOT_SHOWN, str(failure))
        else:
            found = Glimpse(JournalId(shown.journal), Head(shown.sequence, shown.link), accepted)
            if doubt := self.glimpses.doubt(found, lambda _: shown.link_asked):
                text = f"{LEADER_IS_OLDER} the leader's state does not go on from what was seen of it"
                self._say(self.machine.observer.warning, text, doubt)
                return
            if self.glimpses.of(found.journal_id) is None:
                self.machine.observer.info(
                    "this replica remembers from now on where the state ends", record=shown.sequence
                )
            self.glimpses, self._said = self.glimpses.plus(found), ""

    def has_seen(self, meta: Mapping[str, bytes]) -> bool:
        """Whether it would know an older state.  meta: as of `opens`."""
        try:
            return self.glimpses.of(keyring_of(meta).journal_id) is not None
        except JournalError:
            return False

    def _say(self, say: Callable[..., None], what: str, reason: str) -> None:
        """Once, and not in each round."""
        if self._said != what:
            say(what, reason=reason)
        self._said = what

    def _take(self, held: Held, now: datetime) -> None:
        self._asked, self._refused = now, False
        if self.held != held:
            self.machine.observer.info("the leader handed over the state's key; this replica can succeed it")
        self.held = held

    def opens(self, meta: Mapping[str, bytes]) -> bool:
        """Whether this replica could open the state now.  meta: named values of its storage; empty for none yet."""
        if not meta:
            return True
        with contextlib.suppress(JournalError):
            keyring = keyring_of(meta)
            if self.held is not None and keyring.is_opened_by(self.held):
                return True
            return keyring.is_opened_by(self._sources.unwrap(keyring.wrapped_keys, keyring.journal_id).held)
        return False

    def _say_refused(self, code: str, reason: str) -> None:
        self._refused = True
        self.machine.observer.warning(f"{code} this replica cannot succeed the leader", reason=reason)

    def _ask(self, leader: Endpoint, now: datetime) -> Held:
        machine = self.machine
        alike = Alike(own_claims(machine.issuer, machine.verifier, now=now))
        deployment, client = self._verify(Transport(leader, _LIMITS).exchange, alike, now)
        since = step_of(deployment.root)
        self._pin = client.pin
        key = X25519PrivateKey.generate()
        recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        challenge = client.replica_challenge()
        bound = binding.of_replica(spki_der(public_of_known_kind(deployment.root.public_key())), challenge, recipient)
        evidence = machine.issuer.issue(bound.report_data)
        answer = client.replica_key(KeyRequest(challenge, recipient, evidence.raw))
        held = open_sealed(key, answer.sealed, since)
        with contextlib.suppress(NoSealingKey, KeySourceFailed):  # then it leads only after one that opens the state
            for slot, wrapped in self._sources.wrap(held, answer.mode, answer.sources).items():
                client.replica_keep(WrappedCopy(slot, wrapped, prove(held, slot, wrapped)))
        return held

    def _verify(self, exchange: Exchange, alike: Alike, now: datetime) -> tuple[VerifiedDeployment, CoordinatorClient]:
        """The leader, as another instance of this program, or else as one that its manifest accepts.

        Raises ClientError, LeaderNotAccepted.
        """
        machine, nonce = self.machine, self.machine.entropy(NONCE_BYTES)
        answer = CoordinatorClient(exchange).quote(nonce)
        client = CoordinatorClient(exchange, pin=key_digest(der(answer.root)))
        try:
            return verify_answer(answer, nonce, Expectation(machine.verifier, (alike,)), now=now), client
        except VerificationRefused as refusal:
            if refusal.verdict is None or not refusal.verdict.genuine:
                raise
            other = refusal.verdict.claims
        active = client.manifest_get()
        try:
            manifest = parse(active.raw, name="the leader's manifest", compatible=active.mode == COMPATIBLE).manifest
            named = accepted(manifest.config.coordinators, manifest.packages)
            deployment = verify_answer(answer, nonce, Expectation(machine.verifier, named), now=now)
        except (ManifestInvalid, VerificationRefused) as cause:
            raise LeaderNotAccepted(leader_not_accepted(other, alike.mine)) from cause
        return with_manifest(deployment, active), client


def step_of(root: Certificate) -> HistoryStep:
    """The step of its history at which the deployment of this root certificate is.  Raises AnswerInvalid."""
    mark = history_of(root)
    if mark is None:
        raise AnswerInvalid("N303", "the leader's root certificate names no history of a deployment")
    return HistoryStep(mark.entries, mark.link)
