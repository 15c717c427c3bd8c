"""How do we ask Occlum?  Two ioctls of its own /dev/sgx, which is not the driver's device of the same name.

Source: Occlum, demos/remote_attestation/dcap, dcap_lib/dcap.h (sgxioc_gen_dcap_quote_arg_t).
"""

import ctypes
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attestation.binding import whole_report_data
from attestation.collect.quotes import quote_over
from attestation.collect.sealing import refuse
from attestation.errors import NoDevice
from attestation.evidence import MAX_EVIDENCE_BYTES, Evidence
from attestation.kinds import Kind

DEVICE: Final = Path("/dev/sgx")
GET_DCAP_QUOTE_SIZE: Final = 0x80047307
"""_IOR('s', 7, uint32_t)"""
GEN_DCAP_QUOTE: Final = 0xC0187308
"""_IOWR('s', 8, sgxioc_gen_dcap_quote_arg_t)"""

Ioctl = Callable[[int, int, bytearray], int]


class QuoteArguments(ctypes.Structure):
    """sgxioc_gen_dcap_quote_arg_t: addresses of the report data, of the length (u32, in and out) and of the quote."""

    _fields_ = (
        ("report_data", ctypes.c_uint64),
        ("quote_length", ctypes.c_uint64),
        ("quote", ctypes.c_uint64),
    )


class OcclumDevice:
    """Asks Occlum, the library operating system around us in an SGX enclave."""

    kind: Final = Kind.SGX

    def __init__(self, device: Path = DEVICE, ioctl: Ioctl | None = None) -> None:
        """ioctl: what asks Occlum, `fcntl.ioctl` for real."""
        self._device = device
        self._ioctl: Ioctl = ioctl or _occlum

    def usable(self) -> str:
        """Empty, or why not."""
        if self._device.is_dir():
            return f"{self._device} is the SGX driver's folder: this program does not run under Occlum"
        if not self._device.exists():
            return f"{self._device} does not exist: this program does not run under Occlum"
        try:
            descriptor = self._open()
        except NoDevice as error:
            return str(error)
        try:
            self._quote_size(descriptor)
        except NoDevice as error:
            return str(error)
        finally:
            os.close(descriptor)
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        """A quote over 64 bytes of report data.  Raises NoDevice if Occlum does not give one."""
        whole_report_data(report_data)
        descriptor = self._open()
        try:
            size = self._quote_size(descriptor)
            data = ctypes.create_string_buffer(report_data, len(report_data))
            length, quote = ctypes.c_uint32(size), ctypes.create_string_buffer(size)
            asked = bytearray(QuoteArguments(ctypes.addressof(data), ctypes.addressof(length), ctypes.addressof(quote)))
            self._call(descriptor, GEN_DCAP_QUOTE, asked, "a quote")
        finally:
            os.close(descriptor)
        return quote_over(quote.raw[: min(length.value, size)], Kind.SGX, report_data, str(self._device))

    def sealing_key(self, mode: str) -> bytes:
        """Raises NoSealingKey."""
        refuse(Kind.SGX, mode)

    def _open(self) -> int:
        try:
            return os.open(self._device, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NoDevice(f"{self._device}: expected to open it, got {error.strerror}") from error

    def _quote_size(self, descriptor: int) -> int:
        answer = bytearray(4)
        self._call(descriptor, GET_DCAP_QUOTE_SIZE, answer, "the size of a quote")
        size = int.from_bytes(answer, "little")
        if not 0 < size <= MAX_EVIDENCE_BYTES:
            raise NoDevice(f"{self._device}: expected a quote of 1 to {MAX_EVIDENCE_BYTES} bytes, got {size}")
        return size

    def _call(self, descriptor: int, command: int, message: bytearray, what: str) -> None:
        try:
            self._ioctl(descriptor, command, message)
        except OSError as error:
            raise NoDevice(f"{self._device}: expected {what}, got {error.strerror}") from error


def _occlum(descriptor: int, command: int, message: bytearray) -> int:
    return int(fcntl.ioctl(descriptor, command, message, True))
