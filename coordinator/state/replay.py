"""State is what its events say: `begin` from the first ones, `replay` for each that follows.

The only place where State changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.parse import parse
from coordinator.recovery.errors import PlanInvalid
from coordinator.recovery.plan import decode_plan, encode_plan
from coordinator.state.counters import counter_key
from coordinator.state.events import (
    LANGUAGE_VERSION,
    ActivationsCounted,
    AuthorityIssued,
    CounterRaised,
    CountersKept,
    Event,
    EvidenceRemembered,
    Founded,
    LogEntry,
    LogKept,
    ManifestSet,
    MarbleActivated,
    RecoveryPrepared,
    RecoveryRehearsed,
    SecretsWritten,
    StateRecovered,
)
from coordinator.state.model import Authority, Custody, Deployment, State
from coordinator.state.phase import Phase
from coordinator.state.values import secret_value, stored_secret
from pki.certificates import CertificateFormatError, der, load_der
from pki.keys import KeyFormatError, load_private, private_der

MANIFEST_SET: Final = "initial manifest set"
SECRET_SET: Final = "secret set"
STATE_RECOVERED: Final = "state recovered"
REHEARSED: Final = "recovery rehearsed"


class ReplayFailed(Exception):
    """The journal opens and its chain holds, but its events make no State: another version's journal, or a bug."""


def begin(founded: Event, issued: Event) -> State:
    """The State that a journal's first two events make.  Raises ReplayFailed."""
    if not isinstance(founded, Founded) or not isinstance(issued, AuthorityIssued):
        raise ReplayFailed("journal: expected a founding and an authority record at its start")
    authority = _authority(issued, _ec_key(founded.root_key), founded.names)
    return State(Phase.ACCEPTING_MANIFEST, authority)


def replay(state: State, event: Event) -> State:
    """The State after `event`.  Raises ReplayFailed if it cannot follow."""
    match event:
        case MarbleActivated():
            return _count(state, {event.marble: 1})
        case ActivationsCounted():
            return _count(state, event.counts)
        case ManifestSet():
            return replace(state, phase=Phase.ACCEPTING_MARBLES, deployment=_deployment(event))
        case AuthorityIssued():
            return replace(state, authority=_authority(event, state.authority.root_key, state.authority.names))
        case SecretsWritten():
            return replace(state, deployment=_written(_deployed(state), event))
        case RecoveryPrepared():
            return replace(state, deployment=replace(_deployed(state), custody=_custody(event)))
        case RecoveryRehearsed():
            return replace(state, deployment=_rehearsed(_deployed(state), event))
        case StateRecovered():
            entry = LogEntry(event.time_ms, STATE_RECOVERED, {"owners": ", ".join(event.owners)})
            return replace(state, deployment=_logged(_deployed(state), entry))
        case LogKept():
            deployment = _deployed(state)
            return replace(state, deployment=replace(deployment, log=(*deployment.log, *event.entries)))
        case CounterRaised():
            return _counters(state, {counter_key(event.marble, event.uuid, event.name): event.value})
        case CountersKept():
            return _counters(state, event.values)
        case EvidenceRemembered():
            return state
        case Founded():
            raise ReplayFailed("journal: expected one founding record, at its start, got a second one")


def replay_all(events: Sequence[Event]) -> State:
    """The State that a whole journal makes.  Raises ReplayFailed."""
    if len(events) < 2:
        raise ReplayFailed(f"journal: expected at least 2 records, got {len(events)}")
    state = begin(events[0], events[1])
    counts: dict[str, int] = {}
    for event in events[2:]:
        if isinstance(event, MarbleActivated):
            counts[event.marble] = counts.get(event.marble, 0) + 1
        else:
            state = replay(state, event)
    return _count(state, counts) if counts else state


def condense(state: State) -> tuple[Event, ...]:
    """The shortest list of events that makes the same State: what a snapshot keeps."""
    authority, deployment = state.authority, state.deployment
    events: list[Event] = [
        Founded(private_der(authority.root_key), authority.names),
        issued_event(authority),
    ]
    if deployment is not None:
        events.append(
            ManifestSet(
                time_ms=int(deployment.set_at.timestamp() * 1000),
                raw=deployment.manifest.raw,
                language=LANGUAGE_VERSION,
                compatible=deployment.compatible,
                root_secret=deployment.root_secret,
                secrets={name: stored_secret(value) for name, value in deployment.shared_secrets.items()},
                signature=deployment.manifest_signature,
            )
        )
        if deployment.custody is not None:
            events.append(prepared_event(deployment.custody))
        if deployment.log[1:]:
            events.append(LogKept(deployment.log[1:]))
        if deployment.activations:
            events.append(ActivationsCounted(dict(deployment.activations)))
        if deployment.counters:
            events.append(CountersKept(dict(deployment.counters)))
    return tuple(events)


