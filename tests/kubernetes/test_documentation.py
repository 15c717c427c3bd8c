"""docs/kubernetes.md, typed as it stands there: from an empty cluster to a verified deployment, and back."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.kubernetes.conftest import ROOT, Kubernetes
from tests.kubernetes.documentation import blocks

_PATIENCE_SECONDS = 120


class Terminal:
    """A shell that goes on running what was typed into it, as a group of processes that can be ended."""

    def __init__(self, kubernetes: Kubernetes, text: str, log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            command, environ = ["bash", "-euc", text], kubernetes.environ
            self.process = subprocess.Popen(
                command, stdout=file, stderr=file, env=environ, cwd=ROOT, start_new_session=True
            )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while "Forwarding from" not in log.read_text():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{text}: nothing is forwarded\n{log.read_text()}"
            time.sleep(0.05)

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)


def test_the_page_leads_from_an_empty_cluster_to_a_verified_deployment_and_leaves_nothing(
    kubernetes: Kubernetes, tmp_path: Path
) -> None:
    shutil.rmtree(ROOT / "demo-out", ignore_errors=True)
    before = everything(kubernetes)
    shell = "set -euo pipefail\n"
    terminals: list[Terminal] = []
    said = ""
    try:
        for number, block in enumerate(blocks()):
            if block.info == "second-terminal":
                said += kubernetes.run("bash", "-c", shell)
                shell = exports(shell)
                terminals.append(Terminal(kubernetes, block.text, tmp_path / f"{number}.log"))
            elif not block.info:
                shell += block.text
        said += kubernetes.run("bash", "-c", shell)
    finally:
        for terminal in terminals:
            terminal.end()
    for words in (
        "SIMULATED HARDWARE",
        "deployment.apps/intersection condition met",
        "VERIFIED  localhost:14433",
        "(as expected)",
        "100 common customers (lists: alice 1000, bob 1000); receipt 1 verified",
        "Enclasp is gone from the namespace enclasp",
        "Phase:          Succeeded",
    ):
        assert words in said, said
    assert before == everything(kubernetes)


def test_the_guide_sets_the_manifest_by_an_object_and_a_controller_in_a_pod(kubernetes: Kubernetes) -> None:
    install, companies = (
        next(block.text for block in blocks() if words in block.text)
        for words in ("enclasp kubernetes install --simulation", "company keys")
    )
    (objects,) = (block.text for block in blocks() if block.info == "objects")
    shutil.rmtree(ROOT / "demo-out", ignore_errors=True)
    try:
        said = kubernetes.run("bash", "-euc", install + companies + objects)
        agreed = hashlib.sha256((ROOT / "demo-out" / "agreed.yaml").read_bytes()).hexdigest()
        assert "manifest.enclasp.dev/law condition met" in said
        assert f"Fingerprint:             {agreed}" in said
        assert "the coordinator took it as its first manifest" in said
    finally:
        kubernetes.run("enclasp", "kubernetes", "uninstall")
        kubernetes.kubectl("delete", "namespace", "customers", "--ignore-not-found")
    assert "enclasp.dev" not in kubernetes.kubectl("get", "crd", "-o", "name")


def exports(shell: str) -> str:
    """A shell like this one, with nothing done yet but its settings."""
    return "".join(line + "\n" for line in shell.splitlines() if line.startswith(("set ", "export ")))


def everything(kubernetes: Kubernetes) -> set[str]:
    """The name of every object that is kept, but for what the cluster makes by itself."""
    kinds = kubernetes.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    volatile = ("events", "leases", "endpointslices", "endpoints", "componentstatuses", "controllerrevisions")
    kept = ",".join(kind for kind in kinds if kind.partition(".")[0] not in volatile)
    listed = kubernetes.kubectl("get", kept, "--all-namespaces", "-o", "name", "--show-managed-fields=false")
    return {line for line in listed.splitlines() if "/" in line}
