"""Three coordinators with one state, as a cluster treats them: scaled, killed while marbles join, upgraded, recovered.

They are those of docs/kubernetes.md, so the page's blocks `upgrade` and `recover` are typed here.
"""

import base64
import hashlib
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.kubernetes.conftest import ROOT, Kubernetes
from tests.kubernetes.documentation import block
from tests.support.another_machine import another_machine
from tests.support.owners import owner
from tests.support.people import person
from tests.support.versions import MARK, another_version, mrtd

NAMESPACE, SHOP = "enclasp", "shop"
PLACE = ("--namespace", NAMESPACE)
PROGRAM = ("python3", "-c", "import time; time.sleep(100000)", "/app/examples/__init__.py")
"""What is measured of it is the last word's file."""
PORT = 14433
ENDPOINT = f"localhost:{PORT}"


class Deployment:
    """The three coordinators, and what a verifier knows of them."""

    def __init__(self, kubernetes: Kubernetes, folder: Path) -> None:
        self.kubernetes, self.folder = kubernetes, folder
        self.people = {name: person(folder, name) for name in ("alice", "bob")}
        self.owners = {name: owner(folder, name) for name in ("alice", "bob")}
        self.version = "simulation/reference.yaml"
        self.forward: subprocess.Popen[bytes] | None = None

    @property
    def simulation(self) -> Path:
        return self.folder / "simulation"

    @property
    def reference(self) -> Path:
        """Of the version that serves."""
        return self.folder / self.version

    def enclasp(self, *arguments: str, code: int | None = 0) -> str:
        """An enclasp command about these coordinators."""
        known = ("--reference", str(self.reference), "--trust", str(self.simulation / "trust.pem"))
        collateral = ("--collateral", str(self.simulation / "collateral.json"))
        return self.kubernetes.run("enclasp", *arguments, *known, *collateral, code=code)

    def type(self, text: str) -> str:
        """A block of the page, in a shell that knows by what to verify the coordinator."""
        paths = {"REFERENCE": self.reference, "TRUST": self.simulation / "trust.pem"}
        paths["COLLATERAL"] = self.simulation / "collateral.json"
        exports = "".join(f"export ENCLASP_COORDINATOR_{name}={path}\n" for name, path in paths.items())
        return self.kubernetes.run("bash", "-euc", exports + text)

    def log(self, pod: str) -> str:
        return self.kubernetes.kubectl(*PLACE, "logs", pod, "--tail=-1", code=None)

    def pods(self) -> list[str]:
        selector = ("--selector", "app.kubernetes.io/name=coordinator")
        return self.kubernetes.kubectl(*PLACE, "get", "pods", "-o", "name", *selector).split()

    def connect(self) -> None:
        """Forward a port to any one of them, anew: `kubectl port-forward` stays with the pod that it has chosen."""
        self.disconnect()
        log = self.folder / "forward.log"
        with log.open("wb") as file:
            command = ["kubectl", *PLACE, "port-forward", "service/coordinator-client-api", f"{PORT}:4433"]
            self.forward = subprocess.Popen(command, stdout=file, stderr=file, env=self.kubernetes.environ)
        wait("a forwarded port", lambda: "Forwarding from" in log.read_text())

    def disconnect(self) -> None:
        if self.forward is not None:
            self.forward.send_signal(signal.SIGTERM)
            self.forward.wait(20)

    def leader(self) -> str:
        """The name of the pod that leads."""
        found = self.kubernetes.kubectl(
            *PLACE, "get", "lease", "enclasp-state", "-o", "jsonpath={.spec.holderIdentity}"
        )
        return found.rpartition("-")[0]

    def proven(self) -> tuple[str, str]:
        """What a verifier sees now: digests of the root certificate and of the manifest."""
        self.connect()
        said = self.enclasp("verify", ENDPOINT, "-o", "json", "--quiet", "--out", str(self.folder / "root.pem"))
        document = json.loads(said[said.index("{") :])
        assert document["verified"]
        return document["root"]["sha256"], document["manifest"]["fingerprint"]

    def root_key(self) -> bytes:
        """Of the certificate that a verifier accepted last, SubjectPublicKeyInfo."""
        root = x509.load_pem_x509_certificates((self.folder / "root.pem").read_bytes())[-1]
        return root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def manifest(self, **more: Any) -> dict[str, Any]:
        """Alice and Bob together may change it, and recover.  more: packages and settings beside."""
        measured = self.kubernetes.run(
            "enclasp", "simulate", "measure", "-o", "json", "--", *PROGRAM[:-1], "examples/__init__.py"
        )
        web = {"TDX": {"MRTD": json.loads(measured)["TDX"]["MRTD"]}}
        return {
            "Packages": {"web": web, **more.get("packages", {})},
            "Marbles": {"web": {"Package": "web"}},
            "Users": {name: one.entry("updater") for name, one in self.people.items()},
            "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
            "RecoveryKeys": {name: one.pem for name, one in self.owners.items()},
            "Config": {"UpdateThreshold": 2, **more.get("config", {})},
        }


