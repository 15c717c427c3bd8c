"""One deployment over many kinds of hardware, all simulated, every part a process: coordinator, marbles, verifier."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from attestation.simulation.measure import measure_program
from coordinator.measured import sections_of
from tests.support.coordinator_process import CoordinatorProcess, start

GPU = {"NvidiaGPU": {"RIMs": True, "MinimumDriver": "550"}}
HARDWARE: Mapping[str, Mapping[str, str]] = {
    "nitro": {"ENCLASP_SIMULATION_KIND": "nitro"},
    "cca": {"ENCLASP_SIMULATION_KIND": "cca"},
    "snp": {"ENCLASP_SIMULATION_KIND": "sev-snp"},
    "azure": {"ENCLASP_SIMULATION_KIND": "azure-vtpm"},
    "sgx": {"ENCLASP_SIMULATION_KIND": "sgx"},
    "tdx-with-gpu": {"ENCLASP_SIMULATION_KIND": "tdx", "ENCLASP_GPUS": "all"},
    "azure-with-gpu": {"ENCLASP_SIMULATION_KIND": "azure-vtpm", "ENCLASP_GPUS": "all"},
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "hello.py"
    path.write_text("import os; print(os.environ['GIVEN'])")
    return path


@pytest.fixture(scope="module")
def coordinator(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorProcess]:
    """On SEV-SNP, with a manifest that takes one marble type of each kind of hardware."""
    running = start(tmp_path_factory.mktemp("mixed") / "dev", "--platform", "sev-snp")
    manifest = running.folder / "manifest.json"
    manifest.write_text(json.dumps(document(program)))
    done = enclasp("manifest", "set", manifest, running.client_address, **reference(running))
    assert 0 == done.returncode, done.stderr
    yield running
    running.stop()


def document(program: Path) -> Any:
    measured = sections_of(measure_program([sys.executable, str(program)]))
    packages = {
        "nitro": {"Nitro": measured["Nitro"]},
        "cca": {"CCA": measured["CCA"]},
        "snp": {"SEVSNP": measured["SEVSNP"]},
        "azure": {"AzureVTPM": measured["AzureVTPM"]},
        "sgx": {"SGX": measured["SGX"]},
        "tdx-with-gpu": {"AllOf": [{"TDX": measured["TDX"]}, GPU]},
        "azure-with-gpu": {"AllOf": [{"AzureVTPM": measured["AzureVTPM"]}, GPU]},
    }
    marbles = {
        name: {"Package": name, "MaxActivations": 5, "Parameters": {"Env": {"GIVEN": f"to {name}"}}}
        for name in packages
    }
    return {"Packages": packages, "Marbles": marbles}


def enclasp(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coordinator", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ENCLASP_", "EDG_"))}
    return subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=60, check=False)


def reference(running: CoordinatorProcess) -> dict[str, str]:
    return {
        "ENCLASP_COORDINATOR_REFERENCE": str(running.reference),
        "ENCLASP_COORDINATOR_TRUST": str(running.trust),
        "ENCLASP_COORDINATOR_COLLATERAL": str(running.collateral),
    }


Join = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def join(coordinator: CoordinatorProcess, program: Path, tmp_path: Path) -> Join:
    """Run the program as a marble of a type, on some hardware; the marble verifies the coordinator first."""

    def run(marble: str, hardware: Mapping[str, str], script: Path = program) -> subprocess.CompletedProcess[str]:
        environ = {
            **reference(coordinator),
            **hardware,
            "ENCLASP_SIMULATION": str(coordinator.folder / "simulation"),
            "EDG_MARBLE_COORDINATOR_ADDR": coordinator.mesh_address,
            "EDG_MARBLE_UUID_FILE": str(tmp_path / "uuid"),
            "ENCLASP_MARBLE_TIMEOUT": "30",
        }
        return enclasp("marble", "run", "--type", marble, "--", sys.executable, script, **environ)

    return run


@pytest.mark.parametrize("marble", HARDWARE)
def test_a_marble_joins_from_its_hardware(marble: str, join: Join) -> None:
    joined = join(marble, HARDWARE[marble])

    assert (0, f"to {marble}\n") == (joined.returncode, joined.stdout), joined.stderr


@pytest.mark.parametrize(
    ("marble", "hardware", "learns"),
    [
        ("nitro", "cca", "evidence.kind: expected nitro, got cca"),
        ("cca", "snp", "evidence.kind: expected cca, got sev-snp"),
        ("tdx-with-gpu", "nitro", "evidence.kind: expected composite, got nitro"),
        ("tdx-with-gpu", "azure-with-gpu", "composite.parts: "),
    ],
)
def test_a_marble_on_other_hardware_than_the_manifest_wants_is_refused(
    marble: str, hardware: str, learns: str, join: Join, coordinator: CoordinatorProcess
) -> None:
    refused = join(marble, HARDWARE[hardware])

    assert 0 != refused.returncode
    assert "" == refused.stdout
    assert "A204" in refused.stderr
    assert learns in coordinator.log


def test_another_program_on_the_right_hardware_is_refused(join: Join, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("print('not agreed')")

    refused = join("nitro", HARDWARE["nitro"], other)

    assert 0 != refused.returncode
    assert "A204" in refused.stderr


def test_the_deployment_on_sev_snp_is_verified_live_and_from_a_file(
    coordinator: CoordinatorProcess, tmp_path: Path
) -> None:
    files = ("--trust", coordinator.trust, "--collateral", coordinator.collateral)
    wanted = ("--reference", coordinator.reference, "--manifest", coordinator.folder / "manifest.json")
    pem = tmp_path / "root.pem"
    assert "SEVSNP:" in coordinator.reference.read_text()

    live = enclasp("verify", coordinator.client_address, *files, *wanted, "-o", "json")
    assert 0 == live.returncode, live.stderr
    verified = json.loads(live.stdout)
    assert ("sev-snp", True) == (verified["platform"], verified["simulated"])
    assert 0 == enclasp("verify", coordinator.client_address, *files, *wanted, "--out", pem).returncode
    assert 0 == enclasp("verify", pem, *files, *wanted).returncode
    other = tmp_path / "reference.yaml"
    other.write_text(coordinator.reference.read_text().replace("SEVSNP", "TDX").replace("Measurement", "MRTD"))
    refused = enclasp("verify", coordinator.client_address, *files, "--reference", other)
    assert 4 == refused.returncode


@pytest.mark.parametrize(
    ("platform", "environ"),
    [("nitro", {}), ("cca", {}), ("azure-vtpm", {}), ("tdx", {"ENCLASP_GPUS": "all"})],
    ids=["nitro", "cca", "azure-vtpm", "tdx-with-gpu"],
)
def test_a_coordinator_on_any_platform_is_verified_and_joined(
    platform: str, environ: dict[str, Any], program: Path, tmp_path: Path
) -> None:
    running = start(tmp_path / "dev", "--platform", platform, **environ)
    try:
        manifest = tmp_path / "manifest.json"
        manifest.write_text(json.dumps(document(program)))
        done = enclasp("manifest", "set", manifest, running.client_address, **reference(running))
        assert 0 == done.returncode, done.stderr
        pem = tmp_path / "root.pem"
        verified = enclasp("verify", running.client_address, "--manifest", manifest, "--out", pem, **reference(running))
        assert 0 == verified.returncode, verified.stderr
        assert 0 == enclasp("verify", pem, "--manifest", manifest, **reference(running)).returncode
        marble = {
            "ENCLASP_SIMULATION": str(running.folder / "simulation"),
            "ENCLASP_SIMULATION_KIND": "nitro",
            "EDG_MARBLE_COORDINATOR_ADDR": running.mesh_address,
            "EDG_MARBLE_UUID_FILE": str(tmp_path / "uuid"),
            "ENCLASP_MARBLE_TIMEOUT": "30",
        }
        launch = ("marble", "run", "--type", "nitro", "--", sys.executable, program)
        joined = enclasp(*launch, **marble, **reference(running))
        assert (0, "to nitro\n") == (joined.returncode, joined.stdout), joined.stderr
    finally:
        running.stop()
