"""All key sources of one machine, and under which names the storage keeps what they wrapped.

Where replicas on several machines share a storage, each machine has slots of its own: `cce-1f2e…` beside `cce-77a0…`.
A key that another replica gave is kept with the moment from which on it counts:

    version u8 = 2 | since (36) | what the source wrapped for `bind(since, journal id)`
"""

import hashlib
import hmac
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from attestation.errors import NoSealingKey
from attestation.issue import Issuer
from coordinator.journal.errors import JournalError, KeySourceFailed, KeyUnusable
from coordinator.journal.handover import Held
from coordinator.journal.key import JournalId
from coordinator.journal.since import SINCE_BYTES, bind, encode_since, parse_since
from coordinator.journal.source import KeySource
from coordinator.manifest.model import KeySource as Kept
from coordinator.manifest.model import Manifest


def name_of_machine(issuer: Issuer) -> str:
    """16 hex digits: the same as long as the environment's sealing key is, or where it has none, the host's name."""
    key = any_sealing_key(issuer)
    if key is not None:
        return hmac.digest(key, _LABEL, "sha256")[:8].hex()
    return hashlib.sha256(_LABEL + socket.gethostname().encode()).hexdigest()[:16]


def any_sealing_key(issuer: Issuer) -> bytes | None:
    """One of the environment; None where it has none, and something else has to keep a state."""
    for mode in ("ProductKey", "UniqueKey"):
        try:
            return issuer.sealing_key(mode)
        except NoSealingKey:
            continue
    return None


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A key, and which of the manifest's key sources had kept it."""

    held: Held
    keeper: Kept


@dataclass(frozen=True, slots=True)
class Sources:
    """machine: what tells its slots from those of others; empty where it has the storage for itself."""

    sources: tuple[KeySource, ...]
    machine: str

    def slot(self, name: str) -> str:
        """What the storage calls the key that source `name` of this machine wrapped."""
        return f"{name}-{self.machine}" if self.machine else name

    def wrap(self, held: Held, mode: str, names: Sequence[str]) -> dict[str, bytes]:
        """By each source of these names: slot to wrapped key.  Raises NoSealingKey, KeySourceFailed."""
        known = {source.name: source for source in self.sources}
        for name in names:
            if name not in known:
                raise KeySourceFailed(f"key source {name}", "this coordinator's configuration has none")
        before, journal_id = b"", held.journal_id
        if held.since is not None:
            before, journal_id = _HANDED + encode_since(held.since), bind(held.since, journal_id)
        return {self.slot(name): before + known[name].wrap(held.data_key, mode, journal_id) for name in names}

    def unwrap(self, wrapped_keys: Mapping[str, bytes], journal_id: JournalId) -> Unwrapped:
        """By the first source that can.  Raises KeyUnusable or KeySourceFailed, of the first that wrapped it."""
        reasons: list[JournalError] = []
        for source in self.sources:
            if (wrapped := wrapped_keys.get(self.slot(source.name))) is not None:
                try:
                    return Unwrapped(_unwrap(source, wrapped, journal_id), _KEEPERS[source.name])
                except (KeyUnusable, KeySourceFailed) as reason:
                    reasons.append(reason)
        if reasons:
            raise reasons[0]
        wanted = " or ".join(self.slot(source.name) for source in self.sources)
        raise KeyUnusable("key source", wanted, ", ".join(wrapped_keys) or "none")


def _unwrap(source: KeySource, wrapped: bytes, journal_id: JournalId) -> Held:
    """Raises KeyUnusable, KeySourceFailed."""
    if wrapped[:1] != _HANDED:
        return Held(journal_id, source.unwrap(wrapped, journal_id))
    since = parse_since(wrapped[1 : 1 + SINCE_BYTES])
    return Held(journal_id, source.unwrap(wrapped[1 + SINCE_BYTES :], bind(since, journal_id)), since)


def key_source_names(manifest: Manifest) -> tuple[str, ...]:
    """What the vault calls the manifest's key sources."""
    return tuple(_SOURCES[source] for source in manifest.config.key_sources)


_SOURCES: Final = {Kept.PLATFORM: "cce", Kept.TPM: "tpm", Kept.PKCS11: "pkcs11"}
_KEEPERS: Final = {name: kept for kept, name in _SOURCES.items()}
_HANDED: Final = b"\x02"
_LABEL: Final = b"enclasp name of a machine v1"