def wait(what: str, holds: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def deployment(kubernetes: Kubernetes) -> Iterator[Deployment]:
    folder = ROOT / "demo-out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    made = Deployment(kubernetes, folder)
    kubernetes.run(
        *("enclasp", "kubernetes", "install", "--simulation", str(made.simulation), "--marbles", SHOP),
        *("--set", "coordinator.replicas=3", "--set", "coordinator.persistence=false"),
    )
    manifest = folder / "manifest.yaml"
    manifest.write_text(json.dumps(made.manifest()))
    try:
        made.connect()
        made.enclasp("manifest", "set", str(manifest), ENDPOINT, "--recoverydata", str(folder / "shares.json"))
        yield made
    finally:
        made.disconnect()
        kubernetes.kubectl("delete", "namespace", SHOP, "--wait=false")
        kubernetes.run("enclasp", "kubernetes", "uninstall")
        kubernetes.kubectl("delete", "namespace", SHOP, "--ignore-not-found")


def workload(replicas: int) -> str:
    labels = {"app": "web", "enclasp/marble": "web", "enclasp/platform": "tdx", "enclasp/launcher": "inject"}
    container = {"name": "web", "image": "localhost/common-customers:0.1.0", "command": list(PROGRAM)}
    template: dict[str, Any] = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": SHOP},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        }
    )


def activated(kubernetes: Kubernetes) -> int:
    """How many of the marbles' logs say that they were activated."""
    said = kubernetes.kubectl(
        "--namespace", SHOP, "logs", "--selector", "app=web", "--tail=-1", "--all-pods=true", "--prefix", code=None
    )
    return len(set(re.findall(r"\[pod/(web-\S+)/web\] marble: activated", said)))


def test_any_replica_answers_and_shows_the_one_certificate(deployment: Deployment) -> None:
    kubernetes = deployment.kubernetes
    pods = kubernetes.kubectl(*PLACE, "get", "pods", "-o", "name", "--selector", "app.kubernetes.io/name=coordinator")
    assert 3 == len(pods.split())
    for pod in pods.split():
        command = ["enclasp", "certificate", "root", "--insecure", "localhost:4433", "--quiet"]
        shown = kubernetes.kubectl(*PLACE, "exec", pod, "--", *command)
        assert 1 == shown.count("BEGIN CERTIFICATE")
        (deployment.folder / "shown.pem").write_text(shown[shown.index("-----BEGIN") :])
        assert "VERIFIED" in deployment.enclasp("verify", str(deployment.folder / "shown.pem"))


def test_a_leader_that_is_killed_while_marbles_join_is_followed_by_another_and_all_of_them_join(
    deployment: Deployment,
) -> None:
    kubernetes, before = deployment.kubernetes, deployment.proven()
    killed = deployment.leader()
    kubernetes.kubectl("apply", "-f", "-", text=workload(8))
    wait("the first marble", lambda: activated(kubernetes) > 0)
    kubernetes.kubectl(*PLACE, "delete", "pod", killed, "--grace-period=0", "--force")
    wait("another leader", lambda: deployment.leader() not in ("", killed))
    kubernetes.kubectl("--namespace", SHOP, "rollout", "status", "deployment/web", "--timeout=180s")
    wait("all marbles", lambda: activated(kubernetes) == 8)
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=180s")
    assert before == deployment.proven(), "nothing was lost: the same root certificate, the same manifest"


def test_a_rolling_upgrade_keeps_the_deployment_verified(deployment: Deployment) -> None:
    kubernetes, before = deployment.kubernetes, deployment.proven()
    kubernetes.kubectl(*PLACE, "rollout", "restart", "deployment/coordinator")
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=180s")
    assert before == deployment.proven()
    kubernetes.kubectl("--namespace", SHOP, "rollout", "restart", "deployment/web")
    kubernetes.kubectl("--namespace", SHOP, "rollout", "status", "deployment/web", "--timeout=180s")
    wait("marbles after the upgrade", lambda: activated(kubernetes) >= 8)


