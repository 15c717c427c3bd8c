"""How do we ask an NVIDIA GPU?  Through NVML, the driver's own library; the only file of this room with I/O.

Source: NVIDIA NVML API reference, confidential computing (nvml.h: sizes and structures).
"""

import ctypes
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from attestation.binding import whole_report_data
from attestation.errors import NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu.format import NONCE_BYTES, pack

LIBRARY: Final = "libnvidia-ml.so.1"
_SUCCESS: Final = 0
_ERRORS: Final = {
    1: "the library is not initialized",
    3: "the GPU or driver does not support it",
    4: "permission was denied",
    9: "the driver is not loaded",
    15: "the GPU has fallen off the bus",
    999: "an unknown error",
}


class GpuCertificate(ctypes.Structure):
    """nvmlConfComputeGpuCertificate_t"""

    _fields_ = (
        ("cert_chain_size", ctypes.c_uint),
        ("attestation_cert_chain_size", ctypes.c_uint),
        ("cert_chain", ctypes.c_ubyte * 0x1000),
        ("attestation_cert_chain", ctypes.c_ubyte * 0x1400),
    )


class GpuAttestationReport(ctypes.Structure):
    """nvmlConfComputeGpuAttestationReport_t"""

    _fields_ = (
        ("is_cec_attestation_report_present", ctypes.c_uint),
        ("attestation_report_size", ctypes.c_uint),
        ("cec_attestation_report_size", ctypes.c_uint),
        ("nonce", ctypes.c_ubyte * NONCE_BYTES),
        ("attestation_report", ctypes.c_ubyte * 0x2000),
        ("cec_attestation_report", ctypes.c_ubyte * 0x1000),
    )


OpenLibrary: TypeAlias = Callable[[], Any]


def _open_library() -> Any:
    return ctypes.CDLL(LIBRARY)


class NvidiaGpuDevice:
    """One GPU of this machine.

    index: NVML's.  open_library: gives the loaded library, or raises OSError.
    """

    kind = Kind.NVIDIA_GPU
    simulated = False

    def __init__(self, index: int = 0, open_library: OpenLibrary = _open_library) -> None:
        self._index = index
        self._open_library = open_library

    def usable(self) -> str:
        """Empty if evidence can be had here, else why not."""
        try:
            library = self._open_library()
            with _Session(library) as session:
                session.handle(self._index)
        except OSError as error:
            return f"{LIBRARY} cannot be loaded: {error}"
        except NoDevice as error:
            return str(error)
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence for 64 bytes of report data, of which the GPU takes the first 32 as its nonce.

        Raises NoDevice if the GPU does not answer, ValueError for another length.
        """
        whole_report_data(report_data)
        try:
            library = self._open_library()
        except OSError as error:
            raise NoDevice(f"{LIBRARY} cannot be loaded: {error}") from error
        with _Session(library) as session:
            handle = session.handle(self._index)
            certificate, report = GpuCertificate(), GpuAttestationReport()
            ctypes.memmove(report.nonce, report_data[:NONCE_BYTES], NONCE_BYTES)
            session.call("nvmlDeviceGetConfComputeGpuCertificate", handle, ctypes.byref(certificate))
            session.call("nvmlDeviceGetConfComputeGpuAttestationReport", handle, ctypes.byref(report))
        chain = _taken(certificate.attestation_cert_chain, certificate.attestation_cert_chain_size, "chain")
        measurements = _taken(report.attestation_report, report.attestation_report_size, "report")
        return Evidence(Kind.NVIDIA_GPU, pack(measurements, chain.rstrip(b"\0")))


def all_devices(open_library: OpenLibrary = _open_library) -> tuple[NvidiaGpuDevice, ...]:
    """Every GPU of this machine.  Raises NoDevice if there is none, or the driver's library cannot be used."""
    try:
        library = open_library()
    except OSError as error:
        raise NoDevice(f"{LIBRARY} cannot be loaded: {error}") from error
    with _Session(library) as session:
        count = session.count()
    if count == 0:
        raise NoDevice("NVML: expected a GPU, got none")
    return tuple(NvidiaGpuDevice(index, open_library) for index in range(count))


class _Session:
    """NVML from init to shutdown; every call that fails raises NoDevice with NVML's reason."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __enter__(self) -> "_Session":
        self.call("nvmlInit_v2")
        return self

    def __exit__(self, *_reason: object) -> None:
        self._library.nvmlShutdown()

    def count(self) -> int:
        """How many GPUs there are."""
        count = ctypes.c_uint()
        self.call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return count.value

    def handle(self, index: int) -> ctypes.c_void_p:
        """The GPU with this index."""
        if index >= (count := self.count()):
            raise NoDevice(f"NVML: expected a GPU with index {index}, got {count} GPUs")
        handle = ctypes.c_void_p()
        self.call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
        return handle

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the library.  Raises NoDevice if it is not there, or fails."""
        try:
            function = getattr(self._library, name)
        except AttributeError as error:
            raise NoDevice(f"NVML: {name} is missing: the driver is too old for confidential computing") from error
        result = function(*arguments)
        if result != _SUCCESS:
            raise NoDevice(f"NVML: {name} failed with {result}: {_ERRORS.get(result, 'see nvmlReturn_t')}")


def _taken(buffer: Any, size: int, what: str) -> bytes:
    """The first `size` bytes, which NVML says it has written."""
    if not 0 < size <= len(buffer):
        raise NoDevice(f"NVML: expected a {what} of 1 to {len(buffer)} bytes, got {size}")
    return bytes(buffer[:size])
