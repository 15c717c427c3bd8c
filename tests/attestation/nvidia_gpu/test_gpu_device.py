"""A GPU is asked through NVML: a stand-in that fills the same structures and fails with the same numbers."""

import ctypes
from dataclasses import dataclass, field
from typing import Any

import pytest

from attestation.binding import Bound
from attestation.errors import NoDevice
from attestation.nvidia_gpu.device import GpuAttestationReport, GpuCertificate, NvidiaGpuDevice
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import parse_container
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier
from attestation.simulation.nvidia import SimulatedGpu
from attestation.simulation.nvidia_issue import issue

REPORT_DATA = bytes(range(64))


@dataclass
class StandIn:
    """libnvidia-ml: sizes, order of calls, error numbers.  fails: function to number; sizes: reported instead."""

    gpu: SimulatedGpu
    count: int = 1
    fails: dict[str, int] = field(default_factory=dict)
    report_size: int | None = None
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml") or self.fails.get(name) == -1:
            raise AttributeError(name)

        def function(*arguments: Any) -> int:
            self.calls.append(name)
            if name != "nvmlInit_v2" and self.calls[0] != "nvmlInit_v2":
                return 1
            return self.fails.get(name) or getattr(self, f"_{name}", lambda *_: 0)(*arguments)

        return function

    def _nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = self.count
        return 0

    def _nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        handle._obj.value = 0x1000 + index.value
        return 0

    def _nvmlDeviceGetConfComputeGpuCertificate(self, handle: Any, out: Any) -> int:
        certificate: GpuCertificate = out._obj
        chain = self.gpu.chain_pem + b"\0"
        certificate.attestation_cert_chain_size = len(chain)
        ctypes.memmove(certificate.attestation_cert_chain, chain, len(chain))
        return 0

    def _nvmlDeviceGetConfComputeGpuAttestationReport(self, handle: Any, out: Any) -> int:
        report: GpuAttestationReport = out._obj
        measurements = parse_container(issue(self.gpu, bytes(report.nonce)).raw).measurements
        report.attestation_report_size = len(measurements) if self.report_size is None else self.report_size
        ctypes.memmove(report.attestation_report, measurements, len(measurements))
        return 0


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
