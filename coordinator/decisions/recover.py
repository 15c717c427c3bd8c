"""A state is recovered; a recovery is rehearsed."""

from dataclasses import replace
from datetime import datetime

from cryptography.x509 import Certificate

from coordinator.decisions.decision import Decision, admit
from coordinator.recovery.errors import NoRecoveryKeys, NothingProven, PlanInvalid
from coordinator.recovery.gathering import Gathering
from coordinator.recovery.owner_key import encode_owner_key
from coordinator.recovery.plan import Plan
from coordinator.recovery.rehearsal import check_rehearsal
from coordinator.state.events import Event, RecoveryRehearsed, StateRecovered
from coordinator.state.model import State
from coordinator.state.phase import Ask
from coordinator.state.replay import issued_event


def recovered(state: State, root: Certificate, gathering: Gathering, *, now: datetime) -> tuple[Event, ...]:
    """What follows when a state was opened by its owners.

    root: of the same key, with Evidence of the machine that we run on now.  Only that certificate changes: marbles of
    before and after it trust each other.
    """
    authority = replace(state.authority, root=root)
    owners = tuple(sorted(gathering.given))
    return StateRecovered(int(now.timestamp() * 1000), owners), issued_event(authority)


def check_same_plan(state: State, plan: Plan) -> None:
    """Whether the owners who gave shares are those of the journal, and of the manifest in it.

    Whoever splits a key among owners of his own can write a whole journal with it, under a manifest that others agreed
    on; so the manifest has the last word.  Raises PlanInvalid.
    """
    deployment = state.deployment
    if deployment is None or deployment.custody is None or deployment.custody.plan != plan:
        raise PlanInvalid("the journal names other owners than what stands beside it: somebody changed that")
    manifest = deployment.manifest
    keys = {name: encode_owner_key(key) for name, key in manifest.recovery_keys.items()}
    needed = manifest.config.recovery_threshold or len(keys)
    if ({owner.name: owner.key for owner in plan.owners}, len(plan.owners), plan.needed) != (keys, len(keys), needed):
        raise PlanInvalid("the journal names other owners than its manifest: nobody whom the manifest names made it")


def rehearse(state: State, owner: str, proof: bytes, *, nonce: bytes, now: datetime) -> Decision[None]:
    """Record that an owner's share still opens.  Raises WrongPhase, NoRecoveryKeys, NothingProven."""
    admit(state, Ask.REHEARSE)
    custody = state.deployment.custody if state.deployment is not None else None
    if custody is None:
        raise NoRecoveryKeys("the manifest names no recovery keys")
    verifier = custody.verifiers.get(owner)
    if verifier is None:
        raise NothingProven("nobody of this name owns a share")
    check_rehearsal(verifier, owner, nonce, proof)
    return Decision((RecoveryRehearsed(int(now.timestamp() * 1000), owner),), None)
