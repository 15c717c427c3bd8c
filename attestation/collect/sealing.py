"""Which environments have sealing keys, and what to do where there are none."""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from attestation.errors import NoSealingKey
from attestation.kinds import Kind

SEV_GUEST: Final = Path("/dev/sev-guest")
DISABLED_HINT: Final = "set Config/SealMode to Disabled: the state then lives in memory only"

Ioctl = Callable[[int, int, bytearray], int]


def check_mode(mode: str) -> None:
    """Raises ValueError unless the mode is one that has a key."""
    if mode not in ("ProductKey", "UniqueKey"):
        raise ValueError(f"sealing mode: expected ProductKey or UniqueKey, got '{mode}'")


def refuse(kind: Kind, mode: str) -> NoReturn:
    """Raises NoSealingKey, with the reason of this kind; ValueError for a mode that nobody knows."""
    check_mode(mode)
    raise NoSealingKey(f"sealing key {mode}: {_REASONS.get(kind, _NO_REASON)}; {DISABLED_HINT}")


class SnpDerivedKey:
    """Keys that an AMD Secure Processor derives for a guest, through /dev/sev-guest.

    Source: AMD SEV-SNP Firmware ABI (56860), MSG_KEY_REQ; Linux include/uapi/linux/sev-guest.h, SNP_GET_DERIVED_KEY.
    """

    def __init__(self, device: Path = SEV_GUEST, ioctl: Ioctl | None = None) -> None:
        """ioctl: what asks the kernel, `fcntl.ioctl` for real."""
        self._device = device
        self._ioctl: Ioctl = ioctl or _kernel

    def __call__(self, mode: str) -> bytes:
        """32 bytes that this chip gives to guests of the same launch measurement and policy only ("UniqueKey").

        The policy is part of the key, so that a debuggable guest of the same measurement gets another one.  There is
        no "ProductKey": family and image id, the names of a product, are chosen by whoever starts a guest.
        Raises NoSealingKey.
        """
        check_mode(mode)
        if mode == "ProductKey":
            raise NoSealingKey(
                "sealing key ProductKey: SEV-SNP knows no signer of a program that its host cannot choose; "
                "set Config/SealMode to UniqueKey"
            )
        try:
            handle = os.open(self._device, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NoSealingKey(
                f"sealing key {mode}: {self._device} cannot be opened ({error.strerror}): load the sev-guest driver "
                f"and let this user open it, or {DISABLED_HINT}"
            ) from error
        try:
            return self._derive(handle)
        finally:
            os.close(handle)

    def _derive(self, handle: int) -> bytes:
        request = bytearray(struct.pack("<IIQIIQ", _ROOT_KEY_VCEK, 0, _POLICY | _MEASUREMENT, 0, 0, 0))
        response = bytearray(_RESPONSE_BYTES)
        asked = (ctypes.c_char * len(request)).from_buffer(request)
        answer = (ctypes.c_char * len(response)).from_buffer(response)
        for attempt in range(_ATTEMPTS):
            message = bytearray(struct.pack("<B7xQQQ", 1, ctypes.addressof(asked), ctypes.addressof(answer), 0))
            try:
                self._ioctl(handle, SNP_GET_DERIVED_KEY, message)
                break
            except OSError as error:
                if error.errno in (errno.EBUSY, errno.EAGAIN, errno.EINTR) and attempt + 1 < _ATTEMPTS:
                    continue
                (code,) = struct.unpack_from("<Q", message, 24)
                raise NoSealingKey(
                    f"{self._device}: expected a derived key, got {error.strerror}, "
                    f"firmware error {code & 0xFFFFFFFF:#x}, host error {code >> 32:#x}"
                ) from error
        (status,) = struct.unpack_from("<I", response, 0)
        key = bytes(response[_KEY_OFFSET : _KEY_OFFSET + 32])
        if status or not any(key):
            raise NoSealingKey(f"{self._device}: expected a derived key, got status {status:#x}")
        return key


def _kernel(handle: int, command: int, message: bytearray) -> int:
    return int(fcntl.ioctl(handle, command, message, True))


SNP_GET_DERIVED_KEY: Final = 3 << 30 | 32 << 16 | ord("S") << 8 | 1
"""_IOWR('S', 1, struct snp_guest_request_ioctl)"""
_ROOT_KEY_VCEK: Final = 0
_POLICY: Final = 1 << 0
_MEASUREMENT: Final = 1 << 3
_RESPONSE_BYTES: Final = 64
_KEY_OFFSET: Final = 32
_ATTEMPTS: Final = 5
_NO_REASON: Final = "this environment has none"
_REASONS: Final[Mapping[Kind, str]] = {
    Kind.SGX: "this interface hands out no SGX key, only Gramine's does",
    Kind.TDX: "a TDX module derives no key for a trust domain",
    Kind.NITRO: "a Nitro enclave has none, AWS keeps such keys in its key management service",
    Kind.CCA: "the realm management monitor hands out none",
    Kind.AZURE_VTPM: "this version takes none from the vTPM, whose contents the host keeps",
    Kind.NVIDIA_GPU: "a GPU runs no program of its own",
}
