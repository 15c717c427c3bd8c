"""Write `journal_v1.json` anew: `python tests/vectors/journal/build.py`.  Only for a new version of the format."""

import json
from pathlib import Path

from coordinator.journal.key import DataKey, JournalId, wrap
from coordinator.journal.record import Flags, genesis, seal_record

DATA_KEY = bytes(range(32))
SEALING_KEY = bytes(range(32, 64))
JOURNAL_ID = bytes(range(64, 80))
RECORDS = (
    (Flags.CONTINUES, b"the first of two that belong together", b"nonce-000000"),
    (Flags.NONE, b"", b"nonce-000001"),
    (Flags.NONE, b"the third", b"nonce-000002"),
)


def build() -> dict[str, object]:
    """The vector: everything in hex."""
    key, journal_id = DataKey(DATA_KEY), JournalId(JOURNAL_ID)
    position = genesis(journal_id)
    records = []
    for flags, body, nonce in RECORDS:
        sealed = seal_record(key, position, flags, body, nonce)
        records.append({"flags": int(flags), "body": body.hex(), "nonce": nonce.hex(), "record": sealed.hex()})
        position = position.after(sealed)
    return {
        "rule": "coordinator/journal/record.py and key.py, version 1",
        "data_key": DATA_KEY.hex(),
        "sealing_key": SEALING_KEY.hex(),
        "journal_id": JOURNAL_ID.hex(),
        "check_value": key.check_value(journal_id).hex(),
        "wrapped_key": wrap(key, SEALING_KEY, "ProductKey", journal_id, b"nonce-wrap-0").hex(),
        "wrapped_key_mode": "ProductKey",
        "records": records,
        "link_after_last_record": position.previous.hex(),
    }


if __name__ == "__main__":
    Path(__file__).with_name("journal_v1.json").write_text(json.dumps(build(), indent=2) + "\n")
