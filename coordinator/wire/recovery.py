"""JSON shapes of recovery (contract 1.12), and of what is ours beside it: the standing, and the rehearsal."""

import base64
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from coordinator.recovery.gathering import Submission
from coordinator.recovery.owner_key import decode_owner_key, fingerprint
from coordinator.recovery.plan import Plan
from coordinator.recovery.statement import WaitingState
from coordinator.wire.go_json import bytes_field, fields_of, first_value
from coordinator.wire.v2 import BodyInvalid


def decode_submission(body: bytes) -> Submission:
    """`{"recoverySecret", "recoverySecretSignature", "state"}`.  Raises BodyInvalid; nothing of the secret is said.

    share: as sent, so perhaps still encrypted.  state: ours; `{"journal", "sequence", "link"}`, the first and the last
    in hex, of the state that the signature covers besides the share; null or absent for MarbleRun's signatures.
    """
    document = fields_of("body", first_value(body))
    return Submission(
        bytes_field("recoverySecret", document.get("recoverysecret")),
        bytes_field("recoverySecretSignature", document.get("recoverysecretsignature")),
        _state(document.get("state")),
    )


def progress(remaining: int) -> dict[str, Any]:
    """Answer to `POST /api/v2/recover`."""
    if remaining == 0:
        return {"remaining": 0, "message": "Recovery successful."}
    return {"remaining": remaining, "message": f"Share accepted. {remaining} more needed."}


def public_key(spki: bytes) -> dict[str, Any]:
    """`GET /api/v2/recover/public-key`."""
    return {"algorithm": "RSA", "ephemeralPublicKey": base64.b64encode(spki).decode()}


def standing(
    plan: Plan,
    *,
    waiting: WaitingState | None,
    given: Collection[str],
    envelopes: Mapping[str, bytes],
    rehearsed: Mapping[str, int],
    nonce: bytes,
    doubt: str,
) -> dict[str, Any]:
    """`GET /api/v2/recovery`.  Shares appear as hashes and as ciphertexts for their owners only.

    rehearsed: milliseconds.  nonce: the question of the next rehearsal or approval; empty for none.
    doubt: why the state that waits may not be the newest, so that its owners' approvals are awaited; empty where their
    shares are.
    """
    return {
        "needed": plan.needed,
        "owners": [
            {
                "name": owner.name,
                "key": fingerprint(decode_owner_key(owner.key)),
                "share": owner.share.hex(),
                "recoverySecret": base64.b64encode(envelopes[owner.name]).decode() if owner.name in envelopes else None,
                "rehearsed": _time(rehearsed.get(owner.name)),
                "given": owner.name in given,
            }
            for owner in plan.owners
        ],
        "state": None if waiting is None else state_document(waiting),
        "doubt": doubt or None,
        "nonce": base64.b64encode(nonce).decode() if nonce else None,
    }


def state_document(state: WaitingState) -> dict[str, Any]:
    """A state that waits for recovery, as people and programs pass it on."""
    return {"journal": state.journal.hex(), "sequence": state.sequence, "link": state.link.hex()}


def decode_approval(body: bytes) -> tuple[str, WaitingState, bytes]:
    """`{"owner", "state", "signature"}`: name, state as in the standing, and base64.  Raises BodyInvalid."""
    document = fields_of("body", first_value(body))
    state = _state(document.get("state"))
    if state is None:
        raise BodyInvalid("state: expected the one that was signed for")
    return _owner(document), state, bytes_field("signature", document.get("signature"))


def approval_progress(remaining: int) -> dict[str, Any]:
    """Answer to `POST /api/v2/recovery/approve`."""
    return {"remaining": remaining}


def decode_rehearsal(body: bytes) -> tuple[str, bytes]:
    """`{"owner", "proof"}`: name, and 32 bytes in base64.  Raises BodyInvalid."""
    document = fields_of("body", first_value(body))
    return _owner(document), bytes_field("proof", document.get("proof"))


def _owner(document: Mapping[str, object]) -> str:
    owner = document.get("owner")
    if not isinstance(owner, str):
        raise BodyInvalid("body: expected the name of an owner")
    return owner


def _state(document: object) -> WaitingState | None:
    if document is None:
        return None
    state = fields_of("state", document)
    journal, sequence, link = state.get("journal"), state.get("sequence"), state.get("link")
    if not isinstance(journal, str) or type(sequence) is not int or not isinstance(link, str):
        raise BodyInvalid("state: expected journal and link in hex, and a sequence number")
    if not 0 <= sequence < 1 << 64:
        raise BodyInvalid("state: expected a sequence number of at most 64 bits")
    try:
        return WaitingState(bytes.fromhex(journal), sequence, bytes.fromhex(link))
    except ValueError as cause:
        raise BodyInvalid("state: expected journal and link in hex") from cause


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
