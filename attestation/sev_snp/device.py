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

from attestation.binding import whole_report_data
from attestation.configfs_tsm import REPORTS, ConfigfsTsm, Files, KernelFiles
from attestation.errors import EvidenceFormatError, NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.format import MAX_TABLE_BYTES, REPORT_BYTES, parse_evidence

SEV_GUEST: Final = Path("/dev/sev-guest")
PROVIDER: Final = "sev_guest"
ATTEMPTS: Final = 5

Ioctl = Callable[[int, int, bytearray], int]


class TsmDevice:
    """Reports through configfs-tsm."""

    kind: Final = Kind.SEV_SNP

    def __init__(self, reports: Path = REPORTS, files: Files | None = None) -> None:
        self._reports = reports
        self._tsm = ConfigfsTsm(reports, files or KernelFiles())

    def usable(self) -> str:
        """Empty, or why not."""
        return self._tsm.obstacle(PROVIDER)

    def issue(self, report_data: bytes) -> Evidence:
        """An extended report over 64 bytes of report data; a plain one where the host has no certificates.

        Raises NoDevice if the kernel refuses, or others disturb the request every time.
        """
        whole_report_data(report_data)
        answer = self._tsm.report_of(PROVIDER, report_data)
        return _evidence(answer.outblob, answer.auxblob, report_data, str(self._reports))


class SevGuestDevice:
    """Reports through /dev/sev-guest, which kernels before 6.7 have alone."""

    kind: Final = Kind.SEV_SNP

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
        whole_report_data(report_data)
        try:
            handle = os.open(self._device, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NoDevice(f"{self._device}: cannot be opened: {error.strerror}") from error
        try:
            report, table = self._extended(handle, report_data)
        finally:
            os.close(handle)
        return _evidence(report, table, report_data, str(self._device))

    def _extended(self, handle: int, report_data: bytes) -> tuple[bytes, bytes]:
        """GET_EXT_REPORT, first without room: the host answers how much it needs (vmm_error 1, INVALID_LEN)."""
        request = report_data + struct.pack("<I", self._vmpl) + bytes(28)
        for size in self._sizes(handle, request):
            table = ctypes.create_string_buffer(max(size, 1))
            address = ctypes.addressof(table) if size else 0
            asked = bytearray(request + struct.pack("<QII", address, size, 0))
            response, problem = self._exchange(handle, _GET_EXT_REPORT, asked)
            if not problem:
                return response, table.raw[:size]
        response, problem = self._exchange(handle, _GET_REPORT, bytearray(request))
        if problem:
            raise NoDevice(f"{self._device}: expected a report, got {problem}")
        return response, b""

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


def _kernel(handle: int, command: int, message: bytearray) -> int:
    return int(fcntl.ioctl(handle, command, message, True))


def _evidence(report: bytes, table: bytes, report_data: bytes, place: str) -> Evidence:
    """The report with the host's certificates, if it is over our report data."""
    raw = report + table if any(table) else report
    try:
        found = parse_evidence(raw).report.report_data
    except EvidenceFormatError as error:
        raise NoDevice(f"{place}: {error}") from error
    if found != report_data:
        raise NoDevice(f"{place}: expected a report over our report data, got one over other data")
    return Evidence(Kind.SEV_SNP, raw)


def _iowr(number: int) -> int:
    """_IOWR('S', number, struct snp_guest_request_ioctl)."""
    return 3 << 30 | 32 << 16 | ord("S") << 8 | number


_GET_REPORT: Final = _iowr(0)
_GET_EXT_REPORT: Final = _iowr(2)
_RESPONSE_BYTES: Final = 4000
_REPORT_OFFSET: Final = 0x20
