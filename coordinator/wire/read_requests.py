"""Requests to read secrets that need the approval of others: the document that people sign, and JSON shapes of REST v2.

The document is JSON in ASCII with sorted keys and line ends, so that who signs sees every character of it.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coordinator.wire.go_json import fields_of, first_value
from coordinator.wire.updates import MOST_SIGNATURES
from coordinator.wire.v2 import BodyInvalid

MOST_BYTES: Final = 16 * 1024
"""Of one document."""


class ReadRequestFormatError(ValueError):
    """These bytes are no request to read secrets."""


@dataclass(frozen=True, slots=True)
class ReadRequestDocument:
    """What people approve, once: that one user reads the values that these secrets have now.

    id: 16 hex digits.  coordinator, key: SHA-256 of the SubjectPublicKeyInfo of its root key, and of the user's key.
    manifest: SHA-256 of the manifest in force.  not_before, expires: in whole milliseconds.
    """

    id: str
    coordinator: bytes
    manifest: bytes
    user: str
    key: bytes
    secrets: tuple[str, ...]
    reason: str
    not_before: datetime
    expires: datetime

    def text(self) -> bytes:
        """The exact bytes."""
        document = {
            "coordinator": self.coordinator.hex(),
            "expires": _moment(self.expires),
            "format": _FORMAT,
            "id": self.id,
            "key": self.key.hex(),
            "manifest": self.manifest.hex(),
            "notBefore": _moment(self.not_before),
            "reason": self.reason,
            "secrets": list(self.secrets),
            "user": self.user,
        }
        return json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"


def parse_request(raw: bytes) -> ReadRequestDocument:
    """Read what `text` made, and nothing else: what is not shown cannot stand in it.  Raises ReadRequestFormatError."""
    if len(raw) > MOST_BYTES:
        raise ReadRequestFormatError(f"read request: expected at most {MOST_BYTES} bytes, got {len(raw)}")
    try:
        match json.loads(raw.decode("ascii")):
            case {
                "coordinator": str(coordinator),
                "expires": str(expires),
                "id": str(name),
                "key": str(key),
                "manifest": str(manifest),
                "notBefore": str(not_before),
                "reason": str(reason),
                "secrets": list(secrets),
                "user": str(user),
            } if all(isinstance(secret, str) for secret in secrets):
                document = ReadRequestDocument(
                    id=name,
                    coordinator=bytes.fromhex(coordinator),
                    manifest=bytes.fromhex(manifest),
                    user=user,
                    key=bytes.fromhex(key),
                    secrets=tuple(secrets),
                    reason=reason,
                    not_before=datetime.fromisoformat(not_before),
                    expires=datetime.fromisoformat(expires),
                )
                if document.text() == raw:
                    return document
    except (ValueError, RecursionError, OverflowError) as cause:
        raise ReadRequestFormatError("read request: expected a document that a coordinator made") from cause
    raise ReadRequestFormatError(f"read request: expected a document of format {_FORMAT}, in its exact form")


@dataclass(frozen=True, slots=True)
class ReadAsk:
    """What a user asks for.  lasts: how long the request shall last after its delay; None: as long as it may."""

    secrets: tuple[str, ...]
    reason: str
    lasts: timedelta | None


def decode_ask(body: bytes) -> ReadAsk:
    """`{"secrets": [NAME...], "reason": text, "expiresIn": seconds}`, the last one if wanted.  Raises BodyInvalid."""
    fields = fields_of("body", first_value(body))
    reason, seconds = fields.get("reason"), fields.get("expiresin")
    if not isinstance(reason, str):
        raise BodyInvalid("body: expected a reason as text")
    if seconds is not None and (type(seconds) is not int or not 0 < seconds <= _MOST_SECONDS):
        raise BodyInvalid("body: expected expiresIn in whole seconds, from 1")
    return ReadAsk(_names(fields.get("secrets")), reason, None if seconds is None else timedelta(seconds=seconds))


def decode_names(body: bytes) -> tuple[str, ...]:
    """`{"secrets": [NAME...]}`.  Raises BodyInvalid."""
    return _names(fields_of("body", first_value(body)).get("secrets"))


def decode_approval(body: bytes) -> tuple[str, tuple[bytes, ...]]:
    """`{"request": ID, "signatures": [...]}`: the id, and each signature's document.  Raises BodyInvalid."""
    fields = fields_of("body", first_value(body))
    signatures = fields.get("signatures")
    signatures = [] if signatures is None else signatures
    if not isinstance(signatures, list) or len(signatures) > MOST_SIGNATURES:
        raise BodyInvalid(f"body: expected signatures as a list of at most {MOST_SIGNATURES}")
    return _id(fields.get("request")), tuple(json.dumps(signature).encode() for signature in signatures)


def decode_id(body: bytes) -> str:
    """`{"request": ID}`.  Raises BodyInvalid."""
    return _id(fields_of("body", first_value(body)).get("request"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Approvals that one secret wants still: how many, and who may give them."""

    secret: str
    approvals: int
    users: tuple[str, ...]


def standing(
    raw: bytes,
    document: ReadRequestDocument,
    *,
    requested_ms: int,
    approved: Sequence[tuple[str, int, bool]],
    wanted: Sequence[Wanted],
    granted: bool,
    times_read: int,
) -> dict[str, Any]:
    """One request for those who ask.

    raw: the exact bytes to sign.  approved: user, milliseconds since 1970, and whether it was by a detached signature.
    """
    return {
        "id": document.id,
        "user": document.user,
        "secrets": list(document.secrets),
        "reason": document.reason,
        "requested": requested_ms,
        "notBefore": _moment(document.not_before),
        "expires": _moment(document.expires),
        "approvals": [{"user": user, "time": time, "signature": signed} for user, time, signed in approved],
        "missing": [{"secret": one.secret, "approvals": one.approvals, "users": list(one.users)} for one in wanted],
        "granted": granted,
        "timesRead": times_read,
        "fingerprint": hashlib.sha256(raw).hexdigest(),
        "document": base64.b64encode(raw).decode(),
    }


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise BodyInvalid("body: expected secrets as a list of names")
    return tuple(dict.fromkeys(value))


def _id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BodyInvalid("body: expected request as the id of one")
    return value


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FORMAT: Final = "enclasp-read-request/1"
_MOST_SECONDS: Final = 400 * 24 * 3600
