"""`GET /api/v2/configuration`: the init-data by which a Coordinator's machine was started, as it stands.

Nothing of the answer is proven before its digest has been compared with the Coordinator's Evidence.
"""

import base64
import binascii
from typing import Any


class ConfigurationFormatError(ValueError):
    """An answer is no configuration."""


def document(told: bytes | None) -> dict[str, Any]:
    """The data of the answer.  told: None where the machine was told nothing."""
    return {"initData": None if told is None else base64.b64encode(told).decode()}


def parse(data: Any) -> bytes | None:
    """The document's bytes, or None.  Raises ConfigurationFormatError."""
    match data:
        case {"initData": None}:
            return None
        case {"initData": str(encoded)}:
            try:
                return base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as cause:
                raise ConfigurationFormatError("configuration: expected base64 in initData") from cause
    raise ConfigurationFormatError("configuration: expected initData in the answer")
