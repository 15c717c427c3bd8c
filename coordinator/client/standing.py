"""Is this the state that I saw last, or one that follows it?  What a client can tell of a rollback or a fork.

The signed standing comes from `GET /api/v2/journal`; what was seen last is the client's own memory, in a file.
"""

import base64
import json
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.client.client import CoordinatorClient
from coordinator.client.errors import AnswerInvalid, Distrusted
from coordinator.wire.standing import Standing, StandingFormatError, parse, signed_bytes

UNUSABLE: Final = "U570"
ROLLED_BACK: Final = "U571"


@dataclass(frozen=True, slots=True)
class Seen:
    """A moment of a journal, as a client remembers it.  journal: 16 bytes.  link: 32 bytes."""

    journal: bytes
    sequence: int
    link: bytes


class SeenFormatError(ValueError):
    """A file is no memory of a journal."""


def encode_seen(seen: Seen) -> bytes:
    """The content of the client's file."""
    document = {"journal": seen.journal.hex(), "sequence": seen.sequence, "link": seen.link.hex()}
    return json.dumps(document, indent=1).encode() + b"\n"


def decode_seen(raw: bytes) -> Seen:
    """What the client's file says.  Raises SeenFormatError."""
    try:
        document = json.loads(raw)
        seen = Seen(bytes.fromhex(document["journal"]), document["sequence"], bytes.fromhex(document["link"]))
    except KeyError as cause:
        raise SeenFormatError(f"expected what `status --seen` wrote, got a document without {cause}") from cause
    except (ValueError, TypeError, RecursionError) as cause:
        raise SeenFormatError(f"expected what `status --seen` wrote, got another file: {cause}") from cause
    if (len(seen.journal), len(seen.link)) != (16, 32) or type(seen.sequence) is not int or seen.sequence < 0:
        raise SeenFormatError("expected what `status --seen` wrote, got values of other lengths")
    return seen


def ask_standing(client: CoordinatorClient, root: x509.Certificate, nonce: bytes, seen: Seen | None) -> Standing:
    """Where the journal of a verified coordinator stands, and its link at the record that was seen last.

    root: of the verified coordinator.  Raises AnswerInvalid, and what the client raises.
    """
    query = "nonce=" + base64.urlsafe_b64encode(nonce).decode()
    asked = None if seen is None else seen.sequence
    try:
        standing, signature = parse(client.journal(query if asked is None else f"{query}&sequence={asked}"))
    except StandingFormatError as cause:
        raise AnswerInvalid(UNUSABLE, str(cause)) from cause
    key = root.public_key()
    if standing.asked != asked or not isinstance(key, ec.EllipticCurvePublicKey):
        raise AnswerInvalid(UNUSABLE, "standing of the journal: the answer is to another question")
    try:
        key.verify(signature, signed_bytes(standing, nonce), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as cause:
        raise AnswerInvalid(UNUSABLE, "standing of the journal: the root key has not signed this answer") from cause
    return standing


def follows(standing: Standing, seen: Seen) -> bool:
    """True if the journal surely goes on from what was seen; False if it is so far back that nobody can tell any more.

    Raises Distrusted if it does not go on from it.
    """
    if standing.journal != seen.journal:
        raise _other(f"journal {seen.journal.hex()}", f"journal {standing.journal.hex()}: the state was founded anew")
    if standing.sequence < seen.sequence:
        raise _other(f"record {seen.sequence} or a later one to be the last", f"record {standing.sequence}: older")
    if not standing.link_asked:
        return False
    if standing.link_asked != seen.link:
        expected = f"record {seen.sequence} with link {seen.link.hex()}"
        raise _other(expected, f"link {standing.link_asked.hex()}: the history is another one")
    return True


def _other(expected: str, got: str) -> Distrusted:
    return Distrusted(
        ROLLED_BACK,
        f"the coordinator's state does not go on from the one that was seen last: expected {expected}, got {got}",
    )
