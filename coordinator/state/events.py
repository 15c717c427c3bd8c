"""What can happen, as frozen records with a stable encoding: one event is one sealed journal record.

The encoding is MessagePack with a version byte before it; a field may be added with a default, never renamed or
removed, and a default never changed.  A test holds a recorded journal of the first version against this file.
"""

from typing import TypeAlias

import msgspec

_VERSION = b"\x01"


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of which a version does not know is not lost by it: it refuses the record.

    A field with its default is not written, so two versions understand each other until a newer one uses what is new.
    """


class StoredSecret(_Record, frozen=True):
    """A shared secret's value.  certificate: DER or empty; public, private: raw key, or SPKI and PKCS#8 DER."""

    certificate: bytes
    public: bytes
    private: bytes


class LogEntry(_Record, frozen=True):
    """One line of the update log (contract 8.4).  update: what happened; details: further fields, in their order."""

    time_ms: int
    update: str
    details: dict[str, str | int | tuple[str, ...]]


class RetiredIssued(_Record, frozen=True):
    """An intermediate that stays trusted for a time: three certificates, DER (state/model.py, Retired).

    number: of the history's step that brought it.
    """

    marble_root: bytes
    successor: bytes
    intermediate: bytes
    number: int


class Version(_Record, frozen=True):
    """One step of the deployment's history.  entry: its text as verifiers get it, exact (wire/history.py).

    raw: the document that was agreed on; a snapshot may leave old ones out (empty).
    """

    entry: str
    raw: bytes


class Approval(_Record, frozen=True):
    """A user's word for a document.  signature: detached, as it was sent, or empty: the user's connection said it.

    key: SHA-256 of the SubjectPublicKeyInfo of the user's key.
    """

    time_ms: int
    user: str
    key: bytes
    signature: bytes


class Founded(_Record, frozen=True, tag="founded"):
    """The root key was made.  root_key: PKCS#8 DER; names: the Coordinator's DNS names and IP addresses."""

    root_key: bytes
    names: tuple[str, ...]


class AuthorityIssued(_Record, frozen=True, tag="authority-issued"):
    """New CA certificates (DER) and the key of the intermediate and the marble root (PKCS#8 DER)."""

    root: bytes
    intermediate_key: bytes
    intermediate: bytes
    marble_root: bytes
    retired: tuple[RetiredIssued, ...] = ()


class ManifestSet(_Record, frozen=True, tag="manifest-set"):
    """The first manifest.  raw: its exact bytes; language: version of the language that read it.

    entry: of the history; empty in journals of before there was one.
    """

    time_ms: int
    raw: bytes
    language: int
    compatible: bool
    root_secret: bytes
    secrets: dict[str, StoredSecret]
    signature: bytes
    entry: str = ""


class SecretsWritten(_Record, frozen=True, tag="secrets-written"):
    """A user set values of user-defined secrets; an empty value unsets one."""

    time_ms: int
    user: str
    secrets: dict[str, StoredSecret]


class ReadRequested(_Record, frozen=True, tag="read-requested"):
    """A user asks to read secrets that need the approval of others.  document: its exact bytes (wire/read_requests.py).

    missing: how many must approve at least, and users: who may.  times_read: answers until now, for a snapshot.
    """

    time_ms: int
    document: bytes
    missing: int
    users: tuple[str, ...]
    times_read: int = 0


class ReadApproved(_Record, frozen=True, tag="read-approved"):
    """A user approves the request with this id.  missing: approvals that are wanted still, at least; of whom."""

    id: str
    approval: Approval
    missing: int
    users: tuple[str, ...]


class ReadEnded(_Record, frozen=True, tag="read-ended"):
    """A request will not be answered any more.  reason: of state/read_replay.py; user: who ended it, or empty."""

    time_ms: int
    id: str
    reason: str
    user: str


class SecretsRead(_Record, frozen=True, tag="secrets-read"):
    """The user of an approved request gets values."""

    time_ms: int
    id: str
    secrets: tuple[str, ...]


class RecoveryPrepared(_Record, frozen=True, tag="recovery-prepared"):
    """A key that opens this journal was split among owners, anew with each manifest that changes them.

    plan: as `recovery.plan` encodes it.  envelopes, verifiers: encrypted shares and what their rehearsals are checked
    with, by owner.  rehearsed: when an owner last showed that the share still opens, milliseconds.
    """

    plan: bytes
    envelopes: dict[str, bytes]
    verifiers: dict[str, bytes]
    rehearsed: dict[str, int] = {}


