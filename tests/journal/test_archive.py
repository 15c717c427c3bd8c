"""Kept evidence: sealed, in order, bounded; what a host takes away or changes is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.archive import Kept
from coordinator.journal.errors import ArchiveBroken, StorageFailed
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.segments import EvidenceFolder, Retention, Segments, read_archive, segments_in

DAY = 24 * 3600 * 1000
PLENTY = Retention(days=30, bytes_=64_000_000)
KEY = DataKey(b"k" * 32)
ID = JournalId(b"journal-of-tests")


def archive(folder: Path, retention: Retention = PLENTY) -> Segments:
    return EvidenceFolder(folder, retention, os.urandom).open(ID, KEY)  # noqa: TID251 - a test's entropy


def read(folder: Path, key: DataKey = KEY) -> list[Kept]:
    return list(read_archive(folder / ID.hex(), ID, key))


def entries(*numbers: int, day: int = 0) -> list[Kept]:
    return [Kept(day * DAY + number, f"evidence {number}".encode()) for number in numbers]


def three_lives(folder: Path) -> list[Kept]:
    """An archive of three segments, as after two restarts."""
    kept = [entries(0, 1), entries(2), entries(3, 4, 5)]
    for some in kept:
        opened = archive(folder)
        opened.keep(some)
        opened.close()
    return [entry for some in kept for entry in some]


def test_what_was_kept_is_read_in_order_over_restarts(tmp_path: Path) -> None:
    assert three_lives(tmp_path) == read(tmp_path)
    assert 3 == len(segments_in(tmp_path / ID.hex()))


def test_nothing_is_written_before_there_is_something_to_keep(tmp_path: Path) -> None:
    opened = archive(tmp_path / "evidence")
    opened.keep(())
    opened.close()
    assert not (tmp_path / "evidence").exists()
    assert [] == read(tmp_path / "evidence")


def test_kept_evidence_cannot_be_read_from_the_disk_nor_with_another_key(tmp_path: Path) -> None:
    three_lives(tmp_path)
    for segment in segments_in(tmp_path / ID.hex()):
        assert b"evidence" not in segment.path.read_bytes()
        assert 0o600 == segment.path.stat().st_mode & 0o777
    with pytest.raises(ArchiveBroken, match=r"00000000-.*, entry 0: seal: expected an entry sealed for this place"):
        read(tmp_path, DataKey(b"x" * 32))


def swap(a: Path, b: Path) -> None:
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda s: s[1].unlink(), "number: expected 1, got 2"),
        (lambda s: swap(s[0], s[1]), "previous link: expected"),
        (lambda s: flip(s[1], 0), "previous link: expected"),
        (lambda s: flip(s[1], -1), "00000001-00000000000002.seg, entry 0: seal"),
        (lambda s: s[1].write_bytes(s[1].read_bytes()[:32]), "00000002-00000000000003.seg: previous link: expected"),
        (lambda s: s[0].rename(s[0].with_name("00000000-00000000000009.seg")), "entry 0: seal"),
    ],
)
def test_what_a_host_takes_away_or_changes_is_named(
    tmp_path: Path, tamper: Callable[[list[Path]], object], said: str
) -> None:
    three_lives(tmp_path)
    tamper([segment.path for segment in segments_in(tmp_path / ID.hex())])
    with pytest.raises(ArchiveBroken, match=said):
        read(tmp_path)


def test_what_a_crash_left_half_written_is_skipped_and_the_archive_goes_on(tmp_path: Path) -> None:
    opened = archive(tmp_path)
    opened.keep(entries(0, 1))
    opened.close()
    (segment,) = segments_in(tmp_path / ID.hex())
    segment.path.write_bytes(segment.path.read_bytes()[:-5])
    opened = archive(tmp_path)
    opened.keep(entries(2))
    opened.close()
    assert entries(0, 2) == read(tmp_path)


def test_the_oldest_segments_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    rule = Retention(days=30, bytes_=100_000)
    opened = archive(tmp_path, rule)
    for number in range(300):
        opened.keep([Kept(number, bytes(1000))])
    opened.close()
    size = sum(segment.path.stat().st_size for segment in segments_in(tmp_path / ID.hex()))
    assert 50_000 < size <= rule.bytes_
    kept = [entry.time_ms for entry in read(tmp_path)]
    assert kept == list(range(kept[0], 300)), "the newest, without a hole"


def test_a_segment_goes_when_its_newest_entry_is_too_old(tmp_path: Path) -> None:
    opened = archive(tmp_path, Retention(days=10, bytes_=64_000_000))
    for day in (0, 2, 9, 13):
        opened.keep(entries(0, day=day))
    opened.close()
    assert [9 * DAY, 13 * DAY] == [entry.time_ms for entry in read(tmp_path)][-2:]
    assert 0 not in [entry.time_ms for entry in read(tmp_path)]


@given(st.lists(st.lists(st.binary(max_size=40), max_size=3), max_size=6))
def test_any_run_of_entries_is_read_as_it_was_kept(
    tmp_path_factory: pytest.TempPathFactory, lives: list[list[bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    for bodies in lives:
        opened = archive(folder)
        opened.keep([Kept(7, body) for body in bodies])
        opened.close()
    assert [body for bodies in lives for body in bodies] == [entry.body for entry in read(folder)]


async def test_a_record_is_not_durable_without_what_is_kept_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    storage = MemoryStorage()
    archives = EvidenceFolder(tmp_path / "file", PLENTY, os.urandom)  # noqa: TID251 - a test's entropy
    journal = Journal.create(storage, KEY, [b"first"], journal_id=ID, wrapped_keys={}, notes={}, archives=archives)
    await journal.append([b"second"])
    with pytest.raises(StorageFailed, match="keep evidence"):
        await journal.append([b"third"], entries(0))
    assert [b"first", b"second"] == Journal.open(storage, KEY)[1]
