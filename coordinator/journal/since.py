"""From which step of a deployment's history on a key counts that another replica handed over.

Who hands a key over has had it, and could write any state with it.  So the key opens only a state that goes on from the
history which the giver proved at that moment: its programs then stand in the history that verifiers see.
"""

import hashlib
from typing import Final

from coordinator.journal.errors import KeyUnusable
from coordinator.journal.key import JOURNAL_ID_BYTES, JournalId
from pki.manifest_history import HistoryStep

SINCE_BYTES: Final = 4 + 32


def encode_since(since: HistoryStep) -> bytes:
    """entries u32 big endian | link (32)."""
    return since.entries.to_bytes(4, "big") + since.link


def parse_since(raw: bytes) -> HistoryStep:
    """What `encode_since` wrote.  Raises KeyUnusable for another length."""
    if len(raw) != SINCE_BYTES:
        raise KeyUnusable("step of the history", f"{SINCE_BYTES} bytes", f"{len(raw)} bytes")
    return HistoryStep(int.from_bytes(raw[:4], "big"), raw[4:])


def bind(since: HistoryStep, journal_id: JournalId) -> JournalId:
    """What stands for the journal's id where a key is wrapped with this condition, so that nobody can drop it."""
    return JournalId(hashlib.sha256(_LABEL + journal_id + encode_since(since)).digest()[:JOURNAL_ID_BYTES])


_LABEL: Final = b"enclasp handed key v1\0"
