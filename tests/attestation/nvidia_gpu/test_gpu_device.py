"""A GPU is asked through NVML: a stand-in that fills the same structures and fails with the same numbers."""

import ctypes
from typing import Any

import pytest

from attestation.binding import Bound
from attestation.errors import NoDevice
from attestation.nvidia_gpu.device import GpuAttestationReport, GpuCertificate, NvidiaGpuDevice
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier
from tests.fakes.nvml import StandIn

REPORT_DATA = bytes(range(64))


def test_evidence_of_a_gpu_is_bound_to_the_first_half_of_report_data(nvidia, anchors, now) -> None:
    library = StandIn(nvidia.gpu)
    device = NvidiaGpuDevice(open_library=lambda: library)

    assert "" == device.usable()
    evidence = device.issue(REPORT_DATA)

    verification = NvidiaGpuVerifier(anchors, NvidiaGpuEndorsements.none()).verify(
        evidence, Bound(REPORT_DATA, "report data"), now=now
    )
    assert verification.genuine
    assert "nvmlShutdown" == library.calls[-1]


def no_library() -> Any:
    raise OSError("libnvidia-ml.so.1: cannot open shared object file: No such file or directory")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"count": 0}, "expected a GPU with index 0, got 0 GPUs"),
        ({"fails": {"nvmlInit_v2": 9}}, "nvmlInit_v2 failed with 9: the driver is not loaded"),
        ({"fails": {"nvmlDeviceGetHandleByIndex_v2": 4}}, "failed with 4: permission was denied"),
    ],
)
def test_a_gpu_that_cannot_be_used_says_why(nvidia, change: dict, sentence: str) -> None:
    device = NvidiaGpuDevice(open_library=lambda: StandIn(nvidia.gpu, **change))

    assert sentence in device.usable()
    with pytest.raises(NoDevice, match=sentence):
        device.issue(REPORT_DATA)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"fails": {"nvmlDeviceGetConfComputeGpuAttestationReport": 3}},
            "failed with 3: the GPU or driver does not support it",
        ),
        ({"fails": {"nvmlDeviceGetConfComputeGpuCertificate": -1}}, "is missing: the driver is too old"),
        ({"report_size": 0}, "expected a report of 1 to 8192 bytes, got 0"),
        ({"report_size": 9000}, "expected a report of 1 to 8192 bytes, got 9000"),
    ],
)
def test_a_gpu_that_gives_no_report_says_why(nvidia, change: dict, sentence: str) -> None:
    library = StandIn(nvidia.gpu, **change)

    with pytest.raises(NoDevice, match=sentence):
        NvidiaGpuDevice(open_library=lambda: library).issue(REPORT_DATA)
    assert "nvmlInit_v2" == library.calls[0]


def test_without_the_drivers_library_there_is_no_device() -> None:
    device = NvidiaGpuDevice(open_library=no_library)

    assert "libnvidia-ml.so.1 cannot be loaded" in device.usable()
    with pytest.raises(NoDevice, match="cannot be loaded"):
        device.issue(REPORT_DATA)
    with pytest.raises(ValueError, match="expected 64 bytes, got 3"):
        device.issue(b"abc")


def test_the_structures_are_as_large_as_nvmls() -> None:
    """nvml.h: two numbers and 0x1000 + 0x1400 bytes; three numbers, 32 bytes, 0x2000 + 0x1000 bytes."""
    assert 8 + 0x2400 == ctypes.sizeof(GpuCertificate)
    assert 12 + 32 + 0x3000 == ctypes.sizeof(GpuAttestationReport)
