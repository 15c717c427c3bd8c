"""The ioctls of /dev/tdx_guest, Occlum's /dev/sgx and /dev/sev-guest (keys), with the memory that they point to."""

import ctypes
import errno
import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

GET_REPORT0 = 0xC4405401
GET_QUOTE = 0x80105404
OCCLUM_SIZE = 0x80047307
OCCLUM_QUOTE = 0xC0187308
SNP_GET_DERIVED_KEY = 0xC0205301
HEADER = 24


@dataclass
class FakeTdxGuest:
    """make: a quote for 64 bytes.  interruptions: errno values of the first GetQuote calls."""

    make: Callable[[bytes], bytes]
    interruptions: list[int] = field(default_factory=list)
    status: int = 0
    quotes: bool = True
    change: Callable[[bytes], bytes] = lambda message: message

    def __call__(self, descriptor: int, command: int, message: bytearray) -> int:
        os.fstat(descriptor)
        if command == GET_REPORT0:
            message[64:] = b"TDREPORT" + bytes(message[:64]) + bytes(1024 - 72)
            return 0
        if command != GET_QUOTE or not self.quotes:
            raise _error(errno.ENOTTY)
        if self.interruptions:
            raise _error(self.interruptions.pop(0))
        address, length = struct.unpack("<QQ", message)
        version, status, in_length, out_length = struct.unpack("<QQII", ctypes.string_at(address, HEADER))
        asked = ctypes.string_at(address + HEADER, in_length)
        assert (1, 0, 0) == (version, status, out_length)
        assert int.from_bytes(asked[:4], "big") == in_length - 4 == len(asked) - 4
        major, minor, kind, size, problem, report_size, id_size = struct.unpack_from("<HHIIIII", asked, 4)
        assert (1, 0, 0, in_length - 4, 0, 1024, 0) == (major, minor, kind, size, problem, report_size, id_size)
        report = asked[28:]
        assert report.startswith(b"TDREPORT")
        quote = self.make(report[8:72])
        answer = self.change(struct.pack("<HHIIIII", 1, 0, 1, 24 + len(quote), 0, 0, len(quote)) + quote)
        answer = len(answer).to_bytes(4, "big") + answer
        assert HEADER + len(answer) <= length
        ctypes.memmove(
            address, struct.pack("<QQII", 1, self.status, in_length, len(answer)) + answer, HEADER + len(answer)
        )
        return 0


@dataclass
class FakeOcclum:
    """make: a quote for 64 bytes.  room: bytes that Occlum says a quote needs, more than it has."""

    make: Callable[[bytes], bytes]
    room: int = 8192
    problem: int = 0

    def __call__(self, descriptor: int, command: int, message: bytearray) -> int:
        os.fstat(descriptor)
        if self.problem:
            raise _error(self.problem)
        if command == OCCLUM_SIZE:
            message[:] = self.room.to_bytes(4, "little")
            return 0
        assert OCCLUM_QUOTE == command
        data, length, quote = struct.unpack("<QQQ", message)
        (room,) = struct.unpack("<I", ctypes.string_at(length, 4))
        made = self.make(ctypes.string_at(data, 64))
        assert len(made) <= room
        ctypes.memmove(quote, made, len(made))
        ctypes.memmove(length, struct.pack("<I", len(made)), 4)
        return 0


@dataclass
class FakeKeySource:
    """A chip that derives keys of what the guest selects.  interruptions: errno values of the first calls."""

    measurement: bytes
    policy: int = 0x30000
    chip: bytes = b"chip"
    interruptions: list[int] = field(default_factory=list)
    firmware_error: int = 0
    status: int = 0

    def __call__(self, handle: int, command: int, message: bytearray) -> int:
        os.fstat(handle)
        assert SNP_GET_DERIVED_KEY == command
        version, request, response, _ = struct.unpack("<B7xQQQ", message)
        assert 1 == version
        if self.interruptions:
            raise _error(self.interruptions.pop(0))
        if self.firmware_error:
            struct.pack_into("<Q", message, 24, self.firmware_error)
            raise _error(errno.EIO)
        root, _, fields, vmpl, svn, tcb = struct.unpack("<IIQIIQ", ctypes.string_at(request, 32))
        mixed = self.chip + struct.pack("<IQIIQ", root, fields, vmpl, svn, tcb)
        mixed += struct.pack("<Q", self.policy) if fields & 1 else b""
        mixed += self.measurement if fields & 8 else b""
        key = bytes(32) if self.status else hashlib.sha256(mixed).digest()
        ctypes.memmove(response, struct.pack("<I28x", self.status) + key, 64)
        return 0


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
