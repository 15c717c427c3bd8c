"""`State`: one frozen value with everything that the Coordinator believes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from coordinator.manifest.model import Manifest
from coordinator.manifest.template.values import SecretValue
from coordinator.recovery.plan import Plan
from coordinator.state.events import LogEntry
from coordinator.state.phase import Phase
from coordinator.state.tally import NONE_COUNTED, Tally


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA hierarchy: root, intermediate signed by it, and the intermediate's self-signed twin (contract 4)."""

    root_key: EllipticCurvePrivateKey
    root: x509.Certificate
    intermediate_key: EllipticCurvePrivateKey
    intermediate: x509.Certificate
    marble_root: x509.Certificate
    names: tuple[str, ...]


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

    shared_secrets: generated ones, and those that users have set; a user-defined one without an entry is not set.
    activations: granted so far, by marble type; a type without an entry has none.  log: the update log, oldest first.
    custody: None where the manifest has no recovery keys.
    counters: monotonic counters of marbles, by `counter_key`.
    """

    manifest: Manifest
    manifest_signature: bytes
    compatible: bool
    set_at: datetime
    root_secret: bytes
    shared_secrets: Mapping[str, SecretValue]
    activations: Tally = field(default_factory=lambda: NONE_COUNTED)
    counters: Tally = field(default_factory=lambda: NONE_COUNTED)
    log: tuple[LogEntry, ...] = ()
    custody: Custody | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Before a manifest there is an authority in memory only, and no deployment."""

    phase: Phase
    authority: Authority
    deployment: Deployment | None = None
