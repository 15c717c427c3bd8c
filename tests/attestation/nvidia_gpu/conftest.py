"""What the tests of NVIDIA evidence share: a simulated vendor, and vectors of real devices."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from attestation.anchors import Anchor, TrustAnchors
from attestation.evidence import Evidence
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import evidence_of_files
from attestation.nvidia_gpu.roots import GENUINE_ROOTS
from attestation.simulation.nvidia import SimulatedNvidia, new_nvidia

VECTORS = Path(__file__).parents[2] / "vectors" / "nvidia_gpu"


@dataclass(frozen=True)
class GpuCase:
    """A real device's evidence; `facts` is its case.json."""

    facts: dict[str, Any]
    files: dict[str, bytes]

    @property
    def evidence(self) -> Evidence:
        return evidence_of_files(self.files)

    @property
    def endorsements(self) -> NvidiaGpuEndorsements:
        return NvidiaGpuEndorsements.from_files(self.files)

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.facts["verify_at"])


@pytest.fixture(scope="session")
def gpu_case() -> Callable[[str | Path], GpuCase]:
    """A case of tests/vectors/nvidia_gpu by the start of its name, or of any folder."""

    def find(name: str | Path) -> GpuCase:
        folder = name if isinstance(name, Path) else next(VECTORS.glob(f"{name}*"))
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        return GpuCase(json.loads(files["case.json"]), files)

    return find


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def nvidia(now: datetime) -> SimulatedNvidia:
    return new_nvidia(now)


@pytest.fixture(scope="session")
def other_nvidia(now: datetime) -> SimulatedNvidia:
    """Another simulated vendor, whom nobody trusts."""
    return new_nvidia(now)


@pytest.fixture(scope="session")
def genuine_anchors() -> tuple[Anchor, ...]:
    return tuple(Anchor(x509.load_pem_x509_certificate(pem), simulated=False) for pem in GENUINE_ROOTS)


@pytest.fixture(scope="session")
def anchors(nvidia: SimulatedNvidia, genuine_anchors: tuple[Anchor, ...]) -> tuple[Anchor, ...]:
    """NVIDIA's own roots and the simulated ones."""
    trust = TrustAnchors(genuine_anchors)
    for pem in nvidia.trust_pems:
        trust = trust.with_simulated(pem)
    return trust.anchors
