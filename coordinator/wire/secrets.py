"""JSON shapes of secrets in REST v1 and v2 (contract 1.11): what users send, and what they read.

Read as Go's decoder does (`go_json`).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coordinator.wire.go_json import bytes_field, fields_of, first_value, kind
from coordinator.wire.v2 import BodyInvalid


@dataclass(frozen=True, slots=True)
class UserSecret:
    """What a user sends for one secret.  certificate: DER; private: as sent.  What is absent is empty."""

    key: bytes = field(default=b"", repr=False)
    certificate: bytes = b""
    private: bytes = field(default=b"", repr=False)


def decode_v1(body: bytes) -> Mapping[str, UserSecret]:
    """`{name: UserSecret}`.  Raises BodyInvalid; its text holds nothing of the body's values."""
    return _secrets(first_value(body))


def decode_v2(body: bytes) -> Mapping[str, UserSecret]:
    """`{"secrets": {name: UserSecret}}`.  Raises BodyInvalid; its text holds nothing of the body's values."""
    return _secrets(fields_of("body", first_value(body)).get("secrets"))


def secret_document(
    *,
    kind: str,
    size: int,
    shared: bool,
    user_defined: bool,
    certificate: bytes,
    valid_days: int,
    private: bytes,
    public: bytes,
) -> dict[str, Any]:
    """One secret as users read it, the same in v1 and v2; null is what has no value."""
    return {
        "Type": kind,
        "Size": size,
        "Shared": shared,
        "UserDefined": user_defined,
        "Cert": _base64(certificate),
        "ValidFor": valid_days,
        "Private": _base64(private),
        "Public": _base64(public),
    }


def _secrets(document: object) -> Mapping[str, UserSecret]:
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise BodyInvalid(f"body: expected an object of secrets by name, got {kind(document)}")
    return {name: _secret(name, entry) for name, entry in document.items()}


def _secret(name: str, document: object) -> UserSecret:
    if document is None:
        return UserSecret()
    place = f"secret '{name[:100]}'"
    present = fields_of(place, document)
    key, certificate, private = (
        bytes_field(f"{place}: {key}", present.get(key.lower())) for key in ("Key", "Cert", "Private")
    )
    return UserSecret(key, certificate, private)


def _base64(value: bytes) -> str | None:
    return base64.b64encode(value).decode() if value else None
