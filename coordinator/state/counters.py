"""A marble's monotonic counters (contract 1.13): each is one of a marble type, a UUID and a name."""

import json
from typing import Final

MOST: Final = 65_536
"""Counters of a deployment in all; they stay in memory and in every snapshot."""
LONGEST_NAME: Final = 1_024
"""Bytes of a counter's name in UTF-8."""


def vendor_key(vendor: str, marble: str) -> str:
    """One text for both: a vendor's name has no colon."""
    return f"{vendor}:{marble}"


def counter_key(marble: str, uuid: str, name: str) -> str:
    """One text for the three, from which no two different ones make the same."""
    return json.dumps([marble, uuid, name], ensure_ascii=False, separators=(",", ":"))
