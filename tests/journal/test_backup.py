"""A backup without a key, also of a live journal; what cannot be one is refused; a chain is followed without a key."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.journal.archive import Kept
from coordinator.journal.backup import back_up, opened, restore
from coordinator.journal.chain import check_chain
from coordinator.journal.copy import copy_state, read_chain
from coordinator.journal.errors import BackupRefused, BrokenLink, StorageFailed, StorageInUse
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.keyring import NoJournal, read_keyring
from coordinator.journal.restoration import RESTORED, Restoration, decode_restoration
from coordinator.journal.segments import EvidenceFolder, Retention, read_archive
from coordinator.journal.sqlite import SqliteStorage

KEY = DataKey(b"k" * 32)
ID = JournalId(b"journal-of-tests")
WHY = Restoration("the disk broke", 7, 1)


def founded(folder: Path) -> Journal:
    archives = EvidenceFolder(folder / "evidence", Retention(30, 10_000_000), os.urandom)  # noqa: TID251 - a test's entropy
    return Journal.create(
        SqliteStorage(folder), KEY, [b"one"], journal_id=ID, wrapped_keys={"cce": b"w"}, notes={}, archives=archives
    )


def bodies_in(folder: Path) -> list[bytes]:
    storage = SqliteStorage(folder)
    try:
        return Journal.open(storage, KEY)[1]
    finally:
        storage.close()


async def saved(folder: Path, backup: Path, *bodies: bytes) -> None:
    """A journal with these bodies and an entry of evidence, closed, and a backup of it."""
    journal = founded(folder)
    for body in bodies:
        await journal.append([body], [Kept(5, b"evidence of " + body)])
    await journal.close()
    back_up(folder, backup)


async def test_a_live_journal_is_copied_as_it_was_at_one_moment(tmp_path: Path) -> None:
    journal = founded(tmp_path / "state")
    written = [b"one"]
    for number in range(30):
        body = bytes([number]) * 20_000
        await journal.append([body], [Kept(number, body)])
        written.append(body)
        if number % 10 == 0:
            await journal.replace([b"snapshot"])
            written = [b"snapshot"]
        if number % 7 == 0:
            (tmp_path / "copy").mkdir()
            copied = copy_state(tmp_path / "state", tmp_path / "copy")
            assert journal.head == copied.chain.head
            assert written == bodies_in(tmp_path / "copy")
            entries = read_archive(tmp_path / "copy" / "evidence" / ID.hex(), ID, KEY)
            assert number + 1 == len(list(entries))
            for path in sorted((tmp_path / "copy").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            (tmp_path / "copy").rmdir()
    await journal.close()


async def test_a_backup_brings_journal_and_evidence_to_another_place_with_a_note(tmp_path: Path) -> None:
    await saved(tmp_path / "state", tmp_path / "backup.tar", b"two", b"three")
    assert 0o600 == (tmp_path / "backup.tar").stat().st_mode & 0o777
    assert b"two" not in (tmp_path / "backup.tar").read_bytes(), "it stays sealed"
    chain = restore(tmp_path / "backup.tar", tmp_path / "other", WHY, replace=False)
    assert 2 == chain.head.sequence
    assert [b"one", b"two", b"three"] == bodies_in(tmp_path / "other")
    entries = read_archive(tmp_path / "other" / "evidence" / ID.hex(), ID, KEY)
    assert [b"evidence of two", b"evidence of three"] == [entry.body for entry in entries]
    storage = SqliteStorage(tmp_path / "other")
    assert WHY == decode_restoration(storage.read_meta()[RESTORED])
    assert {"cce": b"w"} == read_keyring(storage).wrapped_keys  # type: ignore[union-attr]
    storage.close()
    assert ["evidence", "journal.db", "journal.lock"] == sorted(path.name for path in (tmp_path / "other").iterdir())


async def test_a_state_that_is_there_is_kept_aside_and_only_if_that_is_asked_for(tmp_path: Path) -> None:
    await saved(tmp_path / "state", tmp_path / "backup.tar", b"two")
    with pytest.raises(BackupRefused, match="expected an empty place for a state, got the same journal"):
        restore(tmp_path / "backup.tar", tmp_path / "state", WHY, replace=False)
    restore(tmp_path / "backup.tar", tmp_path / "state", WHY, replace=True)
    assert [b"one", b"two"] == bodies_in(tmp_path / "state")
    assert (tmp_path / "state" / "journal.db.old").exists()


async def test_a_state_in_use_is_not_replaced(tmp_path: Path) -> None:
    await saved(tmp_path / "state", tmp_path / "backup.tar")
    running = SqliteStorage(tmp_path / "state")
    with pytest.raises(StorageInUse):
        restore(tmp_path / "backup.tar", tmp_path / "state", WHY, replace=True)
    running.close()


def packed(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(content), kind, "/etc/passwd"
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tar" * 1000,
        packed({}),
        packed({"backup.json": b"{}", "journal.db": b""}),
        packed({"backup.json": b'{"format":2}', "journal.db": b""}),
        packed({"../journal.db": b""}),
        packed({"/journal.db": b""}),
        packed({"evidence/../journal.seg": b""}),
        packed({"evidence/ab/.seg": b""}),
        packed({"journal.db-wal": b""}),
        packed({"journal.db": b""}, tarfile.SYMTYPE),
        packed({"journal.db": b""}, tarfile.FIFOTYPE),
    ],
)
def test_what_is_no_backup_is_refused_and_nothing_of_it_is_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backup.tar").write_bytes(content)
    with pytest.raises(BackupRefused), opened(tmp_path / "backup.tar"):
        pass
    with pytest.raises(BackupRefused):
        restore(tmp_path / "backup.tar", tmp_path / "state", WHY, replace=True)
    assert {"journal.db", "journal.lock"} >= {path.name for path in (tmp_path / "state").iterdir()}
    storage = SqliteStorage(tmp_path / "state")
    assert isinstance(read_keyring(storage), NoJournal)
    storage.close()


def test_where_no_journal_is_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"journal\.db is not there"):
        back_up(tmp_path, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar").exists()


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda r: r.pop(2), "record 2: sequence: expected 2, got 3"),
        (lambda r: r.insert(1, r.pop(2)), "record 1: sequence: expected 1, got 2"),
        (lambda r: r.__setitem__(1, r[1][:-1] + b"\0"), "record 2: previous link"),
        (lambda r: r.clear(), "record 0: record: expected the first record, got an empty journal"),
    ],
)
async def test_a_chain_is_followed_without_the_key_and_the_first_bad_link_is_named(
    tmp_path: Path, tamper: Callable[[list[bytes]], object], said: str
) -> None:
    await saved(tmp_path / "state", tmp_path / "backup.tar", b"two", b"three", b"four")
    storage = SqliteStorage(tmp_path / "state")
    stored = storage.read()
    storage.close()
    assert 4 == check_chain(stored).records
    tamper(stored.records)
    with pytest.raises(BrokenLink, match=said):
        check_chain(stored)


async def test_a_chain_that_begins_with_a_snapshot_says_so(tmp_path: Path) -> None:
    journal = founded(tmp_path / "state")
    await journal.append([b"two"])
    await journal.replace([b"both", b"of them"])
    await journal.close()
    chain = read_chain(tmp_path / "state")
    assert (2, 2, 3) == (chain.first, chain.records, chain.head.sequence)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"reason": 1, "time": 2, "sequence": 3}', b"\xff", b"[" * 4000])
def test_a_note_that_cannot_be_read_still_says_that_there_is_one(raw: bytes) -> None:
    assert "a note that cannot be read" == decode_restoration(raw).reason
    fine = json.dumps({"reason": "r", "time": 2, "sequence": 3}).encode()
    assert Restoration("r", 2, 3) == decode_restoration(fine)
    hostile = b'{"reason": "\\u001b[2K\\rnothing is wrong", "time": 2, "sequence": 3}'
    assert "\ufffd[2K\ufffdnothing is wrong" == decode_restoration(hostile).reason


async def test_links_of_the_newest_records_are_known_also_behind_a_restart_and_a_snapshot(tmp_path: Path) -> None:
    journal = founded(tmp_path / "state")
    heads = [journal.head]
    for number in range(3):
        await journal.append([bytes([number])])
        heads.append(journal.head)
    await journal.replace([b"snapshot"])
    heads.append(journal.head)
    assert [head.link for head in heads] == [journal.link_at(head.sequence) for head in heads]
    assert b"" == journal.link_at(heads[-1].sequence + 1)
    await journal.close()
    again, _ = Journal.open(SqliteStorage(tmp_path / "state"), KEY)
    assert [head.link for head in heads[-2:]] == [again.link_at(head.sequence) for head in heads[-2:]]
    assert b"" == again.link_at(0), "too far back"
    await again.close()
