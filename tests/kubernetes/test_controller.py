"""`enclasp kubernetes controller` as a process, between a real API server and a real coordinator."""

import base64
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from coordinator.cluster.account import Account
from tests.kubernetes.conftest import ROOT, Kubernetes
from tests.kubernetes.documentation import blocks
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person
from tests.support.updatable import changed, document_for, encoded

NAMESPACES = itertools.count(1)


@dataclass
class Scene:
    """A namespace with the rights of the chart's controller, a coordinator without a manifest, and the people."""

    kubernetes: Kubernetes
    account: Account
    coordinator: CoordinatorProcess
    people: dict[str, Person]
    folder: Path
    first: dict[str, Any]
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.kubernetes.kubectl("--namespace", self.account.namespace, *arguments, text=stdin)

    def start_controller(self, reference: Path | None = None) -> None:
        it = self.coordinator
        given = {"reference": reference or it.reference, "trust": it.trust, "collateral": it.collateral}
        flags = [word for name, path in given.items() for word in (f"--{name}", str(path))]
        command = [sys.executable, "-m", "coordinator", "kubernetes", "controller", "--interval", "0.3", *flags]
        environ = {
            "KUBERNETES_SERVICE_HOST": self.account.host,
            "KUBERNETES_SERVICE_PORT": str(self.account.port),
            "ENCLASP_SERVICE_ACCOUNT": str(self.account.folder),
        }
        with (self.folder / "controller.log").open("ab") as log:
            self._running.append(subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log))

    def stop_controller(self) -> int:
        process = self._running.pop()
        process.send_signal(signal.SIGTERM)
        return process.wait(20)

    def end(self) -> None:
        while self._running:
            self.stop_controller()
        self.coordinator.kill()

    def apply(self, document: bytes, *approvals: bytes, name: str = "law") -> None:
        """By the command that makes the objects, and kubectl."""
        file = self.folder / f"{name}.json"
        file.write_bytes(document)
        flags = ["--name", name, "--endpoint", self.coordinator.client_address]
        for number, approval in enumerate(approvals):
            signature = self.folder / f"{name}-{number}.sig"
            signature.write_bytes(approval)
            flags += ["--approval", str(signature)]
        command = [sys.executable, "-m", "coordinator", "kubernetes", "objects", str(file), *flags]
        made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.kubectl("apply", "--server-side", "-f", "-", stdin=made)

    def signed(self, who: str, document: bytes) -> bytes:
        """As `enclasp manifest sign` does."""
        file = self.folder / "to-sign"
        file.write_bytes(document)
        command = [
            sys.executable,
            "-m",
            "coordinator",
            "manifest",
            "sign",
            str(file),
            "--key",
            str(self.people[who].key),
        ]
        return subprocess.run([*command, "-o", "json"], capture_output=True, check=True).stdout

    def wait(self, condition: str, name: str = "law") -> dict[str, Any]:
        """The object's status as soon as kubectl finds this in it."""
        self.kubectl("wait", f"manifest/{name}", f"--for={condition}", "--timeout=40s")
        status: dict[str, Any] = json.loads(self.kubectl("get", "manifest", name, "-o", "json"))["status"]
        return status

    @property
    def log(self) -> str:
        return (self.folder / "controller.log").read_text()

    def active(self) -> bytes:
        """The coordinator's manifest, past the controller."""
        flags = ["--trust", str(self.coordinator.trust), "--collateral", str(self.coordinator.collateral)]
        flags += ["--reference", str(self.coordinator.reference)]
        command = [sys.executable, "-m", "coordinator", "manifest", "get", self.coordinator.client_address, *flags]
        return subprocess.run(command, capture_output=True, check=True).stdout


def rendered(kubernetes: Kubernetes, namespace: str, template: str) -> str:
    """What Helm makes of one of the chart's files."""
    options = ["--namespace", namespace, "--set", "controller.start=true", "--show-only", f"templates/{template}.yaml"]
    return kubernetes.run("helm", "template", "it", "charts/coordinator", *options)