def test_recovery_is_not_needed_when_all_replicas_are_lost_but_not_their_machine(deployment: Deployment) -> None:
    kubernetes, before = deployment.kubernetes, deployment.proven()
    kubernetes.kubectl(*PLACE, "scale", "deployment/coordinator", "--replicas=0")
    gone = ["wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/name=coordinator", "--timeout=180s"]
    kubernetes.kubectl(*PLACE, *gone)
    kubernetes.kubectl(*PLACE, "scale", "deployment/coordinator", "--replicas=3")
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=180s")
    assert before == deployment.proven()


def test_a_new_version_serves_when_two_people_accepted_it_and_not_before(
    deployment: Deployment, tmp_path: Path
) -> None:
    kubernetes, folder = deployment.kubernetes, deployment.folder
    deployment.proven()
    key, (pod, *_) = deployment.root_key(), deployment.pods()
    code = another_version(tmp_path / "code", "the next version")
    found = ("exec", pod, "--", "python3", "-c", "import coordinator; print(coordinator.__path__[0])")
    (place,) = (line for line in kubernetes.kubectl(*PLACE, *found).splitlines() if line.startswith("/"))
    archive, added = tmp_path / "next.tar", f"{code}/coordinator/{MARK}:{place}/{MARK}"
    kubernetes.run("./dev", "image", "--name", "localhost/enclasp:next", "--output", str(archive), "--add", added)
    kubernetes.cluster.node.import_image(archive)

    upgrade = ("helm", "upgrade", "enclasp", "charts/coordinator", *PLACE, "--reuse-values")
    kubernetes.run(*upgrade, "--set", "coordinator.version=next")
    wait("a refusal", lambda: any(mrtd(code) in deployment.log(each) for each in deployment.pods()))
    before = deployment.proven()

    now = yaml.safe_load(deployment.reference.read_text())
    packages = {"coordinator-now": now, "coordinator-next": {"TDX": {"MRTD": mrtd(code)}}}
    accepting = deployment.manifest(packages=packages, config={"Coordinators": list(packages)})
    (folder / "next.yaml").write_text(json.dumps(accepting))
    kubernetes.kubectl("--namespace", SHOP, "rollout", "restart", "deployment/web")
    deployment.type(block("upgrade"))
    kubernetes.kubectl("--namespace", SHOP, "rollout", "status", "deployment/web", "--timeout=180s")
    wait("all marbles", lambda: activated(kubernetes) >= 8)

    (folder / "next-reference.yaml").write_text(f'TDX: {{MRTD: "{mrtd(code)}"}}\n')
    deployment.version = "next-reference.yaml"
    after = deployment.proven()
    assert key == deployment.root_key()
    assert before != after
    assert after[1] == hashlib.sha256((folder / "next.yaml").read_bytes()).hexdigest()


def test_owners_recover_what_all_replicas_have_lost_with_their_keys(deployment: Deployment, tmp_path: Path) -> None:
    kubernetes = deployment.kubernetes
    _, fingerprint = deployment.proven()
    key = deployment.root_key()
    kubernetes.kubectl(*PLACE, "scale", "deployment/coordinator", "--replicas=0")
    gone = ["wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/name=coordinator", "--timeout=180s"]
    kubernetes.kubectl(*PLACE, *gone)
    sealing = another_machine(deployment.simulation, tmp_path / "machine") / "sealing.private.json"
    value = base64.b64encode(sealing.read_bytes()).decode()
    patch = json.dumps({"data": {sealing.name: value}})
    kubernetes.kubectl(*PLACE, "patch", "secret", "enclasp-simulation", "--patch", patch)
    kubernetes.kubectl(*PLACE, "scale", "deployment/coordinator", "--replicas=3")
    wait("a leader that waits", lambda: any("waiting for recovery" in deployment.log(p) for p in deployment.pods()))
    wait("a running pod", lambda: "Running" in kubernetes.kubectl(*PLACE, "get", deployment.pods()[0]))
    deployment.connect()
    wait("an answer", lambda: "waits for recovery" in deployment.enclasp("verify", ENDPOINT, code=None))
    deployment.type(block("recover"))
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=180s")
    assert fingerprint == deployment.proven()[1]
    assert key == deployment.root_key()


def test_the_state_is_in_secrets_that_show_nothing(deployment: Deployment) -> None:
    listed = deployment.kubernetes.kubectl(*PLACE, "get", "secrets", "--selector", "enclasp.io/journal", "-o", "json")
    secrets = json.loads(listed)["items"]
    assert any(each["metadata"]["name"].startswith("enclasp-state") for each in secrets)
    shown = b"".join(base64.b64decode(value) for each in secrets for value in (each.get("data") or {}).values())
    assert b"journal" in shown, "what stands in clear, so this would find what did"
    for words in (b"Packages", b"Marbles", b"MaxActivations", b"BEGIN CERTIFICATE"):
        assert words not in shown
