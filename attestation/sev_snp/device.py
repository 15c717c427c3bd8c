"""How do we ask the hardware?  The two ways in which Linux hands out SEV-SNP reports, the newer one first.

Source: Linux Documentation/ABI/testing/configfs-tsm (since 6.7), Documentation/virt/coco/sev-guest.rst and
include/uapi/linux/sev-guest.h.  All other rooms do no I/O.
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from attestation.binding import REPORT_DATA_BYTES
from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.format import MAX_TABLE_BYTES, REPORT_BYTES

TSM_REPORTS: Final = Path("/sys/kernel/config/tsm/report")
SEV_GUEST: Final = Path("/dev/sev-guest")
TSM_PROVIDER: Final = "sev_guest"
ATTEMPTS: Final = 5

Ioctl = Callable[[int, int, bytearray], int]


class TsmDevice:
    """Reports through configfs-tsm: an own entry for each report, so that nobody else's writes disturb it."""

    def __init__(
        self, reports: Path = TSM_REPORTS, new_name: Callable[[], str] = lambda: f"enclasp-{uuid4().hex}"
    ) -> None:
        self._reports = reports
        self._new_name = new_name

    def usable(self) -> str:
        """Empty, or why not."""
        if not self._reports.is_dir():
            return f"{self._reports} is not there (kernel older than 6.7, or configfs not mounted)"
        try:
            entry = self._reports / self._new_name()
            entry.mkdir()
        except OSError as error:
            return f"{self._reports}: cannot make an entry: {error.strerror}"
        try:
            provider = _read(entry / "provider").decode("ascii", "replace").strip()
        except OSError as error:
            return f"{entry.parent}: no provider: {error.strerror}"
        finally:
            entry.rmdir()
        return "" if provider == TSM_PROVIDER else f"{self._reports}: provider is '{provider}', not '{TSM_PROVIDER}'"

    def issue(self, report_data: bytes) -> Evidence:
        """An extended report over 64 bytes of report data; without certificates if the host gives none.

        Raises NoDevice if the kernel refuses, or others disturb the entry every time.
        """
        _checked(report_data)
        problem = ""
        for _ in range(ATTEMPTS):
            try:
                entry = self._reports / self._new_name()
                entry.mkdir()
            except OSError as error:
                raise NoDevice(f"{self._reports}: cannot make an entry: {error.strerror}") from error
            try:
                return Evidence(Kind.SEV_SNP, self._ask(entry, report_data))
            except _Disturbed as error:
                problem = str(error)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise NoDevice(f"{entry}: expected a report, got {error.strerror}") from error
                problem = f"{entry}: busy"
            finally:
                entry.rmdir()
        raise NoDevice(f"no report after {ATTEMPTS} attempts: {problem}")

    def _ask(self, entry: Path, report_data: bytes) -> bytes:
        """One write, then report and table; the generation tells whether anything else was written meanwhile."""
        before = int(_read(entry / "generation"))
        _write_at_once(entry / "inblob", report_data)
        report = _read(entry / "outblob")
        table = _read(entry / "auxblob") if (entry / "auxblob").exists() else b""
        after = int(_read(entry / "generation"))
        if after != before + 1:
            raise _Disturbed(f"{entry}: expected generation {before + 1}, got {after}: somebody else wrote to it")
        if len(report) != REPORT_BYTES:
            raise _Disturbed(f"{entry}/outblob: expected {REPORT_BYTES} bytes, got {len(report)}")
        return report + table if any(table) else report


