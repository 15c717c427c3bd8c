"""What a coordinator says of its recovery, typed (`GET /api/v2/recovery`)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from coordinator.client.errors import AnswerInvalid
from coordinator.recovery.statement import WaitingState


@dataclass(frozen=True, slots=True)
class OwnerStanding:
    """key: SHA-256 of the SubjectPublicKeyInfo, hex.  share: SHA-256 of the plain share, hex.

    envelope: the share as encrypted for its owner; empty while the state is not open.  rehearsed: RFC 3339, or empty.
    """

    name: str
    key: str
    share: str
    envelope: bytes
    rehearsed: str
    given: bool


@dataclass(frozen=True, slots=True)
class RecoveryStanding:
    """state: what waits for recovery, None for nothing.  nonce: what a rehearsal or approval answers.

    doubt: why that state may not be the newest: it waits for approvals, not for shares; empty otherwise.
    """

    needed: int
    owners: tuple[OwnerStanding, ...]
    state: WaitingState | None
    nonce: bytes
    doubt: str

    @property
    def remaining(self) -> int:
        """How many more owners are needed."""
        return self.needed - sum(owner.given for owner in self.owners)


def read_standing(data: Any) -> RecoveryStanding:
    """Raises AnswerInvalid."""
    try:
        match data:
            case {"needed": int(needed), "owners": list(owners), "state": state, "nonce": str() | None as nonce}:
                read = tuple(_owner(owner) for owner in owners)
                return RecoveryStanding(needed, read, read_state(state), _bytes(nonce), str(data.get("doubt") or ""))
    except (ValueError, binascii.Error) as cause:
        raise AnswerInvalid("N303", "recovery: a field is not in base64 or hex") from cause
    raise AnswerInvalid("N303", "recovery: expected the fields needed, owners, state and nonce in the answer")


def _owner(data: Any) -> OwnerStanding:
    match data:
        case {"name": str(name), "key": str(key), "share": str(share), "given": bool(given)}:
            rehearsed = data.get("rehearsed")
            return OwnerStanding(name, key, share, _bytes(data.get("recoverySecret")), str(rehearsed or ""), given)
    raise ValueError("owner")


def read_state(data: Any) -> WaitingState | None:
    """The form in which a state travels, back.  Raises ValueError."""
    match data:
        case None:
            return None
        case {"journal": str(journal), "sequence": int(sequence), "link": str(link)} if 0 <= sequence < 1 << 64:
            return WaitingState(bytes.fromhex(journal), sequence, bytes.fromhex(link))
    raise ValueError("state")


def _bytes(text: Any) -> bytes:
    return base64.b64decode(text, validate=True) if text else b""
