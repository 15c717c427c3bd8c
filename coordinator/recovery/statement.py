"""What an owner signs, where the signature is for one state only."""

import hashlib
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WaitingState:
    """Which state waits: its journal (16 bytes), the number of its last record, and that record's link (32 bytes)."""

    journal: bytes
    sequence: int
    link: bytes


def statement(state: WaitingState, share: bytes) -> bytes:
    """What an owner signs: "this share of mine is for exactly this state"."""
    digest = hashlib.sha256(share).digest()
    return _LABEL + state.journal + state.sequence.to_bytes(8, "big") + state.link + digest


def describe(state: WaitingState) -> str:
    """For people."""
    return f"record {state.sequence} of journal {state.journal.hex()}, link {state.link.hex()}"


_LABEL: Final = b"enclasp recovery statement v1\0"
