"""A stand-in for NVIDIA's driver library: it fills the same structures and fails with the same numbers."""

import ctypes
from dataclasses import dataclass, field
from typing import Any

from attestation.nvidia_gpu.device import GpuAttestationReport, GpuCertificate
from attestation.nvidia_gpu.format import parse_container
from attestation.simulation.nvidia import SimulatedGpu
from attestation.simulation.nvidia_issue import issue


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