class SevGuestDevice:
    """Reports through /dev/sev-guest, which kernels before 6.7 have alone."""

    def __init__(self, device: Path = SEV_GUEST, ioctl: Ioctl | None = None, vmpl: int = 0) -> None:
        """ioctl: what asks the kernel, `fcntl.ioctl` for real."""
        self._device = device
        self._ioctl: Ioctl = ioctl or _kernel
        self._vmpl = vmpl

    def usable(self) -> str:
        """Empty, or why not."""
        if not self._device.exists():
            return f"{self._device} is not there"
        return "" if os.access(self._device, os.R_OK | os.W_OK) else f"{self._device}: not allowed for this user"

    def issue(self, report_data: bytes) -> Evidence:
        """An extended report over 64 bytes of report data; a plain one where the host has no certificates.

        Raises NoDevice if the kernel or the firmware refuses.
        """
        _checked(report_data)
        try:
            handle = os.open(self._device, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NoDevice(f"{self._device}: cannot be opened: {error.strerror}") from error
        try:
            return Evidence(Kind.SEV_SNP, self._extended(handle, report_data))
        finally:
            os.close(handle)

    def _extended(self, handle: int, report_data: bytes) -> bytes:
        """GET_EXT_REPORT, first without room: the host answers how much it needs (vmm_error 1, INVALID_LEN)."""
        request = report_data + struct.pack("<I", self._vmpl) + bytes(28)
        for size in self._sizes(handle, request):
            table = ctypes.create_string_buffer(max(size, 1))
            address = ctypes.addressof(table) if size else 0
            asked = bytearray(request + struct.pack("<QII", address, size, 0))
            response, problem = self._exchange(handle, _GET_EXT_REPORT, asked)
            if not problem:
                carried = table.raw[:size]
                return response + carried if any(carried) else response
        response, problem = self._exchange(handle, _GET_REPORT, bytearray(request))
        if problem:
            raise NoDevice(f"{self._device}: expected a report, got {problem}")
        return response

    def _sizes(self, handle: int, request: bytes) -> Sequence[int]:
        asked = bytearray(request + struct.pack("<QII", 0, 0, 0))
        _, problem = self._exchange(handle, _GET_EXT_REPORT, asked)
        if not problem:
            return (0,)
        (needed,) = struct.unpack_from("<I", asked, len(request) + 8)
        return (needed,) if 0 < needed <= MAX_TABLE_BYTES else ()

    def _exchange(self, handle: int, command: int, request: bytearray) -> tuple[bytes, str]:
        """One ioctl: the report, or what was wrong.  EBUSY and EAGAIN (the host throttles) are tried again."""
        response = bytearray(_RESPONSE_BYTES)
        asked = (ctypes.c_char * len(request)).from_buffer(request)
        answer = (ctypes.c_char * len(response)).from_buffer(response)
        problem = ""
        for _ in range(ATTEMPTS):
            message = bytearray(struct.pack("<B7xQQQ", 1, ctypes.addressof(asked), ctypes.addressof(answer), 0))
            try:
                self._ioctl(handle, command, message)
            except OSError as error:
                (firmware,) = struct.unpack_from("<Q", message, 24)
                problem = f"{error.strerror}, firmware error {firmware & 0xFFFFFFFF:#x}, host error {firmware >> 32:#x}"
                if error.errno in (errno.EBUSY, errno.EAGAIN):
                    continue
                return b"", problem
            status, size = struct.unpack_from("<II", response, 0)
            if status or size != REPORT_BYTES:
                return b"", f"status {status:#x} and a report of {size} bytes"
            return bytes(response[_REPORT_OFFSET : _REPORT_OFFSET + REPORT_BYTES]), ""
        return b"", problem


class _Disturbed(Exception):
    """An entry of configfs-tsm was used by somebody else meanwhile."""


def _kernel(handle: int, command: int, message: bytearray) -> int:
    return int(fcntl.ioctl(handle, command, message, True))


def _checked(report_data: bytes) -> None:
    if len(report_data) != REPORT_DATA_BYTES:
        raise ValueError(f"report data: expected {REPORT_DATA_BYTES} bytes, got {len(report_data)}")


def _read(path: Path) -> bytes:
    """All of an attribute, however short the reads are."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(handle, 4096):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def _write_at_once(path: Path, content: bytes) -> None:
    """With one write(2), as configfs demands."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        written = os.write(handle, content)
    finally:
        os.close(handle)
    if written != len(content):
        raise _Disturbed(f"{path}: expected to write {len(content)} bytes, wrote {written}")


def _iowr(number: int) -> int:
    """_IOWR('S', number, struct snp_guest_request_ioctl)."""
    return 3 << 30 | 32 << 16 | ord("S") << 8 | number


_GET_REPORT: Final = _iowr(0)
_GET_EXT_REPORT: Final = _iowr(2)
_RESPONSE_BYTES: Final = 4000
_REPORT_OFFSET: Final = 0x20
