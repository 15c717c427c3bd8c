"""configfs-tsm as the kernel does it: generations, EBUSY, whole writes only, short reads.

Source: Linux drivers/virt/coco/guest/report.c.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MAX_READ = 100


@dataclass
class Entry:
    """A folder of one request."""

    inblob: bytes = b""
    writes: int = 0
    outblob: bytes = b""
    read_at: int = -1


@dataclass
class FakeTsm:
    """The calls of `attestation.configfs_tsm.Files`.  make: outblob for an inblob of the provider's length.

    after_write: called after each write of inblob, for whoever interferes.
    """

    reports: Path
    make: Callable[[bytes], bytes]
    provider: str = "arm_cca_guest"
    auxblob: bytes | None = None
    loaded: bool = True
    interruptions: list[int] = field(default_factory=list)
    after_write: Callable[[Entry], None] = lambda entry: None
    entries: dict[str, Entry] = field(default_factory=dict)
    opened: dict[int, tuple[Entry, str, int]] = field(default_factory=dict)
    next_descriptor: int = 100
    most_entries: int = 0

    def mkdir(self, folder: Path) -> None:
        if folder.parent != self.reports:
            raise _error(errno.ENOENT)
        if not self.loaded:
            raise _error(errno.ENXIO)
        self.entries[folder.name] = Entry()
        self.most_entries = max(self.most_entries, len(self.entries))

    def rmdir(self, folder: Path) -> None:
        if self.opened:
            raise _error(errno.EBUSY)
        del self.entries[folder.name]

    def open(self, place: Path, flags: int) -> int:
        names = {"inblob", "outblob", "provider", "generation", "privlevel"} | ({"auxblob"} if self.auxblob else set())
        if place.name not in names or place.parent.name not in self.entries:
            raise _error(errno.ENOENT)
        if (flags & os.O_ACCMODE == os.O_WRONLY) is not (place.name in ("inblob", "privlevel")):
            raise _error(errno.EACCES)
        self.next_descriptor += 1
        self.opened[self.next_descriptor] = (self.entries[place.parent.name], place.name, 0)
        return self.next_descriptor

    def close(self, descriptor: int) -> None:
        del self.opened[descriptor]

    def write(self, descriptor: int, content: bytes) -> int:
        entry, name, _ = self.opened[descriptor]
        if self.interruptions:
            raise _error(self.interruptions.pop(0))
        if name == "inblob":
            if len(content) > 64:
                raise _error(errno.EINVAL)
            entry.inblob = content
        entry.writes += 1
        self.after_write(entry)
        return len(content)

    def read(self, descriptor: int, size: int) -> bytes:
        entry, name, offset = self.opened[descriptor]
        if name == "provider":
            content = f"{self.provider}\n".encode()
        elif name == "generation":
            content = f"{entry.writes}\n".encode()
        else:
            content = self._blobs(entry)[name]
        chunk = content[offset : offset + min(size, MAX_READ)]
        self.opened[descriptor] = (entry, name, offset + len(chunk))
        return chunk

    def _blobs(self, entry: Entry) -> dict[str, bytes]:
        """A new report for each generation; no report without a request."""
        if not entry.inblob:
            raise _error(errno.EINVAL)
        if entry.read_at != entry.writes:
            entry.outblob, entry.read_at = self.make(entry.inblob.ljust(64, b"\0")), entry.writes
        return {"outblob": entry.outblob, "auxblob": self.auxblob or b""}


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
