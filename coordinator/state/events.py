"""What can happen, as frozen records with a stable encoding: one event is one sealed journal record.

The encoding is MessagePack with a version byte before it; a field may be added with a default, never renamed or
removed.  A test holds a recorded journal of the first version against this file.
"""

from typing import TypeAlias

import msgspec

_VERSION = b"\x01"


class StoredSecret(msgspec.Struct, frozen=True):
    """A shared secret's value.  certificate: DER or empty; public, private: raw key, or SPKI and PKCS#8 DER."""

    certificate: bytes
    public: bytes
    private: bytes


class LogEntry(msgspec.Struct, frozen=True):
    """One line of the update log (contract 8.4).  update: what happened; details: further fields, in their order."""

    time_ms: int
    update: str
    details: dict[str, str]


class Founded(msgspec.Struct, frozen=True, tag="founded"):
    """The root key was made.  root_key: PKCS#8 DER; names: the Coordinator's DNS names and IP addresses."""

    root_key: bytes
    names: tuple[str, ...]


class AuthorityIssued(msgspec.Struct, frozen=True, tag="authority-issued"):
    """New CA certificates (DER) and the key of the intermediate and the marble root (PKCS#8 DER)."""

    root: bytes
    intermediate_key: bytes
    intermediate: bytes
    marble_root: bytes


class ManifestSet(msgspec.Struct, frozen=True, tag="manifest-set"):
    """The first manifest.  raw: its exact bytes; language: version of the language that read it."""

    time_ms: int
    raw: bytes
    language: int
    compatible: bool
    root_secret: bytes
    secrets: dict[str, StoredSecret]
    signature: bytes


class SecretsWritten(msgspec.Struct, frozen=True, tag="secrets-written"):
    """A user set values of user-defined secrets; an empty value unsets one."""

    time_ms: int
    user: str
    secrets: dict[str, StoredSecret]


class RecoveryPrepared(msgspec.Struct, frozen=True, tag="recovery-prepared"):
    """A key that opens this journal was split among owners, anew with each manifest that changes them.

    plan: as `recovery.plan` encodes it.  envelopes, verifiers: encrypted shares and what their rehearsals are checked
    with, by owner.  rehearsed: when an owner last showed that the share still opens, milliseconds.
    """

    plan: bytes
    envelopes: dict[str, bytes]
    verifiers: dict[str, bytes]
    rehearsed: dict[str, int] = {}


class RecoveryRehearsed(msgspec.Struct, frozen=True, tag="recovery-rehearsed"):
    """An owner has shown that the share still opens."""

    time_ms: int
    owner: str


class StateRecovered(msgspec.Struct, frozen=True, tag="state-recovered"):
    """Owners opened this journal where no key source did."""

    time_ms: int
    owners: tuple[str, ...]


class MarbleActivated(msgspec.Struct, frozen=True, tag="marble-activated"):
    """A marble was admitted.  evidence: SHA-256 of its Evidence; join: which protocol it used."""

    time_ms: int
    marble: str
    uuid: str
    evidence: bytes
    join: str = "compatible, no nonce"


class ActivationsCounted(msgspec.Struct, frozen=True, tag="activations-counted"):
    """What a snapshot keeps of many MarbleActivated: the counters."""

    counts: dict[str, int]


class EvidenceRemembered(msgspec.Struct, frozen=True, tag="evidence-remembered"):
    """What a snapshot keeps of admitted Evidence, so that none counts twice: SHA-256 digests, oldest first."""

    digests: tuple[bytes, ...]


class LogKept(msgspec.Struct, frozen=True, tag="log-kept"):
    """What a snapshot keeps of the update log: its entries behind the first one, which `ManifestSet` makes."""

    entries: tuple[LogEntry, ...]


class CounterRaised(msgspec.Struct, frozen=True, tag="counter-raised"):
    """A marble raised one of its monotonic counters.  value: the new one, up to 2^64 - 1."""

    time_ms: int
    marble: str
    uuid: str
    name: str
    value: int


class CountersKept(msgspec.Struct, frozen=True, tag="counters-kept"):
    """What a snapshot keeps of many CounterRaised: the values, by the key that `state.counters` makes."""

    values: dict[str, int]


Event: TypeAlias = (
    Founded
    | AuthorityIssued
    | ManifestSet
    | SecretsWritten
    | RecoveryPrepared
    | RecoveryRehearsed
    | StateRecovered
    | MarbleActivated
    | ActivationsCounted
    | EvidenceRemembered
    | LogKept
    | CounterRaised
    | CountersKept
)

LANGUAGE_VERSION = 1

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


class EventFormatError(Exception):
    """A journal record opens, but holds no event that this version knows."""


def encode_event(event: Event) -> bytes:
    """The bytes of a journal record's body."""
    return _VERSION + _encoder.encode(event)


def decode_event(raw: bytes) -> Event:
    """The event in a journal record's body.  Raises EventFormatError."""
    if raw[:1] != _VERSION:
        raise EventFormatError(f"event: expected version {_VERSION.hex()}, got {raw[:1].hex() or 'nothing'}")
    try:
        return _decoder.decode(raw[1:])
    except msgspec.MsgspecError as error:
        raise EventFormatError(f"event: {error}") from error
