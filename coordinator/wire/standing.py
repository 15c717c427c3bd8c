"""Where a Coordinator's journal stands, signed, so that a client that was there before can tell a rollback.

`GET /api/v2/journal?nonce=BASE64URL&sequence=N`: which journal, its last durable record and that record's link, which
stands for the whole history; and the link of record N, if it is known still.  The root key signs it together with the
nonce; the root key itself is proven by the Coordinator's evidence.

Replicas ask `GET /api/v2/replica/journal?sequence=N`: the same, and the number of the last acceptance of an
older state.  Nothing signs it: they ask over a connection that is pinned to the root key.
"""

import base64
from dataclasses import dataclass
from typing import Any, Final

from coordinator.wire.v2 import BodyInvalid

NONCE_LONGEST: Final = 64
_LABEL: Final = b"enclasp journal standing v1\0"


class StandingFormatError(Exception):
    """An answer is no standing of a journal."""


@dataclass(frozen=True, slots=True)
class Standing:
    """journal: 16 bytes.  sequence, link: of the last durable record.  asked: a record's number, None if none was asked
    for; link_asked: its link, empty where it is not known."""

    journal: bytes
    sequence: int
    link: bytes
    asked: int | None
    link_asked: bytes


def signed_bytes(standing: Standing, nonce: bytes) -> bytes:
    """What the root key signs (ECDSA, SHA-256): label, then every part with its length before it."""
    asked = b"" if standing.asked is None else standing.asked.to_bytes(8, "big")
    parts = (nonce, standing.journal, standing.sequence.to_bytes(8, "big"), standing.link, asked, standing.link_asked)
    return _LABEL + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def document(standing: Standing, signature: bytes) -> dict[str, Any]:
    """The data of the answer."""
    return _fields(standing) | {"signature": base64.b64encode(signature).decode()}


def replica_document(standing: Standing, accepted: int) -> dict[str, Any]:
    """The data of the answer to a replica."""
    return _fields(standing) | {"accepted": accepted}


def parse(data: Any) -> tuple[Standing, bytes]:
    """A standing and its signature, neither verified.  Raises StandingFormatError."""
    standing = _parse(data)
    try:
        return standing, base64.b64decode(data["signature"], validate=True)
    except (TypeError, KeyError, ValueError) as cause:
        raise StandingFormatError(f"standing of the journal: {cause}") from cause


def parse_for_replica(data: Any) -> tuple[Standing, int]:
    """A standing, and the number of the last acceptance of an older state.  Raises StandingFormatError."""
    standing, accepted = _parse(data), data.get("accepted")
    if not _is_number(accepted):
        raise StandingFormatError("standing of the journal: accepted: expected a whole number")
    return standing, accepted


def _fields(standing: Standing) -> dict[str, Any]:
    return {
        "journal": standing.journal.hex(),
        "sequence": standing.sequence,
        "link": standing.link.hex(),
        "asked": standing.asked,
        "linkAsked": standing.link_asked.hex() or None,
    }


def _parse(data: Any) -> Standing:
    if not isinstance(data, dict):
        raise StandingFormatError("standing of the journal: expected an object")
    try:
        asked, link_asked = data["asked"], data["linkAsked"]
        standing = Standing(
            bytes.fromhex(data["journal"]),
            data["sequence"],
            bytes.fromhex(data["link"]),
            asked,
            bytes.fromhex(link_asked) if link_asked is not None else b"",
        )
    except (TypeError, KeyError, ValueError) as cause:
        raise StandingFormatError(f"standing of the journal: {cause}") from cause
    fits = len(standing.journal) == 16 and len(standing.link) == 32 and len(standing.link_asked) in (0, 32)
    if not fits or not _is_number(standing.sequence) or not _is_number(0 if asked is None else asked):
        raise StandingFormatError("standing of the journal: expected an id of 16 bytes, links of 32, whole numbers")
    return standing


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def decode_sequence(text: str) -> int | None:
    """The `sequence` query parameter; None where it is empty.  Raises BodyInvalid."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BodyInvalid("sequence: expected a whole number")
    return int(text)


def decode_short_nonce(nonce: bytes) -> bytes:
    """Raises BodyInvalid if it is longer than a nonce needs to be."""
    if len(nonce) > NONCE_LONGEST:
        raise BodyInvalid(f"nonce: expected at most {NONCE_LONGEST} bytes, got {len(nonce)}")
    return nonce
