"""The proof that an owner can still open a share, which gives nothing of it away.

proof = HMAC-SHA256(verifier, label || nonce || name of the owner, UTF-8); the verifier follows from the share
(`rehearsal_verifier`), and the nonce is the Coordinator's question, good for one proof.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coordinator.recovery.errors import NothingProven


def rehearsal_verifier(share: bytes) -> bytes:
    """32 bytes that follow from a share and tell nothing of it: the key of a rehearsal's proof."""
    return HKDF(SHA256(), 32, salt=None, info=b"enclasp recovery rehearsal v1").derive(share)


def prove_rehearsal(verifier: bytes, owner: str, nonce: bytes) -> bytes:
    """32 bytes."""
    return hmac.digest(verifier, _LABEL + nonce + owner.encode(), "sha256")


def check_rehearsal(verifier: bytes, owner: str, nonce: bytes, proof: bytes) -> None:
    """Raises NothingProven."""
    if not hmac.compare_digest(prove_rehearsal(verifier, owner, nonce), proof):
        raise NothingProven(f"the proof for '{owner}' is of another share, or answers another question")


_LABEL: Final = b"enclasp recovery rehearsal proof v1\0"
