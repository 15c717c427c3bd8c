"""A Nitro Security Module as the kernel shows it: one ioctl with addresses of a request and a response."""

import ctypes
import errno
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import cbor2

from attestation.simulation.aws import NitroEnclave, SimulatedAws

NSM_IOCTL_RAW = 0xC0200A00


class FakeNsm:
    """Answers `fcntl.ioctl`.  interruptions: errno values that the first calls end with."""

    def __init__(self, aws: SimulatedAws, enclave: NitroEnclave, now: datetime) -> None:
        self.aws = aws
        self.enclave = enclave
        self.now = now
        self.interruptions: list[int] = []
        self.answer: Mapping[str, Any] | bytes | None = None
        self.calls = 0

    def ioctl(self, descriptor: int, request: int, message: ctypes.Structure) -> int:
        self.calls += 1
        os.fstat(descriptor)  # EBADF for a descriptor that is not open
        if request != NSM_IOCTL_RAW:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        if self.interruptions:
            number = self.interruptions.pop(0)
            raise OSError(number, os.strerror(number))
        raw = ctypes.string_at(message.request_address, message.request_length)
        answer = self.answer if self.answer is not None else self._handle(cbor2.loads(raw))
        encoded = answer if isinstance(answer, bytes) else cbor2.dumps(answer)
        message.response_length = min(message.response_length, len(encoded))  # the kernel cuts what does not fit
        ctypes.memmove(message.response_address, encoded, message.response_length)
        return 0

    def _handle(self, request: Any) -> Mapping[str, Any]:
        if set(request) != {"Attestation"}:
            return {"Error": "InvalidOperation"}
        user_data = request["Attestation"]["user_data"]
        if user_data is not None and len(user_data) > 512:
            return {"Error": "InputTooLarge"}
        return {"Attestation": {"document": self.aws.document(self.enclave, user_data, now=self.now).raw}}