class RecoveryRehearsed(_Record, frozen=True, tag="recovery-rehearsed"):
    """An owner has shown that the share still opens."""

    time_ms: int
    owner: str


class StateRecovered(_Record, frozen=True, tag="state-recovered"):
    """Owners opened this journal where no key source did."""

    time_ms: int
    owners: tuple[str, ...]


class UpdateProposed(_Record, frozen=True, tag="update-proposed"):
    """A user asks for another manifest; it waits for approvals until expires_ms."""

    time_ms: int
    user: str
    raw: bytes
    language: int
    compatible: bool
    expires_ms: int


class UpdateApproved(_Record, frozen=True, tag="update-approved"):
    """A user approves the manifest that is proposed.  missing: approvals that are wanted still; of whom, say users."""

    approval: Approval
    missing: int
    users: tuple[str, ...]


class UpdateWithdrawn(_Record, frozen=True, tag="update-withdrawn"):
    """The proposed manifest will not be.  reason: one of WITHDRAWN (update_replay.py); user: who, or empty."""

    time_ms: int
    reason: str
    user: str


class ManifestUpdated(_Record, frozen=True, tag="manifest-updated"):
    """The proposed manifest is the law.

    secrets: values that were made for it; kept: names whose value stays.  root_secret, previous_root_secret: as they
    are now.  signature: of the root key over the manifest's bytes (contract 1.8).
    """

    time_ms: int
    authority: AuthorityIssued
    root_secret: bytes
    previous_root_secret: bytes
    secrets: dict[str, StoredSecret]
    kept: tuple[str, ...]
    signature: bytes
    version: Version


class PackagesRaised(_Record, frozen=True, tag="packages-raised"):
    """A user raised security versions (a package update).  secrets: the shared certificates, made anew."""

    time_ms: int
    user: str
    versions: dict[str, int]
    authority: AuthorityIssued
    secrets: dict[str, StoredSecret]
    version: Version


class UpdatesKept(_Record, frozen=True, tag="updates-kept"):
    """What a snapshot keeps of all updates.  secrets: previous values, and under which definition (its manifest's)."""

    raised: dict[str, int]
    history: tuple[Version, ...]
    withdrawn: tuple[bytes, ...]
    previous_root_secret: bytes
    previous: dict[str, StoredSecret]


class MarbleActivated(_Record, frozen=True, tag="marble-activated"):
    """A marble was admitted.  evidence: SHA-256 of its Evidence; join: which protocol it used.

    bound: SHA-256 of the report data that it had to bind.
    vendor: whose hardware proved it.  platform: which kind.  package: of its type, then.  until_ms: when its
    certificate ends.  Empty (0) in journals of before they were recorded.
    """

    time_ms: int
    marble: str
    uuid: str
    evidence: bytes
    join: str = "compatible, no nonce"
    vendor: str = ""
    platform: str = ""
    package: str = ""
    until_ms: int = 0
    bound: bytes = b""


class ActivationsCounted(_Record, frozen=True, tag="activations-counted"):
    """What a snapshot keeps of many MarbleActivated: the counters, by type, and by vendor and type."""

    counts: dict[str, int]
    by_vendor: dict[str, int] = {}


class RenewedMarble(_Record, frozen=True):
    """A marble that runs was given another certificate.  number: as in SeenMarble, the rest as in MarbleActivated."""

    time_ms: int
    marble: str
    uuid: str
    number: int
    platform: str
    package: str
    until_ms: int


class MarblesRenewed(_Record, frozen=True, tag="marbles-renewed"):
    """Renewals of the last while, in one record, since no decision rests on them: people look at them."""

    marbles: tuple[RenewedMarble, ...]


class SeenMarble(_Record, frozen=True):
    """The last start of one marble.  number: of the history's step whose hierarchy signed its certificate.

    platform, package, until_ms: as in MarbleActivated.  renewed_ms: when its certificate was renewed since; 0: never.
    """

    marble: str
    uuid: str
    number: int
    time_ms: int
    platform: str = ""
    package: str = ""
    until_ms: int = 0
    renewed_ms: int = 0


