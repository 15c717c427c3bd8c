"""JSON shapes of REST v2's sign-quote and monotonic-counter (contract 1.13)."""

import base64
from typing import Any, Final

from coordinator.wire.go_json import bytes_field, fields_of, first_value, kind
from coordinator.wire.v2 import BodyInvalid

QUOTE_FIELD: Final = "sgxQuote"


def decode_sign_quote(body: bytes) -> bytes:
    """`{"sgxQuote": base64}`.  Raises BodyInvalid."""
    return bytes_field(QUOTE_FIELD, fields_of("body", first_value(body)).get(QUOTE_FIELD.casefold()))


def countersigned(tcb_status: str, signature: bytes) -> dict[str, Any]:
    """Answer to `POST /api/v2/sign-quote`."""
    return {"tcbStatus": tcb_status, "verificationSignature": base64.b64encode(signature).decode()}


def decode_counter(body: bytes) -> tuple[str, int]:
    """`{"name": text, "value": number}`; what is missing is "" and 0.  Raises BodyInvalid."""
    document = fields_of("body", first_value(body))
    name, value = document.get("name"), document.get("value")
    if not isinstance(name, str | None):
        raise BodyInvalid(f"name: expected text, got {kind(name)}")
    if value is not None and (type(value) is not int or not 0 <= value < 2**64):
        raise BodyInvalid("value: expected a whole number from 0 to 18446744073709551615")
    return name or "", value or 0


def counter(before: int) -> dict[str, Any]:
    """Answer to `POST /api/v2/monotonic-counter`."""
    return {"value": before}
