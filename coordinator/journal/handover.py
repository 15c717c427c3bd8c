"""How one coordinator hands the data key of its journal to another: encrypted for a key that evidence vouched for.

HPKE (RFC 9180), base mode: X25519, HKDF-SHA256, AES-256-GCM.  The plaintext is journal id (16) | data key (32).
Who holds the data key proves it with HMAC-SHA256, so that only a replica can leave a wrapped copy of it.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from coordinator.journal.errors import KeyUnusable
from coordinator.journal.key import DATA_KEY_BYTES, JOURNAL_ID_BYTES, DataKey, JournalId
from pki.manifest_history import HistoryStep

RECIPIENT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Held:
    """A data key, and the journal that it opens.  since: of a key that another replica gave; None for one's own."""

    journal_id: JournalId
    data_key: DataKey
    since: HistoryStep | None = None


def seal_for(recipient: bytes, held: Held) -> bytes:
    """Encrypt for a raw X25519 key of 32 bytes.  Raises KeyUnusable if it is none."""
    try:
        key = X25519PublicKey.from_public_bytes(recipient)
        return _SUITE.encrypt(held.journal_id + held.data_key.secret, key, _INFO)
    except ValueError as cause:
        raise KeyUnusable("recipient", f"an X25519 key of {RECIPIENT_BYTES} bytes", "other bytes") from cause


def open_sealed(key: X25519PrivateKey, sealed: bytes, since: HistoryStep) -> Held:
    """What was encrypted for `key`.  since: the step that the giver proved.  Raises KeyUnusable."""
    try:
        plain = _SUITE.decrypt(sealed, key, _INFO)
    except (InvalidTag, ValueError) as cause:
        raise KeyUnusable("handed key", "one that was encrypted for this replica", "other bytes") from cause
    if len(plain) != JOURNAL_ID_BYTES + DATA_KEY_BYTES:
        raise KeyUnusable("handed key", f"{JOURNAL_ID_BYTES + DATA_KEY_BYTES} bytes", f"{len(plain)} bytes")
    return Held(JournalId(plain[:JOURNAL_ID_BYTES]), DataKey(plain[JOURNAL_ID_BYTES:]), since)


def prove(held: Held, name: str, wrapped: bytes) -> bytes:
    """32 bytes that only a holder of the data key can make, for a copy of it that a machine wrapped."""
    message = _PROOF_LABEL + held.journal_id + len(name).to_bytes(2, "big") + name.encode() + wrapped
    return hmac.digest(held.data_key.secret, message, "sha256")


def is_proof(held: Held, name: str, wrapped: bytes, proof: bytes) -> bool:
    """Whether a holder of the data key made `proof` for this copy."""
    return hmac.compare_digest(prove(held, name, wrapped), proof)


_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO: Final = b"enclasp replica key v1"
_PROOF_LABEL: Final = b"enclasp replica wrapped key v1"
