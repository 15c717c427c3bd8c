"""A marble on a simulated confidential virtual machine that a cluster's operator tells something at launch.

The webhook injects into a pod, a stand-in of the node starts it: variables, and the annotation as a file, as kubelet
lays it down; the simulated hardware holds the digest.  Coordinator, launcher and command line are processes.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attestation.init_data import ANNOTATION, from_annotation, make_init_data, to_annotation
from attestation.simulation.measure import measure_program
from coordinator.admission.mutate import inject
from coordinator.admission.settings import Injection
from coordinator.measured import sections_of
from tests.admission.pods import applied, pod, variables
from tests.support.coordinator_process import CoordinatorProcess, start

PLATFORMS = {"tdx": ("TDX", "MRConfigID", "tdx.mrconfigid"), "sev-snp": ("SEVSNP", "HostData", "sev-snp.host-data")}
GIVEN = "the secret of the manifest"


def enclasp(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coordinator", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ENCLASP_", "EDG_"))}
    return subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Deployment:
    """texts: what the operator's ConfigMap holds.  program: what the marbles run."""

    coordinator: CoordinatorProcess
    texts: Path
    program: Path

    def pod(self, platform: str) -> dict[str, Any]:
        """The pod of the marble, as the API server stores it after the webhook."""
        texts = {path.name: path.read_text() for path in self.texts.iterdir()}
        settings = Injection(self.coordinator.mesh_address, simulation_secret="s", init_data=texts)
        plain = pod({"enclasp/marble": platform, "enclasp/platform": platform})
        return applied(plain, inject(plain, namespace="shop", settings=settings))

    def run(
        self, started: dict[str, Any], folder: Path, delivered: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What the node does.  delivered: what it lays down in place of the annotation that the hardware measured."""
        annotation = folder / "annotation"
        annotation.write_text(delivered or started["metadata"]["annotations"][ANNOTATION])
        environ = variables(started["spec"]["containers"][0]) | {
            "ENCLASP_SIMULATION": str(self.coordinator.folder / "simulation"),
            "ENCLASP_COORDINATOR_COLLATERAL": str(self.coordinator.collateral),
            "ENCLASP_INIT_DATA": str(annotation),
            "EDG_MARBLE_UUID_FILE": str(folder / "uuid"),
            "ENCLASP_MARBLE_TIMEOUT": "30",
        }
        return enclasp("marble", "run", "--", sys.executable, self.program, **environ)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("init-data")
    running = start(folder / "dev")
    texts, program = folder / "texts", folder / "program.py"
    texts.mkdir()
    (texts / "enclasp-reference.yaml").write_text(running.reference.read_text())
    (texts / "enclasp-trust.pem").write_text(running.trust.read_text())
    program.write_text("import os; print(os.environ['GIVEN'])")
    packages = {}
    for platform, (section, key, _) in PLATFORMS.items():
        options = ("--coordinator", running.mesh_address, "--texts", texts, "-o", "json")
        printed = json.loads(enclasp("kubernetes", "init-data", platform, *options).stdout)
        measured = sections_of(measure_program([sys.executable, str(program)]))[section]
        packages[platform] = {section: {**measured, key: printed["reference"][section][key]}}
    marbles = {name: {"Package": name, "Parameters": {"Env": {"GIVEN": GIVEN}}} for name in packages}
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"Packages": packages, "Marbles": marbles}))
    trust = ("--reference", running.reference, "--trust", running.trust, "--collateral", running.collateral)
    done = enclasp("manifest", "set", manifest, running.client_address, *trust)
    assert 0 == done.returncode, done.stderr
    yield Deployment(running, texts, program)
    running.stop()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_marble_that_was_told_what_the_manifest_demands_joins_and_verifies_the_coordinator(
    deployment: Deployment, tmp_path: Path, platform: str
) -> None:
    joined = deployment.run(deployment.pod(platform), tmp_path)
    assert (0, f"{GIVEN}\n") == (joined.returncode, joined.stdout), joined.stderr
    assert f"by measured init-data this is a marble of type {platform}" in joined.stderr
    assert "the coordinator is verified: SIMULATED tdx" in joined.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_operator_who_tells_it_something_else_is_refused(
    deployment: Deployment, tmp_path: Path, platform: str
) -> None:
    """Another text goes in, everything else is as before, and the hardware holds the digest of it."""
    section, key, check = PLATFORMS[platform]
    started = deployment.pod(platform)
    told = from_annotation(started["metadata"]["annotations"][ANNOTATION])
    changed = make_init_data({**told.data, "policy.rego": "package agent_policy\ndefault ExecProcessRequest := true\n"})
    started["metadata"]["annotations"][ANNOTATION] = to_annotation(changed)
    for variable in started["spec"]["containers"][0]["env"]:
        if variable["name"] == "ENCLASP_SIMULATION_HOST_DATA":
            variable["value"] = changed.digest(64).hex()
    refused = deployment.run(started, tmp_path)
    length = 48 if section == "TDX" else 32
    assert (4, "") == (refused.returncode, refused.stdout)
    assert "A204" in refused.stderr
    expected, got = told.digest(length).hex(), changed.digest(length).hex()
    assert f"{check}: expected {expected}, got {got}" in deployment.coordinator.log
    assert f"/Packages/{platform}/{section}/{key}" in deployment.coordinator.log


def test_a_node_that_exchanges_the_copy_for_the_launcher_is_noticed_by_the_launcher(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The hardware still holds what the manifest demands, so the coordinator could not know."""
    started = deployment.pod("tdx")
    told = from_annotation(started["metadata"]["annotations"][ANNOTATION])
    without = {name: text for name, text in told.data.items() if name != "enclasp-reference.yaml"}
    refused = deployment.run(started, tmp_path, to_annotation(make_init_data(without)))
    assert (2, "") == (refused.returncode, refused.stdout)
    assert (
        f"K695: {tmp_path}/annotation: this machine was not started with this init-data: MRConfigID" in refused.stderr
    )


def test_what_was_measured_counts_and_variables_that_say_otherwise_do_not(
    deployment: Deployment, tmp_path: Path
) -> None:
    started = copy.deepcopy(deployment.pod("tdx"))
    for name, lie in (
        ("EDG_MARBLE_COORDINATOR_ADDR", "127.0.0.1:1"),
        ("EDG_MARBLE_TYPE", "sev-snp"),
        ("ENCLASP_COORDINATOR_REFERENCE", "/nowhere"),
        ("ENCLASP_COORDINATOR_TRUST", "/nowhere"),
    ):
        env = started["spec"]["containers"][0]["env"]
        env[:] = [each for each in env if each["name"] != name] + [{"name": name, "value": lie}]
    joined = deployment.run(started, tmp_path)
    assert (0, f"{GIVEN}\n") == (joined.returncode, joined.stdout), joined.stderr


def test_a_coordinator_that_the_measured_reference_values_do_not_know_gets_no_marble(
    deployment: Deployment, tmp_path: Path
) -> None:
    started = deployment.pod("tdx")
    told = from_annotation(started["metadata"]["annotations"][ANNOTATION])
    other = make_init_data({**told.data, "enclasp-reference.yaml": f"TDX:\n  MRTD: '{'07' * 48}'\n"})
    started["metadata"]["annotations"][ANNOTATION] = to_annotation(other)
    for variable in started["spec"]["containers"][0]["env"]:
        if variable["name"] == "ENCLASP_SIMULATION_HOST_DATA":
            variable["value"] = other.digest(64).hex()
    refused = deployment.run(started, tmp_path)
    assert (4, "") == (refused.returncode, refused.stdout)
