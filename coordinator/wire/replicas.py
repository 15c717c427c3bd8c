"""JSON shapes between replicas: who asks for the state's key, and who leaves a copy of it."""

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

from coordinator.wire.go_json import bytes_field, fields_of, first_value
from coordinator.wire.v2 import BodyInvalid


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """challenge: as it was given.  recipient: raw X25519 key.  evidence: over both, and the leader's root key."""

    challenge: bytes
    recipient: bytes
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Handover:
    """sealed: the data key, encrypted for who asked.  mode, sources: how the manifest wants it kept (Config)."""

    sealed: bytes
    mode: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrappedCopy:
    """name: slot of the machine's key source.  wrapped: the data key as it wrapped it.  proof: of a holder."""

    name: str
    wrapped: bytes
    proof: bytes


def challenge(given: bytes) -> dict[str, Any]:
    """Answer to `GET /api/v2/replica/challenge`."""
    return {"challenge": base64.b64encode(given).decode()}


def decode_key_request(body: bytes) -> KeyRequest:
    """`{"challenge", "recipient", "evidence"}`, each in base64.  Raises BodyInvalid."""
    document = fields_of("body", first_value(body))
    challenge, recipient = (_exactly(_KEY_BYTES, name, document.get(name)) for name in ("challenge", "recipient"))
    return KeyRequest(challenge, recipient, bytes_field("evidence", document.get("evidence")))


def encode_key_request(asked: KeyRequest) -> dict[str, Any]:
    """What `decode_key_request` reads."""
    values = {"challenge": asked.challenge, "recipient": asked.recipient, "evidence": asked.evidence}
    return {name: base64.b64encode(value).decode() for name, value in values.items()}


def handed_over(answer: Handover) -> dict[str, Any]:
    """Answer to `POST /api/v2/replica/key`."""
    sealed = base64.b64encode(answer.sealed).decode()
    return {"sealedKey": sealed, "sealMode": answer.mode, "keySources": list(answer.sources)}


def decode_copy(body: bytes) -> WrappedCopy:
    """`{"name": text, "wrapped", "proof"}`, the last two in base64.  Raises BodyInvalid."""
    document = fields_of("body", first_value(body))
    name = document.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BodyInvalid("name: expected at most 64 characters a-z, 0-9 and -")
    wrapped = bytes_field("wrapped", document.get("wrapped"))
    if not 0 < len(wrapped) <= _MOST_WRAPPED:
        raise BodyInvalid(f"wrapped: expected 1 to {_MOST_WRAPPED} bytes, got {len(wrapped)}")
    return WrappedCopy(name, wrapped, _exactly(_PROOF_BYTES, "proof", document.get("proof")))


def encode_copy(copy: WrappedCopy) -> dict[str, Any]:
    """What `decode_copy` reads."""
    texts = {"wrapped": copy.wrapped, "proof": copy.proof}
    return {"name": copy.name} | {name: base64.b64encode(value).decode() for name, value in texts.items()}


def _exactly(length: int, name: str, value: object) -> bytes:
    raw = bytes_field(name, value)
    if len(raw) != length:
        raise BodyInvalid(f"{name}: expected {length} bytes, got {len(raw)}")
    return raw


_KEY_BYTES: Final = 32
_PROOF_BYTES: Final = 32
_MOST_WRAPPED: Final = 512
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
