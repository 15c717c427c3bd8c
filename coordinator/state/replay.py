"""State is what its events say: `begin` from the first ones, `replay` for each that follows.

The only place where State changes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.recovery.errors import PlanInvalid
from coordinator.recovery.plan import decode_plan, encode_plan
from coordinator.state import read_replay, update_replay
from coordinator.state.counters import counter_key, vendor_key
from coordinator.state.events import (
    LANGUAGE_VERSION,
    AcceptancesKept,
    ActivationsCounted,
    AuthorityIssued,
    CounterRaised,
    CountersKept,
    Event,
    EvidenceRemembered,
    Founded,
    LogEntry,
    LogKept,
    LogPacked,
    ManifestSet,
    ManifestUpdated,
    MarbleActivated,
    MarblesRenewed,
    MarblesSeen,
    OlderStateAccepted,
    PackagesRaised,
    ReadApproved,
    ReadEnded,
    ReadRequested,
    RecoveryPrepared,
    RecoveryRehearsed,
    RetiredIssued,
    SecretsRead,
    SecretsWritten,
    StateRecovered,
    StateRestored,
    UpdateApproved,
    UpdateProposed,
    UpdatesKept,
    UpdateWithdrawn,
    Version,
)
from coordinator.state.model import Authority, Custody, Deployment, Retired, State
from coordinator.state.phase import Phase
from coordinator.state.update_log import PageUnreadable, UpdateLog
from coordinator.state.update_replay import ReplayFailed as ReplayFailed
from coordinator.state.values import secret_value, stored_secret
from coordinator.wire.history import SET, HistoryEntry
from pki.certificates import CertificateFormatError, der, load_der
from pki.keys import KeyFormatError, load_private, private_der

MANIFEST_SET: Final = "initial manifest set"
SECRET_SET: Final = "secret set"
STATE_RESTORED: Final = "state restored from a backup"
OLDER_STATE_ACCEPTED: Final = "older state accepted"
STATE_RECOVERED: Final = "state recovered"
REHEARSED: Final = "recovery rehearsed"


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
            return _count(state, {event.marble: 1}, {vendor_key(event.vendor, event.marble): 1})
        case ActivationsCounted():
            return _count(state, event.counts, event.by_vendor)
        case ManifestSet():
            return replace(state, phase=Phase.ACCEPTING_MARBLES, deployment=_deployment(event))
        case AuthorityIssued():
            return replace(state, authority=_issued(state, event))
        case SecretsWritten():
            deployment = _written(_deployed(state), event)
            return replace(state, deployment=read_replay.over_for(deployment, event.secrets, event.time_ms))
        case ReadRequested():
            return replace(state, deployment=read_replay.requested(_deployed(state), event))
        case ReadApproved():
            return replace(state, deployment=read_replay.approved(_deployed(state), event))
        case ReadEnded():
            return replace(state, deployment=read_replay.ended(_deployed(state), event))
        case SecretsRead():
            return replace(state, deployment=read_replay.was_read(_deployed(state), event))
        case RecoveryPrepared():
            return replace(state, deployment=replace(_deployed(state), custody=_custody(event)))
        case RecoveryRehearsed():
            return replace(state, deployment=_rehearsed(_deployed(state), event))
        case StateRecovered():
            entry = LogEntry(event.time_ms, STATE_RECOVERED, {"owners": ", ".join(event.owners)})
            return replace(state, deployment=_logged(_deployed(state), entry))
        case LogKept():
            deployment = _deployed(state)
            log = UpdateLog().plus(*islice(deployment.log, 1), *event.entries)
            return replace(state, deployment=replace(deployment, log=log))
        case LogPacked():
            return replace(state, deployment=replace(_deployed(state), log=_unpacked(event)))
        case StateRestored():
            entry = LogEntry(
                event.time_ms,
                STATE_RESTORED,
                {"reason": event.reason, "sequence": event.sequence, "restored": event.restored_ms},
            )
            deployment = _deployed(state)
            number = max(event.time_ms, deployment.accepted + 1)
            return replace(state, deployment=_logged(replace(deployment, accepted=number), entry))
        case OlderStateAccepted():
            owners = ", ".join(word.owner for word in event.words) or "none: by the operator's note"
            entry = LogEntry(
                event.time_ms,
                OLDER_STATE_ACCEPTED,
                {"why": event.why, "sequence": event.sequence, "link": event.link.hex(), "owners": owners},
            )
            deployment = _deployed(state)
            number = event.number or max(event.time_ms, deployment.accepted + 1)
            return replace(state, deployment=_logged(replace(deployment, accepted=number), entry))
        case AcceptancesKept():
            return replace(state, deployment=replace(_deployed(state), accepted=event.number))
        case CounterRaised():
            return _counters(state, {counter_key(event.marble, event.uuid, event.name): event.value})
        case CountersKept():
            return _counters(state, event.values)
        case UpdateProposed():
            return replace(state, deployment=update_replay.proposed(_deployed(state), event))
        case UpdateApproved():
            return replace(state, deployment=update_replay.approved(_deployed(state), event))
        case UpdateWithdrawn():
            return replace(state, deployment=update_replay.withdrawn(_deployed(state), event))
        case ManifestUpdated():
            deployment = read_replay.all_over(update_replay.updated(_deployed(state), event), event.time_ms)
            return replace(state, authority=_issued(state, event.authority), deployment=deployment)
        case PackagesRaised():
            raised = update_replay.packages_raised(_deployed(state), event)
            deployment = read_replay.over_for(raised, event.secrets, event.time_ms)
            return replace(state, authority=_issued(state, event.authority), deployment=deployment)
        case UpdatesKept():
            return replace(state, deployment=update_replay.updates_kept(_deployed(state), event))
        case EvidenceRemembered() | MarblesSeen() | MarblesRenewed():
            return state
        case Founded():
            raise ReplayFailed("journal: expected one founding record, at its start, got a second one")


def replay_all(events: Sequence[Event]) -> State:
    """The State that a whole journal makes.  Raises ReplayFailed."""
    if len(events) < 2:
        raise ReplayFailed(f"journal: expected at least 2 records, got {len(events)}")
    state = begin(events[0], events[1])
    counts: Counter[str] = Counter()
    by_vendor: Counter[str] = Counter()
    for event in events[2:]:
        if isinstance(event, MarbleActivated):
            counts[event.marble] += 1
            by_vendor[vendor_key(event.vendor, event.marble)] += 1
        else:
            state = replay(state, event)
    return _count(state, counts, by_vendor) if counts else state


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
                time_ms=round(deployment.set_at.timestamp() * 1000),
                raw=deployment.manifest.raw,
                language=LANGUAGE_VERSION,
                compatible=deployment.compatible,
                root_secret=deployment.root_secret,
                secrets={name: stored_secret(value) for name, value in deployment.shared_secrets.items()},
                signature=deployment.manifest_signature,
                entry=deployment.history.versions[0].entry,
            )
        )
        if deployment.custody is not None:
            events.append(prepared_event(deployment.custody))
        events += _updates(deployment)
        for request in deployment.requests.values():  # what they say in the log comes from LogPacked
            events.append(ReadRequested(request.requested_ms, request.raw, 0, (), request.times_read))
            events += [ReadApproved(request.document.id, approval, 0, ()) for approval in request.approvals]
        events.append(LogPacked(deployment.log.pages, deployment.log.recent))
        if deployment.accepted:
            events.append(AcceptancesKept(deployment.accepted))
        if deployment.activations:
            events.append(ActivationsCounted(dict(deployment.activations), dict(deployment.by_vendor)))
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
        retired=tuple(
            RetiredIssued(der(one.marble_root), der(one.successor), der(one.intermediate), one.number)
            for one in authority.retired
        ),
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
    return replace(deployment, log=deployment.log.plus(entry))


def _unpacked(event: LogPacked) -> UpdateLog:
    try:
        return UpdateLog.read(event.pages, event.recent)
    except PageUnreadable as cause:
        raise ReplayFailed(f"journal: {cause}") from cause


def _updates(deployment: Deployment) -> list[Event]:
    """What makes the same history, and the same update that waits."""
    events: list[Event] = [
        UpdatesKept(
            raised=dict(deployment.raised),
            history=deployment.history.versions,
            withdrawn=deployment.withdrawn,
            previous_root_secret=deployment.previous_root_secret,
            previous={name: stored_secret(value) for name, value in deployment.previous.items()},
        )
    ]
    if (pending := deployment.pending) is not None:
        expires_ms = round(pending.expires.timestamp() * 1000)
        raw, compatible = pending.manifest.raw, pending.compatible
        events.append(
            UpdateProposed(pending.proposed_ms, pending.proposed_by, raw, LANGUAGE_VERSION, compatible, expires_ms)
        )
        events += [UpdateApproved(approval, 0, ()) for approval in pending.approvals]  # the log comes from LogPacked
    return events


def _count(state: State, counts: Mapping[str, int], by_vendor: Mapping[str, int]) -> State:
    deployment = _deployed(state)
    activations, of_vendors = deployment.activations, deployment.by_vendor
    for marble, number in counts.items():
        activations = activations.plus(marble, number)
    for key, number in by_vendor.items():
        of_vendors = of_vendors.plus(key, number)
    return replace(state, deployment=replace(deployment, activations=activations, by_vendor=of_vendors))


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
    secrets, entries = dict(deployment.shared_secrets), list[LogEntry]()
    for name, stored in event.secrets.items():
        secret = deployment.manifest.secrets.get(name)
        if secret is None:
            raise ReplayFailed(f"journal: secret '{name}' was written, which the manifest does not define")
        if stored.public:
            secrets[name] = secret_value(secret, stored)
        else:
            secrets.pop(name, None)
        said = LogEntry(event.time_ms, SECRET_SET, {"user": event.user, "secret": name, "type": secret.type.value})
        entries.append(said)
    return replace(deployment, shared_secrets=secrets, log=deployment.log.plus(*entries))


def _deployment(event: ManifestSet) -> Deployment:
    manifest = update_replay.read_agreed(event.raw, event.language, event.compatible)
    entry = event.entry or first_entry(event.time_ms, manifest.digest)
    secrets = {name: secret_value(manifest.secrets[name], stored) for name, stored in event.secrets.items()}
    return Deployment(
        manifest=manifest,
        packages=manifest.packages,
        manifest_signature=event.signature,
        compatible=event.compatible,
        set_at=datetime.fromtimestamp(event.time_ms / 1000, UTC),
        root_secret=event.root_secret,
        shared_secrets=secrets,
        history=update_replay.history((Version(entry, event.raw),)),
        log=UpdateLog().plus(LogEntry(event.time_ms, MANIFEST_SET, {})),
    )


def first_entry(time_ms: int, digest: bytes) -> str:
    """The history's first entry: a manifest is set by whoever comes first."""
    return HistoryEntry(1, SET, time_ms, digest, digest, 0, (), {}).text()


def _issued(state: State, event: AuthorityIssued) -> Authority:
    return _authority(event, state.authority.root_key, state.authority.names)


def _authority(event: AuthorityIssued, root_key: EllipticCurvePrivateKey, names: tuple[str, ...]) -> Authority:
    try:
        return Authority(
            root_key=root_key,
            root=load_der(event.root),
            intermediate_key=_ec_key(event.intermediate_key),
            intermediate=load_der(event.intermediate),
            marble_root=load_der(event.marble_root),
            names=names,
            retired=tuple(
                Retired(load_der(one.marble_root), load_der(one.successor), load_der(one.intermediate), one.number)
                for one in event.retired
            ),
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
