"""Other replicas, of this program or of one that the manifest accepts: they get the state's key, so that each of them
can lead when this one is gone, and see where the journal stands, so that they know an older state then.
"""

import asyncio
from typing import Final

from attestation import binding
from attestation.appraisal import Outcome, judge
from attestation.checks import Status
from attestation.errors import AttestationError, EvidenceFormatError
from attestation.evidence import recognise
from attestation.likeness import Alike, is_same_program
from coordinator.decisions.challenge import KEY_BYTES, check_nonce, make_nonce
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import NotFresh, ProgramNotAccepted, ReplicaRefused
from coordinator.decisions.succession import accepted_coordinators, not_accepted
from coordinator.desk import Desk, TryAgain
from coordinator.journal.errors import JournalError
from coordinator.journal.handover import Held, is_proof, seal_for
from coordinator.journal.sources import key_source_names
from coordinator.own_claims import OwnEvidenceRefused, own_claims
from coordinator.state.phase import Ask
from coordinator.wire.replicas import Handover, KeyRequest, WrappedCopy
from coordinator.wire.standing import Standing
from pki.keys import spki_der

_MOST_COPIES: Final = 64
"""Machines that can open the state by themselves."""


class Replicas:
    """Requests of replicas."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._challenge_key = desk.env.entropy(KEY_BYTES)
        self._alike: asyncio.Future[Alike] | None = None

    def challenge(self) -> bytes:
        """32 bytes for requests within a minute.  Raises ReplicaRefused, WrongPhase, NotServing."""
        self._held()
        return make_nonce(self._challenge_key, b"", self._desk.env.clock())

    async def hand_over(self, asked: KeyRequest) -> Handover:
        """The data key, for another instance of this very program, or for one that the manifest accepts.

        A request that is sent again gets the same once more: only the key that its evidence binds can read it.
        Raises ReplicaRefused, WrongPhase, TryAgain, NotServing.
        """
        held = self._held()
        desk, now = self._desk, self._desk.env.clock()
        try:
            check_nonce(self._challenge_key, b"", asked.challenge, now)
        except NotFresh as cause:
            raise ReplicaRefused("expected a challenge that was given within the last minute") from cause
        root_key = spki_der(desk.state.authority.root_key.public_key())
        bound = binding.of_replica(root_key, asked.challenge, asked.recipient)
        try:
            evidence = recognise(asked.evidence)
        except EvidenceFormatError as cause:
            raise ReplicaRefused(f"expected evidence: {cause}") from cause
        alike, deployment = await self._program(), self._desk.state.deployed
        verification = desk.env.verifier.verify(evidence, bound, now=now)
        verdict = judge(verification, (alike, *accepted_coordinators(deployment)))
        if verdict.outcome is not Outcome.AFFIRMING:
            wrong = [check for check in verdict.checks if check.status is not Status.PASSED]
            desk.env.observer.warning("a replica was refused", checks=[f"{c.name}: {c.found}" for c in wrong])
            if verdict.genuine and not is_same_program(alike.mine, verdict.claims):
                raise ProgramNotAccepted(not_accepted(verdict.claims))
            raise ReplicaRefused("its evidence is not that of another instance of this program")
        try:
            sealed = seal_for(asked.recipient, held)
        except JournalError as cause:
            raise ReplicaRefused(str(cause)) from cause
        same, manifest = is_same_program(alike.mine, verdict.claims), deployment.manifest
        fields = {"hardware": verdict.claims.hardware_id, "same_program": same}
        desk.env.observer.info("a replica was given the state's key", **fields)
        return Handover(sealed, manifest.config.seal_mode.value, key_source_names(manifest))

    def standing(self, sequence: int | None) -> tuple[Standing, int]:
        """Where the journal stands, its link at an earlier record, and the number of the last accepted older state.

        A replica remembers it, to compare what it opens when it leads.  Raises ReplicaRefused, WrongPhase, NotServing.
        """
        self._held()
        standing = self._desk.standing(sequence)
        assert standing is not None, "what holds a key has a journal"
        return standing, self._desk.state.deployed.accepted

    async def keep(self, copy: WrappedCopy) -> None:
        """Keep a copy of the data key that another machine wrapped, durably, under the name of that machine.

        Raises ReplicaRefused, WrongPhase, NotServing.
        """
        held = self._held()
        if not is_proof(held, copy.name, copy.wrapped, copy.proof):
            raise ReplicaRefused("expected a proof by a holder of the state's key")
        names = self._desk.env.vault.key_names()
        if copy.name not in names and len(names) >= _MOST_COPIES:
            raise ReplicaRefused(f"expected at most {_MOST_COPIES} machines, got one more")
        await self._desk.keep_key(copy.name, copy.wrapped)

    def _held(self) -> Held:
        desk = self._desk
        desk.check_serving()
        if not desk.env.replicas:
            raise ReplicaRefused("this coordinator shares its state with nobody")
        admit(desk.state, Ask.HAND_OVER)
        held = desk.held
        if held is None:
            raise ReplicaRefused("the manifest keeps the state in memory only (Config/SealMode: Disabled)")
        return held

    async def _program(self) -> Alike:
        """What this program is; found out once, and asked anew for as long as that fails."""
        if self._alike is None:
            env = self._desk.env
            self._alike = asyncio.ensure_future(
                self._desk.in_thread(lambda: Alike(own_claims(env.issuer, env.verifier, now=env.clock())))
            )
            self._alike.add_done_callback(self._forget_failure)
        try:
            return await asyncio.shield(self._alike)
        except OwnEvidenceRefused as cause:
            raise ReplicaRefused(str(cause)) from cause
        except (AttestationError, OSError) as cause:
            raise TryAgain(f"this coordinator cannot get evidence of itself now: {cause}") from cause

    def _forget_failure(self, asked: "asyncio.Future[Alike]") -> None:
        if asked.cancelled() or asked.exception() is not None:
            self._alike = None