class MarblesSeen(_Record, frozen=True, tag="marbles-seen"):
    """What a snapshot keeps of the marbles that have joined (roll.py), the last one at the end."""

    marbles: tuple[SeenMarble, ...]


class EvidenceRemembered(_Record, frozen=True, tag="evidence-remembered"):
    """What a snapshot keeps of admitted Evidence: SHA-256 of what each bound, oldest first: none counts twice."""

    digests: tuple[bytes, ...]


class LogKept(_Record, frozen=True, tag="log-kept"):
    """What a snapshot kept of the update log before `LogPacked`: its entries behind the first one, of `ManifestSet`."""

    entries: tuple[LogEntry, ...]


class LogPacked(_Record, frozen=True, tag="log-packed"):
    """What a snapshot keeps of the update log, all of it (update_log.py).  recent: the entries behind the pages."""

    pages: tuple[bytes, ...]
    recent: tuple[LogEntry, ...]


class CounterRaised(_Record, frozen=True, tag="counter-raised"):
    """A marble raised one of its monotonic counters.  value: the new one, up to 2^64 - 1."""

    time_ms: int
    marble: str
    uuid: str
    name: str
    value: int


class StateRestored(_Record, frozen=True, tag="state-restored"):
    """The state was put back from a backup, whose last record was `sequence`.  restored_ms: when, as the note says it.

    reason: in the words of who did it.
    """

    time_ms: int
    restored_ms: int
    sequence: int
    reason: str


class OwnersWord(_Record, frozen=True):
    """An owner's approval of an older state.  signature: as `recovery.approval` or, with a share given for this state,
    `recovery.statement` has it."""

    owner: str
    signature: bytes


class OlderStateAccepted(_Record, frozen=True, tag="older-state-accepted"):
    """A state is served that may not be the newest: it ended with record `sequence`, whose link is `link`.

    why: what spoke against it.  words: of its owners; none where the operator's note was enough.  nonce: what they were
    asked with; empty where they gave shares.
    number: higher than that of all acceptances that were known; 0: its time is, or one more than this state's last.
    """

    time_ms: int
    sequence: int
    link: bytes
    why: str
    words: tuple[OwnersWord, ...]
    nonce: bytes = b""
    number: int = 0


class AcceptancesKept(_Record, frozen=True, tag="acceptances-kept"):
    """What a snapshot keeps of StateRestored and OlderStateAccepted, if there were any: the last one's number."""

    number: int


class CountersKept(_Record, frozen=True, tag="counters-kept"):
    """What a snapshot keeps of many CounterRaised: the values, by the key that `state.counters` makes."""

    values: dict[str, int]


Event: TypeAlias = (
    Founded
    | AuthorityIssued
    | ManifestSet
    | SecretsWritten
    | ReadRequested
    | ReadApproved
    | ReadEnded
    | SecretsRead
    | RecoveryPrepared
    | RecoveryRehearsed
    | StateRecovered
    | UpdateProposed
    | UpdateApproved
    | UpdateWithdrawn
    | ManifestUpdated
    | PackagesRaised
    | UpdatesKept
    | MarbleActivated
    | ActivationsCounted
    | EvidenceRemembered
    | MarblesSeen
    | MarblesRenewed
    | LogKept
    | LogPacked
    | CounterRaised
    | CountersKept
    | StateRestored
    | OlderStateAccepted
    | AcceptancesKept
)

LANGUAGE_VERSION = 1

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


class EventFormatError(Exception):
    """A journal record opens, but holds no event that this version knows: a newer one wrote it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the state has a record that this version of Enclasp does not know: {reason}\n  hint: a newer version "
            "has served it; start that one, or a newer one still"
        )


def encode_event(event: Event) -> bytes:
    """The bytes of a journal record's body."""
    return _VERSION + _encoder.encode(event)


def decode_event(raw: bytes) -> Event:
    """The event in a journal record's body.  Raises EventFormatError."""
    if raw[:1] != _VERSION:
        raise EventFormatError(f"event: expected version {_VERSION.hex()}, got {raw[:1].hex() or 'nothing'}")
    try:
        return _decoder.decode(raw[1:])
    except ValueError as error:
        raise EventFormatError(f"event: {error}") from error
