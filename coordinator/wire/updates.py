"""JSON shapes of updates in REST v1 and v2 (contract 1.10), and what is ours in them: signatures, and who approved."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from coordinator.wire.go_json import first_value
from coordinator.wire.v2 import BodyInvalid, decode_manifest_set

CANCELLED: Final = "The pending update is cancelled"
MOST_SIGNATURES: Final = 64


def message(missing: int, due: datetime | None) -> str:
    """How an update stands; clients read the first word."""
    if due is not None:
        return f"All needed users have acknowledged, the update is applied at {_moment(due)}"
    if missing == 0:
        return "All needed users have acknowledged, the update is applied"
    return f"{missing} more {'user has' if missing == 1 else 'users have'} to acknowledge"


def applied(
    missing: int, users: Sequence[str], due: datetime | None, recovery_secrets: Mapping[str, bytes]
) -> dict[str, Any]:
    """Answer to `POST /api/v2/update`.  users: who may give what is missing; recovery_secrets: by owner, if new.

    due: when it comes in force, if it only waits for that.
    """
    standing = {"missingAcknowledgments": missing, "missingUsers": list(users) or None}
    return standing | _applies(due) | _recovery(recovery_secrets)


def acknowledged(
    missing: int, users: Sequence[str], due: datetime | None, recovery_secrets: Mapping[str, bytes]
) -> dict[str, Any]:
    """Answer to `POST /api/v2/update-manifest`; see `applied`."""
    text = message(missing, due)
    standing = {"message": text, "missingUsers": list(users) or None, "missingAcknowledgments": missing}
    return standing | _applies(due) | _recovery(recovery_secrets)


def _applies(due: datetime | None) -> dict[str, Any]:
    return {} if due is None else {"appliesAt": _moment(due)}


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _recovery(secrets: Mapping[str, bytes]) -> dict[str, Any]:
    encoded = {name: base64.b64encode(secret).decode() for name, secret in sorted(secrets.items())}
    return {"recoverySecrets": encoded} if encoded else {}


def pending(
    raw: bytes,
    missing: int,
    users: Sequence[str],
    due: datetime | None,
    *,
    proposed_by: str,
    proposed: datetime,
    not_before: datetime,
    approved: Sequence[tuple[str, int, bool]],
    expires: datetime,
) -> dict[str, Any]:
    """`GET /update-manifest`, the same in v1 and v2; what follows missingUsers is ours.

    due: when it comes in force, if it only waits for that.  not_before: the earliest that it can be, whoever approves.
    approved: user, milliseconds since 1970, and whether it was by a detached signature.
    """
    return {
        "manifest": base64.b64encode(raw).decode(),
        "message": message(missing, due),
        "missingUsers": list(users) or None,
        "missingAcknowledgments": missing,
        "proposedBy": proposed_by,
        "proposedAt": _moment(proposed),
        "notBefore": _moment(not_before),
        "approvals": [{"user": user, "time": time, "signature": signed} for user, time, signed in approved],
        "expires": _moment(expires),
    } | _applies(due)


def decode(body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The manifest's exact bytes in `{"manifest": base64, "signatures": [...]}`, and each signature's document.

    Raises BodyInvalid.
    """
    raw = decode_manifest_set(body)
    document = first_value(body)
    signatures = document.get("signatures") if isinstance(document, dict) else None
    if signatures is None:
        return raw, ()
    if not isinstance(signatures, list) or len(signatures) > MOST_SIGNATURES:
        raise BodyInvalid(f"body: expected signatures as a list of at most {MOST_SIGNATURES}")
    return raw, tuple(json.dumps(signature).encode() for signature in signatures)
