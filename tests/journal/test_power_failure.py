"""Power fails between two syncs: of what was written since the last one, any sector may be there or not.

After every acknowledged append the files are looked at.  Between two looks the coordinator may have moved the log into
the database (written, then synced), begun the log anew (its header written, then synced) and written the next frames
(then synced, then acknowledged).  So a disk that loses power in between has a mix of old and new sectors of what was
not synced yet, and all of what was.  Source: SQLite, "Write-Ahead Logging" and wal.c (`syncHeader`).
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.sqlite import DATABASE_NAME, SqliteStorage

KEY = DataKey(b"k" * 32)
ID = JournalId(b"journal-of-tests")
SECTOR, HEADER = 512, 32
APPENDS, BODY = 80, 120_000


@dataclass(frozen=True)
class Look:
    """The files when an append had just been acknowledged.  bodies: how many records were appended then."""

    bodies: int
    database: bytes
    log: bytes


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> list[Look]:
    """Of a run that is long enough for the log to be moved into the database more than once."""
    folder = tmp_path_factory.mktemp("power") / "state"

    def look(bodies: int) -> Look:
        return Look(bodies, (folder / DATABASE_NAME).read_bytes(), (folder / f"{DATABASE_NAME}-wal").read_bytes())

    async def run() -> list[Look]:
        journal = Journal.create(SqliteStorage(folder), KEY, [body(0)], journal_id=ID, wrapped_keys={}, notes={})
        seen = [look(1)]
        for number in range(1, APPENDS):
            await journal.append([body(number)])
            seen.append(look(number + 1))
        await journal.close()
        return seen

    seen = asyncio.run(run())
    assert 2 <= sum(a.database != b.database for a, b in pairwise(seen)), "the log was moved"
    return seen


def body(number: int) -> bytes:
    return number.to_bytes(4, "big") * (BODY // 4)


def mixed(old: bytes, new: bytes, chance: random.Random, *, among: range) -> bytes:
    """Sectors of `new` or of `old`, by chance; where one is shorter, also zeros, or nothing from there on."""
    share = chance.choice([0.05, 0.5, 0.95])
    out = bytearray()
    end = max(len(old), len(new))
    for at in range(0, end, SECTOR):
        fresh, stale = new[at : at + SECTOR], old[at : at + SECTOR]
        if at in among and chance.random() < share:
            if not stale and chance.random() < 0.3:
                return bytes(out)
            fresh = stale or bytes(len(fresh))
        out += fresh or stale
    return bytes(out)


def disks(before: Look, after: Look, chance: random.Random) -> Iterator[tuple[bytes, bytes]]:
    """What a disk may hold that loses power on the way from one look to the next."""
    if before.database != after.database:  # the log is moved into the database, and not synced yet
        yield mixed(before.database, after.database, chance, among=range(len(after.database))), before.log
    if before.log[:HEADER] != after.log[:HEADER]:  # the log's new header is written, or synced, and nothing more
        yield after.database, before.log
        yield after.database, after.log[:HEADER] + before.log[HEADER:]
    log = mixed(before.log, after.log, chance, among=range(len(after.log)))
    yield after.database, after.log[:HEADER] + log[HEADER:]


def opened(database: bytes, log: bytes) -> list[bytes]:
    with TemporaryDirectory() as folder:
        (Path(folder) / DATABASE_NAME).write_bytes(database)
        (Path(folder) / f"{DATABASE_NAME}-wal").write_bytes(log)
        storage = SqliteStorage(Path(folder))
        try:
            return Journal.open(storage, KEY)[1]
        finally:
            storage.close()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_is_there_and_nothing_else_but_the_next_append(looks: list[Look], seed: int) -> None:
    chance = random.Random(seed)
    moved = [n for n in range(1, len(looks)) if looks[n - 1].database != looks[n].database]
    chosen = sorted({*moved, *(n + 1 for n in moved if n + 1 < len(looks)), *chance.sample(range(1, len(looks)), 4)})
    whole: Callable[[int], list[bytes]] = lambda count: [body(number) for number in range(count)]  # noqa: E731
    for number in chosen:
        before, after = looks[number - 1], looks[number]
        for database, log in disks(before, after, chance):
            found = opened(database, log)
            assert len(found) in (before.bodies, after.bodies), f"append {number}: {len(found)} records"
            assert whole(len(found)) == found
