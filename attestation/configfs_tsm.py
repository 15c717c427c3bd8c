"""Linux's one interface to the hardware of TDX, SEV-SNP and Arm CCA: a folder a request, under configfs.

Source: Linux Documentation/ABI/testing/configfs-tsm-report, drivers/virt/coco/guest/report.c (6.7 and newer).
Each write raises `generation`; whoever reads a report and finds another generation than the own writes explain has
shared the folder with somebody, and the report may answer their request.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from attestation.errors import NoDevice

REPORTS: Final = Path("/sys/kernel/config/tsm/report")
MAX_INBLOB_BYTES: Final = 64
_ATTEMPTS: Final = 5
_CHUNK_BYTES: Final = 4096
_MAX_BLOB_BYTES: Final = 1024 * 1024
# What the kernel answers while somebody else writes, or the firmware is busy.
_AGAIN: Final = (errno.EBUSY, errno.EAGAIN, errno.EINTR)


class Files(Protocol):
    """The system calls that a request needs, so that a stand-in can answer them as the kernel does."""

    def mkdir(self, folder: Path) -> None:
        """mkdir(2)."""

    def rmdir(self, folder: Path) -> None:
        """rmdir(2)."""

    def open(self, place: Path, flags: int) -> int:
        """open(2): a descriptor."""

    def write(self, descriptor: int, content: bytes) -> int:
        """One write(2); the number of bytes taken."""

    def read(self, descriptor: int, size: int) -> bytes:
        """One read(2): at most `size` bytes, fewer at any time, none at the end."""

    def close(self, descriptor: int) -> None:
        """close(2)."""


class KernelFiles:
    """The real ones."""

    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    open = staticmethod(os.open)
    write = staticmethod(os.write)
    read = staticmethod(os.read)
    close = staticmethod(os.close)


@dataclass(frozen=True, slots=True)
class TsmReport:
    """provider: name of the kernel's driver, e.g. `arm_cca_guest`.  auxblob: empty where the provider has none."""

    provider: str
    outblob: bytes
    auxblob: bytes


@dataclass(frozen=True, slots=True)
class ConfigfsTsm:
    """A client.  reports: the folder in which requests are made."""

    reports: Path = REPORTS
    files: Files = field(default_factory=KernelFiles)
    new_name: Callable[[], str] = lambda: f"enclasp-{secrets.token_hex(8)}"

    def obstacle(self, provider: str) -> str:
        """Why this driver is not the one behind the interface; empty if it is.  provider: the driver's name."""
        try:
            with _Request(self) as request:
                found = request.text("provider")
        except NoDevice as error:
            return str(error)
        except OSError as error:
            return f"{self.reports}: {error.strerror}"
        return "" if found == provider else f"{self.reports}: the provider is '{found}', not '{provider}'"

    def report_of(self, provider: str, inblob: bytes) -> TsmReport:
        """As `report`; raises NoDevice too if another driver made it, whose report is evidence of another kind."""
        report = self.report(inblob)
        if report.provider != provider:
            raise NoDevice(f"{self.reports}: expected provider '{provider}', got '{report.provider}'")
        return report

    def report(self, inblob: bytes, options: Mapping[str, bytes] | None = None) -> TsmReport:
        """A report over `inblob` (1 to 64 bytes).  options: further attributes to write, e.g. `privlevel`.

        Raises NoDevice if the interface is absent, refuses, or is written by somebody else again and again.
        """
        if not 1 <= len(inblob) <= MAX_INBLOB_BYTES:
            raise ValueError(f"inblob: expected 1 to {MAX_INBLOB_BYTES} bytes, got {len(inblob)}")
        with _Request(self) as request:
            for _ in range(_ATTEMPTS):
                found = request.attempt(inblob, options or {})
                if found is not None:
                    return found
        raise NoDevice(f"{self.reports}: expected a report, got {_ATTEMPTS} interruptions: others write to it too")


class _Request:
    """A folder of its own, gone at the end."""

    def __init__(self, client: ConfigfsTsm) -> None:
        self._files = client.files
        self._folder = client.reports / client.new_name()

    def __enter__(self) -> "_Request":
        try:
            self._files.mkdir(self._folder)
        except OSError as error:
            reason = {
                errno.ENOENT: "the kernel has no configfs-tsm (6.7 or newer has it), or configfs is not mounted",
                errno.ENXIO: "no driver of a confidential computing environment is loaded",
            }.get(error.errno or 0, error.strerror)
            raise NoDevice(f"{self._folder.parent}: expected to make a request, got: {reason}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._files.rmdir(self._folder)

    def attempt(self, inblob: bytes, options: Mapping[str, bytes]) -> TsmReport | None:
        """One try; None if it must be made again."""
        try:
            before = int(self.text("generation"))
            for name, content in {"inblob": inblob, **options}.items():
                self._write(name, content)
            outblob = self._read("outblob")
            report = TsmReport(self.text("provider"), outblob, self._read_if_there("auxblob"))
            after = int(self.text("generation"))
        except OSError as error:
            if error.errno in _AGAIN:
                return None
            raise NoDevice(f"{self._folder}: expected a report, got {error.strerror}") from error
        return report if after == before + 1 + len(options) else None

    def text(self, name: str) -> str:
        """An attribute of one line."""
        try:
            return self._read(name).decode("ascii", "replace").strip()
        except OSError as error:
            if error.errno in _AGAIN:
                raise
            raise NoDevice(f"{self._folder / name}: expected to read it, got {error.strerror}") from error

    def _write(self, name: str, content: bytes) -> None:
        """The kernel takes a value in one write, or not at all."""
        with self._opened(name, os.O_WRONLY) as descriptor:
            taken = self._files.write(descriptor, content)
        if taken != len(content):
            raise NoDevice(f"{self._folder / name}: expected {len(content)} bytes to be taken at once, got {taken}")

    def _read(self, name: str) -> bytes:
        content = b""
        with self._opened(name, os.O_RDONLY) as descriptor:
            while chunk := self._files.read(descriptor, _CHUNK_BYTES):
                content += chunk
                if len(content) > _MAX_BLOB_BYTES:
                    raise NoDevice(f"{self._folder / name}: expected at most {_MAX_BLOB_BYTES} bytes, got more")
        return content

    @contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        descriptor = self._files.open(self._folder / name, flags | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            self._files.close(descriptor)

    def _read_if_there(self, name: str) -> bytes:
        try:
            return self._read(name)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return b""
            raise
