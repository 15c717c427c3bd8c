"""What a coordinator says of requests to read secrets, typed (`/api/v2/secrets/requests`)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.client.errors import AnswerInvalid
from coordinator.wire.read_requests import ReadRequestDocument, ReadRequestFormatError, parse_request


@dataclass(frozen=True, slots=True)
class ReadRequestAnswer:
    """raw: the exact bytes that approvers sign; document: what they say.  standing: the whole answer, as it came."""

    raw: bytes
    document: ReadRequestDocument
    standing: Mapping[str, Any]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the exact bytes: 32 bytes.  Computed here."""
        return hashlib.sha256(self.raw).digest()

    @property
    def granted(self) -> bool:
        """Whether the values are given now."""
        return self.standing.get("granted") is True

    @property
    def approved(self) -> tuple[str, ...]:
        """The users who have approved."""
        listed = self.standing.get("approvals")
        found = listed if isinstance(listed, list) else []
        return tuple(str(each.get("user")) for each in found if isinstance(each, dict))

    @property
    def wanted(self) -> str:
        """Which approvals are missing, in words; empty for none."""
        listed = self.standing.get("missing")
        each = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        words = [
            f"{one.get('approvals')} more of {', '.join(map(str, one.get('users') or [])) or 'nobody'}"
            + (f" for {one.get('secret')}" if len(self.document.secrets) > 1 else "")
            for one in each
        ]
        return "; ".join(words)


def read_answer(data: Any) -> ReadRequestAnswer:
    """One request.  Raises AnswerInvalid."""
    match data:
        case {"document": str(encoded), **rest}:
            try:
                raw = base64.b64decode(encoded, validate=True)
                document = parse_request(raw)
            except (ValueError, binascii.Error, ReadRequestFormatError) as cause:
                raise AnswerInvalid("N303", f"requests: {cause}") from cause
            return ReadRequestAnswer(raw, document, {str(key): value for key, value in rest.items()})
    raise AnswerInvalid("N303", "requests: expected the document of a request in the answer")


def read_answers(data: Any) -> tuple[ReadRequestAnswer, ...]:
    """All that are open.  Raises AnswerInvalid."""
    match data:
        case {"requests": list(requests)}:
            return tuple(read_answer(request) for request in requests)
    raise AnswerInvalid("N303", "requests: expected requests in the answer")
