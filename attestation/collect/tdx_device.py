"""How do we ask a TDX module?  Through configfs-tsm, or through the ioctls of kernels that Intel patched before it.

Source: Linux Documentation/ABI/testing/configfs-tsm-report, include/uapi/linux/tdx-guest.h (TDX_CMD_GET_REPORT0);
Intel TDX Guest-Host Communication Interface 1.5, TDG.VP.VMCALL<GetQuote> (tables 3-10 and 3-11); Intel's kernels for
TDX 1.5 (TDX_CMD_GET_QUOTE) and DCAP qgs_msg_lib (messages of the quote generation service).
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attestation.binding import whole_report_data
from attestation.collect.quotes import quote_over
from attestation.collect.sealing import refuse
from attestation.configfs_tsm import REPORTS, ConfigfsTsm, Files, KernelFiles
from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind

PROVIDER: Final = "tdx_guest"
DEVICE: Final = Path("/dev/tdx_guest")
GET_REPORT0: Final = 3 << 30 | (64 + 1024) << 16 | ord("T") << 8 | 1
"""_IOWR('T', 1, struct tdx_report_req): report data 64, TDREPORT 1024"""
GET_QUOTE: Final = 2 << 30 | 16 << 16 | ord("T") << 8 | 4
"""_IOR('T', 4, struct tdx_quote_req): address and length of a shared buffer"""

Ioctl = Callable[[int, int, bytearray], int]


class TdxTsmDevice:
    """Quotes through configfs-tsm."""

    kind: Final = Kind.TDX

    def __init__(self, reports: Path = REPORTS, files: Files | None = None) -> None:
        self._reports = reports
        self._tsm = ConfigfsTsm(reports, files or KernelFiles())

    def usable(self) -> str:
        """Empty, or why not."""
        return self._tsm.obstacle(PROVIDER)

    def issue(self, report_data: bytes) -> Evidence:
        """A quote over 64 bytes of report data.  Raises NoDevice if the kernel or the host does not give one."""
        whole_report_data(report_data)
        report = self._tsm.report_of(PROVIDER, report_data)
        return quote_over(report.outblob, Kind.TDX, report_data, str(self._reports))

    def sealing_key(self, mode: str) -> bytes:
        """Raises NoSealingKey."""
        refuse(Kind.TDX, mode)


class TdxGuestDevice:
    """Quotes through the ioctls of /dev/tdx_guest; Linus Torvalds' kernels have only the one for a TD report."""

    kind: Final = Kind.TDX

    def __init__(self, device: Path = DEVICE, ioctl: Ioctl | None = None) -> None:
        """ioctl: what asks the kernel, `fcntl.ioctl` for real."""
        self._device = device
        self._ioctl: Ioctl = ioctl or _kernel

    def usable(self) -> str:
        """Empty, or why not.  Whether there is a GetQuote ioctl is known after a request only, so one is made."""
        if not self._device.exists():
            return f"{self._device} does not exist: this is no trust domain, or its kernel has no TDX guest driver"
        if not os.access(self._device, os.R_OK | os.W_OK):
            return f"{self._device} may not be read and written by this user"
        try:
            self.issue(bytes(64))
        except NoDevice as error:
            return str(error)
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        """A quote over 64 bytes of report data.  Raises NoDevice if the kernel or the host does not give one."""
        whole_report_data(report_data)
        try:
            descriptor = os.open(self._device, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NoDevice(f"{self._device}: expected to open it, got {error.strerror}") from error
        try:
            report = bytearray(report_data + bytes(_TD_REPORT_BYTES))
            self._call(descriptor, GET_REPORT0, report, "a TD report")
            quote = self._quote(descriptor, bytes(report[len(report_data) :]))
        finally:
            os.close(descriptor)
        return quote_over(quote, Kind.TDX, report_data, str(self._device))

    def sealing_key(self, mode: str) -> bytes:
        """Raises NoSealingKey."""
        refuse(Kind.TDX, mode)

    def _quote(self, descriptor: int, td_report: bytes) -> bytes:
        """Have the host's quoting enclave turn a TD report into a quote."""
        message = _quote_request(td_report)
        header = struct.pack("<QQII", 1, 0, 4 + len(message), 0)
        shared = ctypes.create_string_buffer(header + len(message).to_bytes(4, "big") + message, _SHARED_BYTES)
        asked = bytearray(struct.pack("<QQ", ctypes.addressof(shared), _SHARED_BYTES))
        self._call(descriptor, GET_QUOTE, asked, "a quote")
        _, status, _, length = struct.unpack_from("<QQII", shared.raw)
        if status:
            raise NoDevice(f"{self._device}: expected a quote, got status {status:#x}{_STATUS.get(status, '')}")
        answer = shared.raw[_HEADER_BYTES : _HEADER_BYTES + length]
        if not 4 <= length <= _SHARED_BYTES - _HEADER_BYTES or int.from_bytes(answer[:4], "big") != length - 4:
            raise NoDevice(f"{self._device}: expected a message of the quote generation service, got {length} bytes")
        try:
            return _quote_of_response(answer[4:])
        except ValueError as error:
            raise NoDevice(f"{self._device}: quote generation service: {error}") from error

    def _call(self, descriptor: int, command: int, message: bytearray, what: str) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self._ioctl(descriptor, command, message)
                return
            except OSError as error:
                if error.errno in (errno.EBUSY, errno.EAGAIN, errno.EINTR) and attempt + 1 < _ATTEMPTS:
                    continue
                absent = command == GET_QUOTE and error.errno in (errno.ENOTTY, errno.EINVAL)
                hint = ": this kernel hands out TD reports only, quotes need configfs-tsm (Linux 6.7)" if absent else ""
                raise NoDevice(f"{self._device}: expected {what}, got {error.strerror}{hint}") from error


def _quote_request(td_report: bytes) -> bytes:
    """qgs_msg_get_quote_req_t: header (version 1.0, type 0, size, no error), size of the report, no list of keys."""
    size = _MESSAGE_HEADER_BYTES + 8 + len(td_report)
    return struct.pack("<HHIIIII", 1, 0, 0, size, 0, len(td_report), 0) + td_report


def _quote_of_response(message: bytes) -> bytes:
    """qgs_msg_get_quote_resp_t: header (type 1), size of the selected key's id, size of the quote, both.

    Raises ValueError that says what was expected and got.
    """
    fixed = _MESSAGE_HEADER_BYTES + 8
    if len(message) < fixed:
        raise ValueError(f"expected at least {fixed} bytes, got {len(message)}")
    major, _, kind, size, problem, id_size, quote_size = struct.unpack_from("<HHIIIII", message)
    if (major, kind) != (1, 1):
        raise ValueError(f"expected message type 1 of version 1, got type {kind} of version {major}")
    if problem:
        raise ValueError(f"expected no error, got {problem:#x}")
    if size != len(message) or fixed + id_size + quote_size != size:
        raise ValueError(f"expected {fixed + id_size + quote_size} bytes, got {len(message)}, announced as {size}")
    return message[fixed + id_size :]


def _kernel(descriptor: int, command: int, message: bytearray) -> int:
    return int(fcntl.ioctl(descriptor, command, message, True))


_TD_REPORT_BYTES: Final = 1024
_HEADER_BYTES: Final = 24
_MESSAGE_HEADER_BYTES: Final = 16
_SHARED_BYTES: Final = 4 * 4096
_ATTEMPTS: Final = 5
_STATUS: Final = {
    0xFFFFFFFFFFFFFFFF: " (still in flight)",
    0x8000000000000000: " (error)",
    0x8000000000000001: " (the host has no quote generation service)",
}
