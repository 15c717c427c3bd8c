"""The note that a restored state bears until a coordinator has opened it and written it into the journal."""

import json
from dataclasses import dataclass
from typing import Final

from coordinator.journal.keyring import note_name

RESTORED: Final = note_name("restored")
"""Name in the storage.  It stands in clear, so it proves nothing: it makes an honest operator's act visible."""
LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Restoration:
    """reason: why, in the operator's words.  time_ms: since 1970, UTC.  sequence: the last record of the backup."""

    reason: str
    time_ms: int
    sequence: int


def encode_restoration(restoration: Restoration) -> bytes:
    """The note's bytes."""
    document = {"reason": restoration.reason, "time": restoration.time_ms, "sequence": restoration.sequence}
    return json.dumps(document).encode()


def decode_restoration(raw: bytes) -> Restoration:
    """The note as far as it can be read: it comes from the host, and a damaged one must not hide that there is one.

    It becomes part of the sentence that owners sign, so nothing in it moves the cursor of who reads that.
    """
    try:
        document = json.loads(raw[: 8 * LONGEST_REASON])
        reason, time_ms, sequence = (document[name] for name in ("reason", "time", "sequence"))
        if isinstance(reason, str) and type(time_ms) is int and type(sequence) is int:
            shown = "".join(character if character.isprintable() else "\ufffd" for character in reason[:LONGEST_REASON])
            return Restoration(shown, abs(time_ms) % 2**50, sequence % 2**63)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return Restoration("a note that cannot be read", 0, 0)
