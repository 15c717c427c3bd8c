"""A follower that asks its leader for the state's key, so that it can lead on a machine whose own key never saw it.

Both prove what they are: the leader by fresh evidence over its root key, the follower by evidence over the leader's
challenge and the key for which the answer is encrypted.  Each accepts only another instance of its own program.
"""

import contextlib
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import binding
from attestation.errors import AttestationError, NoSealingKey
from attestation.likeness import Alike
from coordinator.client.endpoint import Endpoint
from coordinator.client.errors import ClientError
from coordinator.client.transport import Limits, Transport
from coordinator.client.verify import NONCE_BYTES, Expectation, verify_in_any_state
from coordinator.journal.errors import JournalError
from coordinator.journal.handover import Held, open_sealed, prove
from coordinator.journal.sources import Sources
from coordinator.machine import Machine
from coordinator.own_claims import OwnEvidenceRefused, own_claims
from coordinator.wire.replicas import KeyRequest, WrappedCopy
from pki.keys import public_of_known_kind, spki_der

_ASK_AGAIN: Final = timedelta(seconds=60)
"""A state that was replaced has another key."""

_LIMITS: Final = Limits(connect=3, whole=10)


class Successor:
    """held: what the leader handed over last; None before."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.held: Held | None = None
        self._asked: datetime | None = None

    def learn(self, host: str, port: int) -> None:
        """Ask the leader, unless that was done within the last minute.  Blocks; what goes wrong is logged."""
        now = self.machine.clock()
        if self._asked is not None and now - self._asked < _ASK_AGAIN:
            return
        try:
            held = self._ask(Endpoint(host, port), now)
        except (ClientError, AttestationError, JournalError, OwnEvidenceRefused) as failure:
            self.machine.observer.info("the leader did not hand over the state's key", reason=str(failure))
            return
        self._asked = now
        if self.held != held:
            self.machine.observer.info("the leader handed over the state's key; this replica can succeed it")
        self.held = held

    def _ask(self, leader: Endpoint, now: datetime) -> Held:
        machine = self.machine
        alike = Alike(own_claims(machine.issuer, machine.verifier, now=now))
        expectation = Expectation(machine.verifier, (alike,))
        nonce = machine.entropy(NONCE_BYTES)
        deployment, client = verify_in_any_state(Transport(leader, _LIMITS).exchange, expectation, nonce=nonce, now=now)
        key = X25519PrivateKey.generate()
        recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        challenge = client.replica_challenge()
        bound = binding.of_replica(spki_der(public_of_known_kind(deployment.root.public_key())), challenge, recipient)
        evidence = machine.issuer.issue(bound.report_data)
        answer = client.replica_key(KeyRequest(challenge, recipient, evidence.raw))
        held = open_sealed(key, answer.sealed)
        ours = Sources(tuple(machine.sources), machine.name)
        with contextlib.suppress(NoSealingKey):  # then it can lead only while another that opens the state lives
            for slot, wrapped in ours.wrap(held.data_key, held.journal_id, answer.mode, answer.sources).items():
                client.replica_keep(WrappedCopy(slot, wrapped, prove(held, slot, wrapped)))
        return held
