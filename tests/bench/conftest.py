"""Figures of a run that never was, for the tests of what is shown."""

import pytest

from bench.figures import Activation, Case, Figures, Growth, Past, Start, Status, Verification
from bench.report import Run

CASES = (Case(10, 0, False), Case(10, 100, False), Case(10, 1000, False), Case(1000, 1000, True))


@pytest.fixture
def figures() -> Figures:
    return Figures(
        unit_ms=1.1,
        activations=[Activation(case, 8, 500, 4.4, 4.0, 180.0, 40.0, 70.0, 2.5, 88.0, (4.3, 4.5)) for case in CASES],
        statuses=[Status(CASES[0], 1.6, 1.5, 400.0, 15.0, 30.0), Status(CASES[-1], 1.6, 1.5, 400.0, 15.0, 30.0)],
        growth=[Growth(100, 4.6, 4.2, 90.0, 300_000), Growth(5000, 4.5, 4.1, 95.0, 9_000_000)],
        pasts=[
            Past(CASES[-1], recorded, 900.0, 700.0, 4.7, 4.3, 170.0, 99.0, 2_000_000, 5600 * recorded)
            for recorded in (0, 100_000)
        ],
        starts=[Start("first start, empty", 700.0, 500.0, 70.0)],
        verifications=[
            Verification("sgx", 1.0, 0.9, 4.0, 2.0, "dcap-qvl", 3.0),
            Verification("nitro", 1.1, 1.0, 5.0, 5.0, "", None),
        ],
        empty_mb=70.0,
        rest_mb=75.0,
    )


@pytest.fixture
def run() -> Run:
    machine: dict[str, object] = {
        "cpu": "a processor",
        "cores": 2,
        "memory_gb": 24.0,
        "system": "Linux",
        "python": "3.11",
        "python_loop_ms": 28.0,
        "cryptography": "50",
        "openssl": "OpenSSL 4",
        "load_at_start": 0.5,
    }
    return Run("2026-11-25T01:00:00+00:00", machine, "abc1234", quick=False, profiled=False)
