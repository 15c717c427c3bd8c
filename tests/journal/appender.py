"""A coordinator's write path as a program of its own, to be killed: `appender.py FOLDER SNAPSHOT_EVERY`.

Founds the journal in FOLDER, or opens it; then 8 writers append numbers and print each one once it is
acknowledged.  Every SNAPSHOT_EVERY-th number is followed by a snapshot of all numbers so far (0: never).
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from coordinator.journal.errors import JournalError
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.sqlite import SqliteStorage

KEY = DataKey(b"k" * 32)
FILLER = 200


def number_in(body: bytes) -> int:
    return int.from_bytes(body[:4], "big")


def body_of(number: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(FILLER)


def snapshot_of(numbers: list[int]) -> list[bytes]:
    return [body_of(number) for number in numbers]


async def append_for_ever(journal: Journal, numbers: list[int], snapshot_every: int) -> None:
    counter = itertools.count(max(numbers) + 1)

    async def writer() -> None:
        for number in counter:
            durable = journal.append([body_of(number)])
            numbers.append(number)
            if snapshot_every and number % snapshot_every == 0:
                durable = journal.replace(snapshot_of(numbers))
            await durable
            os.write(1, b"%d\n" % number)

    try:
        await asyncio.gather(*(writer() for _ in range(8)))
    except JournalError as failure:
        print(f"refused: {failure}", file=sys.stderr)
        sys.exit(3)


def main(folder: Path, snapshot_every: int) -> None:
    try:
        storage = SqliteStorage(folder)
        if isinstance(read_keyring(storage), NoJournal):
            bodies = [body_of(0)]
            journal_id = JournalId(b"journal-of-tests")
            journal = Journal.create(storage, KEY, bodies, journal_id=journal_id, wrapped_keys={}, notes={})
        else:
            journal, bodies = Journal.open(storage, KEY)
    except JournalError as failure:
        print(f"refused: {failure}", file=sys.stderr)
        sys.exit(3)
    os.write(1, b"open\n")
    asyncio.run(append_for_ever(journal, [number_in(body) for body in bodies], snapshot_every))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
