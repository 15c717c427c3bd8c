"""Three coordinators with one state, as a cluster treats them: scaled, killed while marbles join, upgraded, removed."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.conftest import Kubernetes

NAMESPACE, SHOP = "enclasp", "shop"
PLACE = ("--namespace", NAMESPACE)
PROGRAM = ("python3", "-c", "import time; time.sleep(100000)", "/app/examples/__init__.py")
"""What is measured of it is the last word's file."""
PORT = 14434
ENDPOINT = f"localhost:{PORT}"


class Deployment:
    """The three coordinators, and what a verifier knows of them."""

    def __init__(self, kubernetes: Kubernetes, folder: Path) -> None:
        self.kubernetes, self.folder = kubernetes, folder
        self.forward: subprocess.Popen[bytes] | None = None

    def enclasp(self, *arguments: str, code: int | None = 0) -> str:
        """An enclasp command about these coordinators."""
        simulation = self.folder / "simulation"
        known = ("--reference", str(simulation / "reference.yaml"), "--trust", str(simulation / "trust.pem"))
        collateral = ("--collateral", str(simulation / "collateral.json"))
        return self.kubernetes.run("enclasp", *arguments, *known, *collateral, code=code)

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
        """What a verifier sees: digests of the root certificate and of the manifest."""
        said = self.enclasp("verify", ENDPOINT, "-o", "json", "--quiet")
        document = json.loads(said[said.index("{") :])
        assert document["verified"]
        return document["root"]["sha256"], document["manifest"]["fingerprint"]


def wait(what: str, holds: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def deployment(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("replicas")
    made = Deployment(kubernetes, folder)
    kubernetes.run(
        *("enclasp", "kubernetes", "install", "--simulation", str(folder / "simulation"), "--marbles", SHOP),
        *("--set", "coordinator.replicas=3", "--set", "coordinator.persistence=false"),
    )
    manifest = folder / "manifest.yaml"
    measured = kubernetes.run(
        "enclasp", "simulate", "measure", "-o", "json", "--", *PROGRAM[:-1], "examples/__init__.py"
    )
    mrtd = json.loads(measured)["TDX"]["MRTD"]
    manifest.write_text(f'Packages: {{web: {{TDX: {{MRTD: "{mrtd}"}}}}}}\nMarbles: {{web: {{Package: web}}}}\n')
    try:
        made.connect()
        made.enclasp("manifest", "set", str(manifest), ENDPOINT)
        yield made
    finally:
        made.disconnect()
        kubernetes.kubectl("delete", "namespace", SHOP)
        kubernetes.run("enclasp", "kubernetes", "uninstall")


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
    kubernetes.kubectl("--namespace", SHOP, "rollout", "status", "deployment/web", "--timeout=120s")
    wait("all marbles", lambda: activated(kubernetes) == 8, 120)
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=120s")
    deployment.connect()
    assert before == deployment.proven(), "nothing was lost: the same root certificate, the same manifest"


def test_a_rolling_upgrade_keeps_the_deployment_verified(deployment: Deployment) -> None:
    kubernetes, before = deployment.kubernetes, deployment.proven()
    kubernetes.kubectl(*PLACE, "rollout", "restart", "deployment/coordinator")
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=180s")
    deployment.connect()
    assert before == deployment.proven()
    kubernetes.kubectl("--namespace", SHOP, "rollout", "restart", "deployment/web")
    kubernetes.kubectl("--namespace", SHOP, "rollout", "status", "deployment/web", "--timeout=120s")
    wait("marbles after the upgrade", lambda: activated(kubernetes) >= 8)


def test_recovery_is_not_needed_when_all_replicas_are_lost_but_not_their_machine(deployment: Deployment) -> None:
    kubernetes, before = deployment.kubernetes, deployment.proven()
    kubernetes.kubectl(*PLACE, "scale", "deployment/coordinator", "--replicas=0")
    gone = ["wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/name=coordinator", "--timeout=60s"]
    kubernetes.kubectl(*PLACE, *gone)
    kubernetes.kubectl(*PLACE, "scale", "deployment/coordinator", "--replicas=3")
    kubernetes.kubectl(*PLACE, "rollout", "status", "deployment/coordinator", "--timeout=120s")
    deployment.connect()
    assert before == deployment.proven()


def test_the_state_is_in_secrets_that_show_nothing(deployment: Deployment) -> None:
    secrets = deployment.kubernetes.kubectl(*PLACE, "get", "secrets", "--selector", "enclasp.io/journal", "-o", "json")
    names = [each["metadata"]["name"] for each in json.loads(secrets)["items"]]
    assert any(name.startswith("enclasp-state") for name in names)
    for words in ("web", "Packages", "BEGIN"):
        assert words not in json.dumps([each.get("data") for each in json.loads(secrets)["items"]])