def issued_event(authority: Authority) -> AuthorityIssued:
    """The event that makes this hierarchy, for the root key that the State has."""
    return AuthorityIssued(
        root=der(authority.root),
        intermediate_key=private_der(authority.intermediate_key),
        intermediate=der(authority.intermediate),
        marble_root=der(authority.marble_root),
    )


def prepared_event(custody: Custody) -> RecoveryPrepared:
    """The event that makes this custody."""
    return RecoveryPrepared(
        plan=encode_plan(custody.plan),
        envelopes=dict(custody.envelopes),
        verifiers=dict(custody.verifiers),
        rehearsed=dict(custody.rehearsed),
    )


def _custody(event: RecoveryPrepared) -> Custody:
    try:
        plan = decode_plan(event.plan)
    except PlanInvalid as cause:
        raise ReplayFailed(f"journal: {cause}") from cause
    return Custody(plan, event.envelopes, event.verifiers, event.rehearsed)


def _rehearsed(deployment: Deployment, event: RecoveryRehearsed) -> Deployment:
    if deployment.custody is None:
        raise ReplayFailed("journal: a rehearsal was recorded, but no recovery keys before it")
    custody = replace(deployment.custody, rehearsed={**deployment.custody.rehearsed, event.owner: event.time_ms})
    entry = LogEntry(event.time_ms, REHEARSED, {"owner": event.owner})
    return _logged(replace(deployment, custody=custody), entry)


def _logged(deployment: Deployment, entry: LogEntry) -> Deployment:
    return replace(deployment, log=(*deployment.log, entry))


def _count(state: State, counts: Mapping[str, int]) -> State:
    deployment = _deployed(state)
    activations = deployment.activations
    for marble, number in counts.items():
        activations = activations.plus(marble, number)
    return replace(state, deployment=replace(deployment, activations=activations))


def _counters(state: State, values: Mapping[str, int]) -> State:
    deployment = _deployed(state)
    counters = deployment.counters
    for key, value in values.items():
        counters = counters.with_count(key, value)
    return replace(state, deployment=replace(deployment, counters=counters))


def _deployed(state: State) -> Deployment:
    if state.deployment is None:
        raise ReplayFailed("journal: expected a manifest before activations, secrets and log entries")
    return state.deployment


def _written(deployment: Deployment, event: SecretsWritten) -> Deployment:
    secrets, log = dict(deployment.shared_secrets), list(deployment.log)
    for name, stored in event.secrets.items():
        secret = deployment.manifest.secrets.get(name)
        if secret is None:
            raise ReplayFailed(f"journal: secret '{name}' was written, which the manifest does not define")
        if stored.public:
            secrets[name] = secret_value(secret, stored)
        else:
            secrets.pop(name, None)
        log.append(LogEntry(event.time_ms, SECRET_SET, {"user": event.user, "secret": name, "type": secret.type.value}))
    return replace(deployment, shared_secrets=secrets, log=tuple(log))


def _deployment(event: ManifestSet) -> Deployment:
    if event.language != LANGUAGE_VERSION:
        raise ReplayFailed(f"manifest: language version {event.language}, this program reads {LANGUAGE_VERSION}")
    try:
        manifest = parse(event.raw, name="manifest", compatible=event.compatible).manifest
    except ManifestInvalid as cause:
        raise ReplayFailed(f"manifest in the journal is not accepted any more: {cause}") from cause
    secrets = {name: secret_value(manifest.secrets[name], stored) for name, stored in event.secrets.items()}
    return Deployment(
        manifest=manifest,
        manifest_signature=event.signature,
        compatible=event.compatible,
        set_at=datetime.fromtimestamp(event.time_ms / 1000, UTC),
        root_secret=event.root_secret,
        shared_secrets=secrets,
        log=(LogEntry(event.time_ms, MANIFEST_SET, {}),),
    )


def _authority(event: AuthorityIssued, root_key: EllipticCurvePrivateKey, names: tuple[str, ...]) -> Authority:
    try:
        return Authority(
            root_key=root_key,
            root=load_der(event.root),
            intermediate_key=_ec_key(event.intermediate_key),
            intermediate=load_der(event.intermediate),
            marble_root=load_der(event.marble_root),
            names=names,
        )
    except CertificateFormatError as cause:
        raise ReplayFailed(f"journal: a CA certificate cannot be read: {cause}") from cause


def _ec_key(raw: bytes) -> EllipticCurvePrivateKey:
    try:
        key = load_private(raw)
    except KeyFormatError as cause:
        raise ReplayFailed("journal: a CA key cannot be read") from cause
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ReplayFailed(f"journal: expected an EC key for a CA, got {type(key).__name__}")
    return key
