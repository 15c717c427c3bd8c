"""Evidence that was admitted, kept for a later look: sealed, chained, append-only files, bounded by a rule.

    evidence/JOURNAL-ID/NUMBER-FIRST.seg      NUMBER: 8 digits from 0.  FIRST: time of its first entry, ms, 14 digits

A segment is the link that it goes on from (32), then a row of frames: length u32 big endian | nonce (12) |
ciphertext | tag (16), AES-256-GCM.  The key is HKDF-SHA256 of the data key with the journal id as salt and label,
NUMBER and FIRST as info; the associated data is version u8 = 1 | previous link (32).  The link of a frame is SHA-256
over previous link and frame, and goes on from one segment to the next.  So what is missing or changed inside is
noticed; what is missing at the end is noticed by the journal, which has the digest of each Evidence.  An incomplete
frame at a segment's end is what a crash leaves: its activation was never answered.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coordinator.journal.archive import Kept
from coordinator.journal.errors import ArchiveBroken, StorageFailed
from coordinator.journal.folder import sync_folder
from coordinator.journal.key import NONCE_BYTES, DataKey, JournalId
from coordinator.journal.record import LINK_BYTES, Entropy


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much: the oldest segment goes when it is older than `days`, or all are longer than `bytes_`.

    A segment is as old as its newest entry.  The one that is written never goes.
    """

    days: int
    bytes_: int

    @property
    def keeps(self) -> bool:
        """False if nothing is kept at all."""
        return self.days > 0 and self.bytes_ > 0

    @property
    def segment_bytes(self) -> int:
        """A new segment begins after so many: 16 of them make the whole."""
        return max(4096, min(16 * 1024 * 1024, self.bytes_ // 16))


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """Archives below one folder, one for each journal; a folder is made when the first entry comes."""

    folder: Path
    retention: Retention
    entropy: Entropy

    def open(self, journal_id: JournalId, data_key: DataKey) -> "Segments":
        """As `Archives.open`."""
        return Segments(self.folder / journal_id.hex(), journal_id, data_key, self.retention, self.entropy)


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the archive.  first_ms: time of its first entry."""

    path: Path
    number: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class _Open:
    """A segment that is written to."""

    file: int
    cipher: AESGCM


class Segments:
    """The archive of one journal, open for appending.  It always goes on in a segment of its own."""

    def __init__(
        self, folder: Path, journal_id: JournalId, data_key: DataKey, retention: Retention, entropy: Entropy
    ) -> None:
        """Raises StorageFailed if the folder cannot be read."""
        self._folder, self._journal_id, self._data_key = folder, journal_id, data_key
        self._retention, self._entropy = retention, entropy
        self._open: _Open | None = None
        try:
            self._segments = list(segments_in(folder))
            self._link = _end(_walk(self._segments[-1])) if self._segments else genesis(journal_id)
        except OSError as failure:
            raise _failed(folder, "read the kept evidence", failure) from failure

    def keep(self, entries: Sequence[Kept]) -> None:
        """As `Archive.keep`."""
        if not entries:
            return
        try:
            segment = self._open_for(entries[0].time_ms)
            link, frames = self._link, []
            for entry in entries:
                nonce = self._entropy(NONCE_BYTES)
                body = entry.time_ms.to_bytes(8, "big") + entry.body
                sealed = nonce + segment.cipher.encrypt(nonce, body, _VERSION + link)
                frames.append(len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)
                link = _next_link(link, sealed)
            _write(segment.file, b"".join(frames))
        except OSError as failure:
            raise _failed(self._folder, "keep evidence", failure) from failure
        self._link = link

    def close(self) -> None:
        """As `Archive.close`."""
        if self._open is not None:
            os.close(self._open.file)
            self._open = None

    def newest(self, count: int) -> Sequence[Kept]:
        """As `Archive.newest`."""
        found: list[Kept] = []
        try:
            for segment in reversed(segments_in(self._folder)):
                cipher = _cipher(self._data_key, self._journal_id, segment)
                found = [*(entry for entry, _ in _opened(segment, _walk(segment), cipher)), *found]
                if len(found) >= count:
                    break
        except FileNotFoundError:  # the oldest of them went meanwhile
            return found[-count:]
        except OSError as failure:
            raise _failed(self._folder, "read the kept evidence", failure) from failure
        return found[-count:]

    def _open_for(self, now_ms: int) -> "_Open":
        """The segment to write to; a new one when the last is long enough, or a day old."""
        if self._open is not None:
            young = now_ms - self._segments[-1].first_ms < _DAY_MS
            if young and os.fstat(self._open.file).st_size < self._retention.segment_bytes:
                return self._open
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = self._segments[-1].number + 1 if self._segments else 0
        segment = Segment(self._folder / f"{number:08}-{now_ms:014}{_SUFFIX}", number, now_ms)
        file = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._open = _Open(file, _cipher(self._data_key, self._journal_id, segment))
        _write(file, self._link)
        sync_folder(self._folder)
        self._segments.append(segment)
        self._prune(now_ms)
        return self._open

    def _prune(self, now_ms: int) -> None:
        """Remove what the rule does not keep, oldest first; never the segment that is written."""
        limit_ms = now_ms - self._retention.days * _DAY_MS
        sizes = [segment.path.stat().st_size for segment in self._segments]
        while len(self._segments) > 1:
            all_older = self._segments[1].first_ms < limit_ms
            too_much = sum(sizes) > self._retention.bytes_ - self._retention.segment_bytes
            if not all_older and not too_much:
                return
            self._segments.pop(0).path.unlink()
            sizes.pop(0)


def segments_in(folder: Path) -> tuple[Segment, ...]:
    """The segments of an archive, in their order; none where the folder is not there.  Raises OSError."""
    if not folder.is_dir():
        return ()
    found = []
    for path in folder.iterdir():
        number, dash, first = path.name.removesuffix(_SUFFIX).partition("-")
        if path.suffix == _SUFFIX and dash and all(t.isascii() and t.isdigit() for t in (number, first)):
            found.append(Segment(path, int(number), int(first)))
    return tuple(sorted(found, key=lambda segment: segment.number))


def read_archive(folder: Path, journal_id: JournalId, data_key: DataKey) -> Iterator[Kept]:
    """Every entry that is kept, oldest first, each proven to stand where it was written.

    Raises ArchiveBroken with the first place that is not what it must be, OSError.
    """
    previous: tuple[Segment, bytes] | None = None
    for segment in segments_in(folder):
        if previous is not None and segment.number != previous[0].number + 1:
            raise ArchiveBroken(segment.path.name, "number", str(previous[0].number + 1), str(segment.number))
        start = next(_walk(segment))
        expected = genesis(journal_id) if segment.number == 0 else previous[1] if previous else start
        if start != expected:
            raise ArchiveBroken(segment.path.name, "previous link", expected.hex(), start.hex())
        end = start
        for entry, after in _opened(segment, _walk(segment), _cipher(data_key, journal_id, segment)):
            yield entry
            end = after
        previous = segment, end


def genesis(journal_id: JournalId) -> bytes:
    """The link before an archive's very first frame."""
    return hashlib.sha256(_GENESIS_LABEL + journal_id).digest()


def _opened(segment: Segment, walk: Iterator[bytes], cipher: AESGCM) -> Iterator[tuple[Kept, bytes]]:
    """The entries of a segment, each with the link behind it.  Raises ArchiveBroken."""
    link = next(walk)
    for index, sealed in enumerate(walk):
        try:
            body = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _VERSION + link)
        except InvalidTag:
            place = f"{segment.path.name}, entry {index}"
            expected = "an entry sealed for this place"
            raise ArchiveBroken(place, "seal", expected, "one that is not authentic") from None
        link = _next_link(link, sealed)
        yield Kept(int.from_bytes(body[:8], "big"), body[8:]), link


def _end(walk: Iterator[bytes]) -> bytes:
    """The link behind the last whole frame of a segment."""
    link = next(walk)
    for sealed in walk:
        link = _next_link(link, sealed)
    return link


def _walk(segment: Segment) -> Iterator[bytes]:
    """The link that a segment goes on from, then its whole frames, one at a time: a segment is 16 MB long."""
    with segment.path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size - LINK_BYTES
        yield file.read(LINK_BYTES)
        while left > _LENGTH_BYTES:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
            left -= _LENGTH_BYTES + length
            if left < 0 or length < NONCE_BYTES + 16:
                return
            yield file.read(length)


def _next_link(previous: bytes, sealed: bytes) -> bytes:
    return hashlib.sha256(previous + sealed).digest()


def _cipher(data_key: DataKey, journal_id: JournalId, segment: Segment) -> AESGCM:
    info = _KEY_LABEL + segment.number.to_bytes(8, "big") + segment.first_ms.to_bytes(8, "big")
    return AESGCM(HKDF(hashes.SHA256(), 32, journal_id, info).derive(data_key.secret))


def _write(file: int, raw: bytes) -> None:
    """All of it, durable.  Raises OSError."""
    view = memoryview(raw)
    while view:
        view = view[os.write(file, view) :]
    os.fdatasync(file)


def _failed(folder: Path, action: str, failure: OSError) -> StorageFailed:
    return StorageFailed(str(folder), action, str(failure.strerror))


_VERSION: Final = b"\x01"
_GENESIS_LABEL: Final = b"enclasp evidence archive v1"
_KEY_LABEL: Final = b"enclasp evidence segment v1"
_LENGTH_BYTES: Final = 4
_SUFFIX: Final = ".seg"
_DAY_MS: Final = 24 * 3600 * 1000