def account(kubernetes: Kubernetes, folder: Path) -> Account:
    """Of the chart's controller, with the rights that the chart gives it, in a new namespace."""
    namespace = f"controller-{next(NAMESPACES)}"
    kubernetes.kubectl("create", "namespace", namespace)
    kubernetes.kubectl("apply", "-f", "-", text=rendered(kubernetes, namespace, "controller_rights"))
    cluster = yaml.safe_load(kubernetes.cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    folder.mkdir()
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (folder / "token").write_text(
        kubernetes.kubectl("--namespace", namespace, "create", "token", "enclasp-controller").strip()
    )
    (folder / "namespace").write_text(namespace)
    server = urlsplit(cluster["server"])
    assert server.hostname is not None
    assert server.port is not None
    return Account(server.hostname, server.port, folder, namespace)


@pytest.fixture
def scene(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[Scene]:
    definitions = rendered(kubernetes, "default", "controller_definitions")
    kubernetes.kubectl("apply", "-f", "-", text=definitions)
    kubernetes.kubectl("wait", "--for=condition=Established", "crd/manifests.enclasp.dev", "crd/approvals.enclasp.dev")
    known = account(kubernetes, tmp_path / "account")
    program = tmp_path / "program.py"
    program.write_text("print('the agreed program')\n")
    people = {name: person(tmp_path, name) for name in ("alice", "bob", "carol", "dave", "eve", "mallory")}
    it = Scene(kubernetes, known, start(tmp_path / "dev"), people, tmp_path, document_for(program, people))
    try:
        yield it
    finally:
        it.end()
        kubernetes.kubectl("delete", "namespace", known.namespace)
        kubernetes.kubectl("delete", "-f", "-", text=definitions)


def reasons(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def message(status: dict[str, Any], kind: str) -> str:
    return next(str(each["message"]) for each in status["conditions"] if each["type"] == kind)


def successor(first: dict[str, Any]) -> bytes:
    def change(document: dict[str, Any]) -> None:
        document["Marbles"]["new"] = {"Package": "tdx"}
        document["Update"] = {"Replaces": hashlib.sha256(encoded(first)).hexdigest()}

    return encoded(changed(first, change))


def test_a_manifest_is_set_by_kubectl_and_updated_with_two_approvals(scene: Scene) -> None:
    first, second = encoded(scene.first), successor(scene.first)
    scene.start_controller()
    scene.apply(first)
    status = scene.wait("condition=Active")
    assert ("Active", hashlib.sha256(first).hexdigest(), True) == (
        status["phase"],
        status["fingerprint"],
        status["simulated"],
    )
    assert first == scene.active()
    assert "Active" in scene.kubectl("get", "manifests")
    assert "the coordinator took it as its first manifest" in scene.kubectl("describe", "manifest", "law")

    scene.apply(second, scene.signed("alice", second))
    status = scene.wait("jsonpath={.status.missingApprovals}=1")
    assert ("Pending", ["alice"], ["bob", "carol"]) == (status["phase"], status["approvedBy"], status["missing"])
    assert ("False", "K663") == reasons(status)["Active"]
    assert first == scene.active()

    assert 0 == scene.stop_controller()
    scene.apply(second, scene.signed("bob", second))
    scene.start_controller()
    status = scene.wait("condition=Active")
    assert ("Active", hashlib.sha256(second).hexdigest()) == (status["phase"], status["fingerprint"])
    assert second == scene.active()
    said = [line.partition("manifest law: ")[2] for line in scene.log.splitlines() if "manifest law: " in line]
    assert all(one != following for one, following in itertools.pairwise(said)), "a status is written when it changes"


def test_a_signature_that_does_not_count_is_named_and_the_others_count(scene: Scene) -> None:
    first, second = encoded(scene.first), successor(scene.first)
    scene.start_controller()
    scene.apply(first)
    scene.wait("condition=Active")
    strange, other = scene.signed("mallory", second), scene.signed("bob", first)
    names = [json.loads(signature)["key"][:8] for signature in (strange, other)]
    scene.apply(second, strange, other, scene.signed("alice", second))
    status = scene.wait("jsonpath={.status.missingApprovals}=1")
    assert (["alice"], ("False", "K662")) == (status["approvedBy"], reasons(status)["ApprovalsValid"])
    said = message(status, "ApprovalsValid")
    assert all(name in said for name in names), said
    assert "U528" in said
    assert f"expected {hashlib.sha256(second).hexdigest()}, got {hashlib.sha256(first).hexdigest()}" in said


def test_a_document_with_a_fault_is_refused_with_its_line_and_its_correction_is_taken(scene: Scene) -> None:
    faulty = json.dumps(changed(scene.first, lambda d: d["Marbles"]["full"].update(Package="missing")), indent=1)
    scene.start_controller()
    scene.apply(faulty.encode())
    status = scene.wait("jsonpath={.status.phase}=Refused")
    assert {"DocumentValid": ("False", "E000")} == reasons(status)
    line = next(n for n, text in enumerate(faulty.splitlines(), 1) if '"missing"' in text)
    assert f"spec.document:{line}:" in message(status, "DocumentValid")
    scene.apply(encoded(scene.first))
    assert "Active" == scene.wait("condition=Active")["phase"]


def test_a_coordinator_of_another_program_gets_no_manifest(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(f'TDX:\n  MRTD: "{"00" * 48}"\n')
    scene.start_controller(other)
    scene.apply(encoded(scene.first))
    status = scene.wait("condition=CoordinatorVerified=False")
    assert ("Pending", {"DocumentValid", "CoordinatorVerified"}) == (status["phase"], set(reasons(status)))
    assert reasons(status)["CoordinatorVerified"][1].startswith("V")


def test_the_second_manifest_of_a_namespace_is_refused_by_the_name_of_the_first(scene: Scene) -> None:
    scene.apply(encoded(scene.first), name="a-first")
    scene.start_controller()
    scene.apply(successor(scene.first), name="b-second")
    status = scene.wait("jsonpath={.status.phase}=Refused", name="b-second")
    assert {"Active": ("False", "K661")} == reasons(status)
    assert "'a-first'" in message(status, "Active")
    assert "Active" == scene.wait("condition=Active", name="a-first")["phase"]


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
