"""Message codes of Nitro evidence: code -> (title, hint)."""

from collections.abc import Mapping
from typing import Final

SIGNATURE: Final = "V231"
CHAIN: Final = "V232"
AGE: Final = "V233"
USER_DATA: Final = "V234"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    SIGNATURE: ("the Nitro document's signature does not hold", "the document was altered after it was signed"),
    CHAIN: (
        "the certificates of the Nitro document do not lead to AWS's root",
        "the document was altered or put together wrongly, or is not AWS's",
    ),
    AGE: (
        "the Nitro document is not fresh",
        "collect a fresh document, name what it must be bound to, or give the time of the verification with --at",
    ),
    USER_DATA: (
        "what the enclave put into the Nitro document differs from what is wanted",
        "it may be another enclave's document, or a replayed one",
    ),
}
