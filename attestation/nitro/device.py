"""How do we ask the hardware?  The Nitro Security Module behind /dev/nsm, with one ioctl.

Source: Linux include/uapi/linux/nsm.h (struct nsm_raw, NSM_IOCTL_RAW; needs CAP_SYS_ADMIN), drivers/misc/nsm.c;
AWS Nitro Enclaves NSM API, Request and Response (CBOR).
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attestation.binding import whole_report_data
from attestation.cbor import decode_map, encode
from attestation.errors import EvidenceFormatError, NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.format import parse_document

DEVICE: Final = Path("/dev/nsm")
NSM_IOCTL_RAW: Final = 0xC0200A00
"""_IOWR(0x0A, 0, struct nsm_raw), 32 bytes."""

MAX_REQUEST_BYTES: Final = 0x1000
MAX_RESPONSE_BYTES: Final = 0x3000
_ATTEMPTS: Final = 3

Ioctl = Callable[[int, int, ctypes.Structure], int]


class NsmRaw(ctypes.Structure):
    """struct nsm_raw: request address and length, response address and length; the kernel sets the last one."""

    _fields_ = (
        ("request_address", ctypes.c_uint64),
        ("request_length", ctypes.c_uint64),
        ("response_address", ctypes.c_uint64),
        ("response_length", ctypes.c_uint64),
    )


class NitroDevice:
    """Asks the Nitro Security Module of the enclave that we run in."""

    kind: Final = Kind.NITRO

    def __init__(self, device: Path = DEVICE, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._device = device
        self._ioctl = ioctl

    def usable(self) -> str:
        """Empty, or why there is no module to ask."""
        if not self._device.exists():
            return f"{self._device} does not exist: this is no Nitro enclave, or its kernel has no NSM driver"
        if not os.access(self._device, os.R_OK | os.W_OK):
            return f"{self._device} may not be read and written by this user"
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        """A document with these 64 bytes as user data.  Raises NoDevice if the module does not give one."""
        whole_report_data(report_data)
        answer = self._exchange({"Attestation": {"user_data": report_data, "nonce": None, "public_key": None}})
        attestation = answer.get("Attestation")
        document = attestation.get("document") if isinstance(attestation, Mapping) else None
        if not isinstance(document, bytes):
            got = f"error {answer['Error']!r:.60}" if "Error" in answer else f"fields {', '.join(map(str, answer)):.60}"
            raise NoDevice(f"{self._device}: expected an attestation document, got {got}")
        try:
            user_data = parse_document(document).user_data
        except EvidenceFormatError as error:
            raise NoDevice(
                f"{self._device}: expected an attestation document, got one that is none: {error}"
            ) from error
        if user_data != report_data:
            raise NoDevice(f"{self._device}: expected a document with our report data, got one with other user data")
        return Evidence(Kind.NITRO, document)

    def _exchange(self, request: Mapping[str, object]) -> Mapping[object, object]:
        raw = encode(request)
        if len(raw) > MAX_REQUEST_BYTES:
            raise ValueError(f"NSM request: expected at most {MAX_REQUEST_BYTES} bytes, got {len(raw)}")
        try:
            descriptor = os.open(self._device, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NoDevice(f"{self._device}: expected to open it, got {error.strerror}") from error
        try:
            answer = self._call(descriptor, raw)
        finally:
            os.close(descriptor)
        try:
            return decode_map(answer, "NSM response")
        except EvidenceFormatError as error:
            raise NoDevice(f"{self._device}: {error}") from error

    def _call(self, descriptor: int, request: bytes, attempts: int = _ATTEMPTS) -> bytes:
        """One request; again if the module is busy or a signal came in between."""
        sent = ctypes.create_string_buffer(request, len(request))
        received = ctypes.create_string_buffer(MAX_RESPONSE_BYTES)
        message = NsmRaw(ctypes.addressof(sent), len(request), ctypes.addressof(received), MAX_RESPONSE_BYTES)
        try:
            self._ioctl(descriptor, NSM_IOCTL_RAW, message)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EINTR, errno.EAGAIN) and attempts > 1:
                return self._call(descriptor, request, attempts - 1)
            hint = "; it needs CAP_SYS_ADMIN" if error.errno == errno.EPERM else ""
            raise NoDevice(f"{self._device}: expected an answer, got {error.strerror}{hint}") from error
        return received.raw[: min(message.response_length, MAX_RESPONSE_BYTES)]
