"""Gramine's /dev/attestation: whole writes only, short reads, a quote over what was written last."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MAX_READ = 1000


@dataclass
class FakeGramine:
    """The calls of `attestation.configfs_tsm.Files` that Gramine's files know.

    make: a quote for 64 bytes.  after_write: called after each write, for another thread that interferes.
    """

    folder: Path
    make: Callable[[bytes], bytes]
    attestation_type: bytes = b"dcap"
    keys: dict[str, bytes] = field(default_factory=dict)
    after_write: Callable[["FakeGramine"], None] = lambda gramine: None
    taken: int = 64
    report_data: bytes = bytes(64)
    opened: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    next_descriptor: int = 100

    def mkdir(self, folder: Path) -> None:
        raise _error(errno.EPERM)

    rmdir = mkdir

    def open(self, place: Path, flags: int) -> int:
        name = str(place.relative_to(self.folder))
        writes = flags & os.O_ACCMODE == os.O_WRONLY
        if writes is not (name == "user_report_data"):
            raise _error(errno.EACCES)
        self.next_descriptor += 1
        self.opened[self.next_descriptor] = (name, b"" if writes else self._content(name))
        return self.next_descriptor

    def write(self, descriptor: int, content: bytes) -> int:
        if len(content) > 64:
            raise _error(errno.EINVAL)
        self.report_data = content.ljust(64, b"\0")
        self.after_write(self)
        return min(self.taken, len(content))

    def read(self, descriptor: int, size: int) -> bytes:
        name, content = self.opened[descriptor]
        chunk = content[: min(size, MAX_READ)]
        self.opened[descriptor] = (name, content[len(chunk) :])
        return chunk

    def close(self, descriptor: int) -> None:
        del self.opened[descriptor]

    def _content(self, name: str) -> bytes:
        if name == "attestation_type" and self.attestation_type:
            return self.attestation_type
        if name == "quote":
            return self.make(self.report_data)
        key = self.keys.get(name.removeprefix("keys/"))
        if key is None:
            raise _error(errno.ENOENT)
        return key


def _error(number: int) -> OSError:
    if number == errno.ENOENT:
        return FileNotFoundError(number, os.strerror(number))
    return OSError(number, os.strerror(number))
