"""The journal on a real disk: killed, full, unwritable, shared, foreign."""

import asyncio
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.journal.errors import StorageFailed, StorageInUse
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.sqlite import SqliteStorage

KEY = DataKey(b"k" * 32)
APPENDER = [sys.executable, str(Path(__file__).with_name("appender.py"))]


def founded(storage: SqliteStorage, *bodies: bytes) -> Journal:
    return Journal.create(storage, KEY, bodies, journal_id=JournalId(b"journal-of-tests"), wrapped_keys={}, notes={})


def numbers_in(folder: Path) -> list[int]:
    storage = SqliteStorage(folder)
    try:
        return [int.from_bytes(body[:4], "big") for body in Journal.open(storage, KEY)[1]]
    finally:
        storage.close()


def run_appender(folder: Path, *, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it until it gives up by itself."""
    return subprocess.run([*APPENDER, str(folder), "0"], capture_output=True, text=True, preexec_fn=limit, timeout=60)


def acknowledged(printed: str) -> set[int]:
    """The whole lines; the last one may be cut by the kill."""
    return {int(line) for line in printed.split("\n")[:-1] if line != "open"}


@pytest.mark.parametrize("snapshot_every", [0, 50], ids=["appends only", "with snapshots"])
def test_nothing_acknowledged_is_lost_by_kill_9_at_any_moment(tmp_path: Path, snapshot_every: int) -> None:
    moments, seen = random.Random(snapshot_every), set[int]()
    for _ in range(4):
        with subprocess.Popen(
            [*APPENDER, str(tmp_path / "state"), str(snapshot_every)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            for _ in range(moments.randrange(300)):
                first += process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            seen |= acknowledged(first + process.stdout.read())
        stored = numbers_in(tmp_path / "state")
        assert list(range(len(stored))) == stored
        assert seen <= set(stored)
    assert seen


def test_a_file_size_limit_refuses_and_keeps_all_that_was_acknowledged(tmp_path: Path) -> None:
    refused = run_appender(
        tmp_path / "state", limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    )
    assert refused.returncode == 3
    assert "cannot write" in refused.stderr
    assert "free space" in refused.stderr
    stored = numbers_in(tmp_path / "state")
    assert acknowledged(refused.stdout)
    assert acknowledged(refused.stdout) <= set(stored)
    assert list(range(len(stored))) == stored


def test_a_full_disk_refuses_and_the_journal_goes_on_when_there_is_space(tmp_path: Path) -> None:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    script = """
        mount -t tmpfs -o size=400k enclasp "$DISK" || exit 77
        "$@"; code=$?
        cp -r "$DISK/state" "$COPY"; exit $code
    """
    in_namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    refused = subprocess.run(
        [*in_namespace, *APPENDER, str(mounted / "state"), "0"],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"DISK": str(mounted), "COPY": str(tmp_path / "copy")},
    )
    if refused.returncode == 77 or "unshare:" in refused.stderr:
        pytest.skip("this machine lets nobody mount a small disk in a namespace")
    assert refused.returncode == 3, refused.stderr
    assert "cannot write: database or disk is full (SQLITE_FULL)" in refused.stderr
    stored = numbers_in(tmp_path / "copy")
    assert acknowledged(refused.stdout) <= set(stored)
    assert list(range(len(stored))) == stored

    async def go_on() -> None:
        journal, _ = Journal.open(SqliteStorage(tmp_path / "copy"), KEY)
        await journal.append([len(stored).to_bytes(4, "big")])
        await journal.close()

    asyncio.run(go_on())
    assert [*stored, len(stored)] == numbers_in(tmp_path / "copy")


def test_two_processes_never_share_a_state(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "state")
    founded(storage, bytes(4))
    refused = run_appender(tmp_path / "state")
    assert refused.returncode == 3
    assert "journal.lock is held by another coordinator" in refused.stderr
    assert "hint: stop the other coordinator" in refused.stderr
    with pytest.raises(StorageInUse):
        SqliteStorage(tmp_path / "state")
    storage.close()
    assert numbers_in(tmp_path / "state") == [0]


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(StorageFailed, match=r"cannot open: .*state: File exists"):
        SqliteStorage(tmp_path / "state")
    assert (tmp_path / "state").read_text() == "not a folder"


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(StorageFailed, match=r"journal\.db: Is a directory"):
        SqliteStorage(tmp_path)


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"somebody's diary" * 100)
    with pytest.raises(StorageFailed, match="file is not a database"):
        SqliteStorage(tmp_path)
    assert (tmp_path / "journal.db").read_bytes() == b"somebody's diary" * 100


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA user_version = 2", "expected a journal of format 1, got format 2"),
        ("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END", "expected the tables meta and"),
        ("CREATE VIEW v AS SELECT 1", "expected the tables meta and records"),
    ],
)
def test_a_database_that_is_not_ours_is_refused(tmp_path: Path, statement: str, reason: str) -> None:
    storage = SqliteStorage(tmp_path)
    founded(storage, bytes(4))
    storage.close()
    assert numbers_in(tmp_path) == [0]
    database = sqlite3.connect(tmp_path / "journal.db")
    database.execute(statement)
    database.commit()
    database.close()
    with pytest.raises(StorageFailed, match=reason):
        SqliteStorage(tmp_path)


def test_a_damaged_page_is_never_read_as_a_journal(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    founded(storage, *(bytes(3000) for _ in range(20)))
    storage.close()
    raw = bytearray((tmp_path / "journal.db").read_bytes())
    raw[3 * 4096 : 3 * 4096 + 64] = b"\xff" * 64
    (tmp_path / "journal.db").write_bytes(raw)
    with pytest.raises(StorageFailed, match="expected an undamaged file"):
        SqliteStorage(tmp_path)


def test_only_the_owner_may_read_what_we_write(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "deep" / "state")
    founded(storage, b"body")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "deep/state").iterdir()}
    assert modes == {"journal.db": 0o600, "journal.lock": 0o600, "journal.db-wal": 0o600}
    assert (tmp_path / "deep/state").stat().st_mode & 0o777 == 0o700
    storage.close()


def test_old_journals_are_kept_aside_and_never_overwritten(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "state")
    for number in range(3):
        founded(storage, number.to_bytes(4, "big"))
        storage.move_aside()
    storage.close()
    names = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert names == ["journal.db", "journal.db.old", "journal.db.old.2", "journal.db.old.3", "journal.lock"]
    rescued = tmp_path / "rescued"
    rescued.mkdir()
    (tmp_path / "state/journal.db.old.2").rename(rescued / "journal.db")
    assert numbers_in(rescued) == [1]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    storage.create({"name": b"value"}, [b"kept"])
    with pytest.raises(StorageFailed, match="NOT NULL constraint failed"):
        storage.replace([b"new", None], expected_head=0)  # type: ignore[list-item]
    assert storage.read().records == [b"kept"]
    storage.append([b"goes on"], expected_head=0)
    assert storage.read().records == [b"kept", b"goes on"]
    storage.close()
