"""The marble's own distribution, installed alone: no click, no aiohttp, no CBOR, and still the whole activation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.coordinator_process import start

PROJECT = Path(__file__).parents[2]
PROGRAM = """\
import os
from marble.mesh import Identity
Identity.from_environ().server_context()
print(os.environ["GREETING"])
"""
MANIFEST = """\
Packages:
  hello:
    TDX:
      MRTD: "{mrtd}"
Marbles:
  hello:
    Package: hello
    Parameters:
      Env:
        GREETING: "given by the manifest"
"""


def done(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ENCLASP", "EDG"))}
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, env=inherited | environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the built wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=PROJECT / "packaging" / "marble",
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named hatchling" in built.stderr:
        pytest.skip("hatchling is not installed, so no wheel can be built")
    assert 0 == built.returncode, built.stderr
    assert 0 == done(sys.executable, "-m", "venv", folder / "venv").returncode
    wheel = next(folder.glob("*.whl"))
    got = done(folder / "venv/bin/pip", "install", "--quiet", "--retries", "0", "--timeout", "5", wheel)
    if got.returncode != 0:
        pytest.skip(f"no package registry answers: {got.stderr.strip()[-200:]}")
    return folder / "venv" / "bin"


def test_the_marble_joins_with_its_own_distribution_alone_and_refuses_another_coordinator(
    installed: Path, tmp_path: Path
) -> None:
    program = tmp_path / "hello.py"
    program.write_text(PROGRAM)
    measured = done(
        installed / "python",
        "-c",
        "import sys; from attestation.simulation.measure import measure_program;"
        "print(measure_program(sys.argv[1:]).mrtd.hex())",
        installed / "python",
        program,
    )
    assert 0 == measured.returncode, measured.stderr
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST.format(mrtd=measured.stdout.strip()))
    coordinator = start(tmp_path / "coordinator")
    try:
        reference = {
            "ENCLASP_COORDINATOR_REFERENCE": str(coordinator.reference),
            "ENCLASP_COORDINATOR_TRUST": str(coordinator.trust),
            "ENCLASP_COORDINATOR_COLLATERAL": str(coordinator.collateral),
        }
        setting = ("manifest", "set", manifest, coordinator.client_address)
        given = done(sys.executable, "-m", "coordinator", *setting, PYTHONPATH=str(PROJECT), **reference)
        assert 0 == given.returncode, given.stderr
        marble = reference | {
            "ENCLASP_SIMULATION": str(coordinator.folder / "simulation"),
            "EDG_MARBLE_COORDINATOR_ADDR": coordinator.mesh_address,
            "EDG_MARBLE_UUID_FILE": str(tmp_path / "uuid"),
        }
        launch = (installed / "enclasp-marble", "--type", "hello", "--", installed / "python", program)

        joined = done(*launch, **marble)

        assert (0, "given by the manifest\n") == (joined.returncode, joined.stdout), joined.stderr
        assert "the coordinator is verified: SIMULATED tdx" in joined.stderr

        other = tmp_path / "other.json"
        other.write_text('{"TDX": {"MRTD": "' + "07" * 48 + '"}}')
        refused = done(*launch, **marble | {"ENCLASP_COORDINATOR_REFERENCE": str(other)})

        assert (4, "") == (refused.returncode, refused.stdout)
        assert "A262" in refused.stderr
    finally:
        coordinator.stop()
