"""`State`: one frozen value with everything that the Coordinator believes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.manifest.model import Manifest, Package
from coordinator.manifest.template.values import SecretValue
from coordinator.recovery.plan import Plan
from coordinator.state.events import Approval, Version
from coordinator.state.phase import Phase
from coordinator.state.tally import NONE_COUNTED, Tally
from coordinator.state.update_log import UpdateLog
from coordinator.wire.read_requests import ReadRequestDocument
from pki.manifest_history import HistoryMark


@dataclass(frozen=True, slots=True)
class Retired:
    """An intermediate of before an update, while it is still trusted.

    marble_root: its self-signed twin, for marbles of after the update.  successor: the next intermediate's key, signed
    by the retired one, so that marbles of before it believe those of after it.  Both end with the overlap.
    intermediate: as the root signed it, for those who follow `successor` up to the root.
    number: of the history's step that brought it.
    """

    marble_root: x509.Certificate
    successor: x509.Certificate
    intermediate: x509.Certificate
    number: int

    @property
    def until(self) -> datetime:
        """The end of the overlap."""
        return self.marble_root.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA hierarchy: root, intermediate signed by it, and the intermediate's self-signed twin (contract 4).

    retired: intermediates that are still trusted for a time, newest first.
    """

    root_key: EllipticCurvePrivateKey
    root: x509.Certificate
    intermediate_key: EllipticCurvePrivateKey
    intermediate: x509.Certificate
    marble_root: x509.Certificate
    names: tuple[str, ...]
    retired: tuple[Retired, ...] = ()

    def overlapping(self, now: datetime) -> tuple[Retired, ...]:
        """The retired ones that are trusted at this moment."""
        return tuple(retired for retired in self.retired if retired.until > now)


@dataclass(frozen=True, slots=True)
class PendingUpdate:
    """A manifest that is proposed, and who has approved it; it waits until `expires`."""

    manifest: Manifest
    compatible: bool
    proposed_by: str
    proposed_ms: int
    expires: datetime
    approvals: tuple[Approval, ...] = ()

    @property
    def proposed(self) -> datetime:
        """When it was."""
        return datetime.fromtimestamp(self.proposed_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A user asks to read secrets that need the approval of others.  raw: the document's exact bytes, which are signed.

    times_read: how often the values were given.
    """

    document: ReadRequestDocument
    raw: bytes
    requested_ms: int
    approvals: tuple[Approval, ...] = ()
    times_read: int = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of the exact bytes."""
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class History:
    """Every step of the deployment until now.  link: over all of them (pki/manifest_history.py).

    predecessors: digests of the manifests before the one in force, newest first.
    """

    versions: tuple[Version, ...]
    link: bytes
    predecessors: tuple[bytes, ...]

    @property
    def mark(self) -> HistoryMark:
        """What the root certificate says of it."""
        return HistoryMark(len(self.versions), self.link, self.predecessors)


@dataclass(frozen=True, slots=True)
class Custody:
    """Whose shares recover this state.  envelopes, verifiers: by owner; see `recovery.plan.Prepared`.

    rehearsed: when an owner last showed that the share still opens, milliseconds.
    """

    plan: Plan
    envelopes: Mapping[str, bytes]
    verifiers: Mapping[str, bytes] = field(repr=False)
    rehearsed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a set manifest brings with it.  manifest_signature: ECDSA of the root key over its bytes (contract 1.8).

    packages: as they are in force; raised: security versions that package updates have raised, also of packages that
    the manifest does not have now.
    shared_secrets: generated ones, and those that users have set; a user-defined one without an entry is not set.
    previous: what a secret was before an update made it anew; a secret without an entry has not changed.
    previous_root_secret: empty before it was rotated.
    withdrawn: digests of documents that were proposed and not accepted; with the history's, what signatures have been
    used up for.
    activations: granted so far, by marble type; a type without an entry has none.  by_vendor: the same by `vendor_key`.
    log: the update log, oldest first.
    custody: None where the manifest has no recovery keys.
    accepted: when an older state was last accepted, milliseconds, 0 for never.  It is higher than all that were known
    then, for the clock is the host's: of two branches the one that was accepted later has the higher number.
    counters: monotonic counters of marbles, by `counter_key`.
    requests: to read secrets, by their ids, oldest first; some of them may have expired.
    """

    manifest: Manifest
    packages: Mapping[str, Package]
    manifest_signature: bytes
    compatible: bool
    set_at: datetime
    root_secret: bytes
    shared_secrets: Mapping[str, SecretValue]
    history: History
    raised: Mapping[str, int] = field(default_factory=dict)
    previous: Mapping[str, SecretValue] = field(default_factory=dict)
    previous_root_secret: bytes = b""
    pending: PendingUpdate | None = None
    withdrawn: tuple[bytes, ...] = ()
    activations: Tally = field(default_factory=lambda: NONE_COUNTED)
    by_vendor: Tally = field(default_factory=lambda: NONE_COUNTED)
    counters: Tally = field(default_factory=lambda: NONE_COUNTED)
    log: UpdateLog = field(default_factory=UpdateLog)
    custody: Custody | None = None
    accepted: int = 0
    requests: Mapping[str, ReadRequest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """Before a manifest there is an authority in memory only, and no deployment."""

    phase: Phase
    authority: Authority
    deployment: Deployment | None = None

    @property
    def deployed(self) -> Deployment:
        """The deployment, for who knows that there is one: a phase that admits what needs one has one, and so has every
        state that comes out of a journal, which begins with a manifest."""
        assert self.deployment is not None, "neither such a phase nor a journal is without a deployment"
        return self.deployment
