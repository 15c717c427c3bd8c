"""The body of an approval: what is approved, and detached signatures, which may speak instead of the connection."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from coordinator.decisions.errors import UnknownUser
from coordinator.manifest.signature import DetachedSignature, SignatureFormatError, Subject, parse_signature
from coordinator.rest.call import Call
from coordinator.wire.v2 import BodyInvalid

T = TypeVar("T")


def read_approval(
    call: Call, decode: Callable[[bytes], tuple[T, Sequence[bytes]]], subject: Subject
) -> tuple[T, tuple[DetachedSignature, ...]]:
    """What is approved, and the signatures with it.  decode: of the body; the second is the text of each signature.

    Raises UnknownUser for who is nobody, before anything that is wrong with the body; then BodyInvalid.
    """
    nobody = UnknownUser("no certificate of a user of the manifest was shown, and the body has no signature")
    try:
        approved, documents = decode(call.body)
        signatures = tuple(parse_signature(document, subject) for document in documents)
    except (BodyInvalid, SignatureFormatError) as cause:
        if not call.user:
            raise nobody from cause
        raise BodyInvalid(str(cause)) from cause
    if not call.user and not signatures:
        raise nobody
    return approved, signatures
