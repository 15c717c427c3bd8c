"""What the cluster's other users, its operator and its accidents do to us, on a real API server and node."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from attestation.init_data import ANNOTATION
from tests.kubernetes.conftest import ROOT, Kubernetes

NAMESPACE = "enclasp"
SHOP = "shop"
LIFETIME_SECONDS = 60


@pytest.fixture(scope="module")
def installed(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """Enclasp on simulated hardware, its state on a volume, its webhook's certificate short-lived."""
    folder = tmp_path_factory.mktemp("installed")
    state = folder / "state"
    state.mkdir()
    state.chmod(0o777)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "state"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "storageClassName": "by-hand",
            "hostPath": {"path": str(state)},
        },
    }
    kubernetes.kubectl("apply", "-f", "-", text=json.dumps(volume))
    settings = {
        "coordinator.storageClass": "by-hand",
        "marbleInjector.certificateLifetimeSeconds": LIFETIME_SECONDS,
    }
    values = folder / "values.yaml"
    values.write_text(yaml.safe_dump({"coordinator": {"probes": {"readiness": {"periodSeconds": 1}}}}))
    kubernetes.run(
        *("enclasp", "kubernetes", "install", "--simulation", str(folder / "simulation"), "--marbles", SHOP),
        *("--values", str(values)),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
    )
    yield kubernetes
    kubernetes.kubectl("delete", "namespace", SHOP, "--wait=false")
    kubernetes.run("enclasp", "kubernetes", "uninstall")
    kubernetes.kubectl("delete", "namespace", SHOP, "--ignore-not-found")
    kubernetes.kubectl("delete", "persistentvolume", "state")


def pod(labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    containers = [
        {"name": "main", "image": "localhost/enclasp:0.1.0", "command": ["/usr/local/bin/enclasp", "version"]}
    ]
    metadata = {"name": "web", "namespace": SHOP, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def admit(kubernetes: Kubernetes, document: dict[str, Any]) -> dict[str, Any]:
    """What the API server would make of a pod."""
    said = kubernetes.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", text=json.dumps(document))
    answer: dict[str, Any] = json.loads(said)
    return answer


def refusal(kubernetes: Kubernetes, document: dict[str, Any]) -> str:
    return kubernetes.kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(document), code=1)


def wait(kubernetes: Kubernetes, what: str, holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        said = kubernetes.kubectl("--namespace", NAMESPACE, "get", "pods,events")
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{said}"
        time.sleep(0.2)


def test_the_api_server_takes_an_injected_pod_and_a_plain_one_stays_plain(installed: Kubernetes) -> None:
    spec = admit(installed, pod({"enclasp/marble": "web", "enclasp/launcher": "inject"}))["spec"]
    assert ["enclasp-launcher"] == [each["name"] for each in spec["initContainers"]]
    main = spec["containers"][0]
    assert ["/enclasp/marble/loader", "version"] == [main["command"][0], main["command"][-1]]
    assert {"name": "EDG_MARBLE_COORDINATOR_ADDR", "value": "coordinator-mesh-api.enclasp:2001"} in main["env"]
    assert {"/web-uid", "/enclasp", "/run/enclasp/simulation"} <= {each["mountPath"] for each in main["volumeMounts"]}
    told = admit(installed, pod({"enclasp/marble": "web", "enclasp/platform": "tdx"}))
    document = json.loads(installed.run("enclasp", "kubernetes", "init-data", "web", "-o", "json"))
    assert document["annotation"] == told["metadata"]["annotations"][ANNOTATION]
    digest = document["reference"]["TDX"]["MRConfigID"]
    held = {each["name"]: each.get("value") for each in told["spec"]["containers"][0]["env"]}[
        "ENCLASP_SIMULATION_HOST_DATA"
    ]
    assert digest[:64] == held[:64]
    plain = admit(installed, pod({"app": "web"}))["spec"]
    assert ("initContainers" in plain, plain["containers"][0]["command"]) == (
        False,
        ["/usr/local/bin/enclasp", "version"],
    )


def test_marbleruns_label_does_the_same(installed: Kubernetes) -> None:
    main = admit(installed, pod({"marblerun/marbletype": "web"}))["spec"]["containers"][0]
    assert {"name": "EDG_MARBLE_TYPE", "value": "web"} in main["env"]


def test_a_pod_that_is_refused_learns_why_from_kubectl(installed: Kubernetes) -> None:
    said = refusal(installed, pod({"enclasp/marble": "web", "enclasp/container": "nobody"}))
    for words in ("K603", "expected one of main, got 'nobody'", "hint:"):
        assert words in said


def test_its_account_may_do_what_it_needs_and_nothing_else(installed: Kubernetes) -> None:
    def may(*words: str) -> bool:
        account = f"--as=system:serviceaccount:{NAMESPACE}:marble-injector"
        return installed.kubectl("auth", "can-i", *words, account, code=None).startswith("yes")

    configuration = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
    assert may("update", "secrets/marble-injector-tls", "--namespace", NAMESPACE)
    assert may("update", f"{configuration}/marble-injector-enclasp")
    for words in (
        ("get", "secrets/enclasp-simulation", "--namespace", NAMESPACE),
        ("list", "secrets", "--namespace", NAMESPACE),
        ("create", "secrets", "--namespace", NAMESPACE),
        ("update", f"{configuration}/other"),
        ("list", "pods", "--all-namespaces"),
    ):
        assert not may(*words), words


def test_a_coordinator_that_is_killed_comes_back_with_its_state(installed: Kubernetes, tmp_path: Path) -> None:
    manifest = ROOT / "manifests" / "minimal.yaml"
    set_by = ["enclasp", "manifest", "set", "/tmp/manifest.yaml", "--insecure", "localhost:4433"]
    in_pod = ["--namespace", NAMESPACE, "exec", "-i", "deployment/coordinator", "--"]
    installed.kubectl(*in_pod, "python3", "-c", _WRITE, text=manifest.read_text())
    installed.kubectl(*in_pod, *set_by)
    installed.kubectl(
        "--namespace", NAMESPACE, "delete", "pod", "--selector", "app.kubernetes.io/name=coordinator", "--now"
    )
    installed.kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/coordinator", "--timeout=180s")
    assert "3:" in installed.kubectl(*in_pod, "enclasp", "status", "localhost:4433")


def test_a_coordinator_that_waits_for_recovery_is_alive_and_reachable_and_not_ready(
    installed: Kubernetes, tmp_path: Path
) -> None:
    """The same state on another machine: another simulated vendor has other sealing keys."""
    before = installed.kubectl("--namespace", NAMESPACE, "get", "secret", "enclasp-simulation", "-o", "json")
    installed.run("enclasp", "simulate", "vendor", "new", str(tmp_path / "other"))
    other = json.loads(before)
    other["data"] = {each.name: base64.b64encode(each.read_bytes()).decode() for each in (tmp_path / "other").iterdir()}
    place = ["--namespace", NAMESPACE]
    installed.kubectl("apply", "-f", "-", text=json.dumps(other))
    installed.kubectl(*place, "delete", "pod", *_COORDINATOR, "--now")

    def status() -> str:
        command = ["enclasp", "status", "coordinator-client-api:4433"]
        return installed.kubectl(*place, "exec", "deployment/coordinator", "--", *command, code=None)

    wait(installed, "the Service leads to a coordinator that waits for recovery", lambda: "1: Coordinator" in status())
    state = json.loads(installed.kubectl(*place, "get", "pods", *_COORDINATOR, "-o", "json"))["items"][0]["status"]
    conditions = {each["type"]: each["status"] for each in state["conditions"]}
    assert ("Running", "False", 0) == (
        state["phase"],
        conditions["Ready"],
        state["containerStatuses"][0]["restartCount"],
    )
    mesh = installed.kubectl(*place, "get", "endpointslices", "-o", "json", *_MESH)
    ready = [each["conditions"]["ready"] for piece in json.loads(mesh)["items"] for each in piece["endpoints"] or ()]
    assert [False] == ready, "marbles are not sent to it"
    said = installed.run("enclasp", "kubernetes", "check", "--strict", code=9)
    assert "coordinator             0 of 1 ready" in said
    installed.kubectl("replace", "--force", "-f", "-", text=before)
    installed.kubectl(*place, "delete", "pod", *_COORDINATOR, "--now")
    installed.kubectl(*place, "rollout", "status", "deployment/coordinator", "--timeout=180s")


def test_the_webhook_replaces_its_certificate_and_no_pod_is_refused_meanwhile(installed: Kubernetes) -> None:
    def trusted() -> str:
        path = "jsonpath={.webhooks[*].clientConfig.caBundle}"
        return installed.kubectl("get", "mutatingwebhookconfiguration", "marble-injector-enclasp", "-o", path)

    first, admitted = trusted(), 0
    deadline = time.monotonic() + 2 * LIFETIME_SECONDS
    while trusted() == first or admitted < 10:
        assert time.monotonic() < deadline, "the certificate is not replaced"
        admit(installed, pod({"enclasp/marble": "web"}))
        admitted += 1
    end = time.monotonic() + LIFETIME_SECONDS / 4
    while time.monotonic() < end:
        admit(installed, pod({"enclasp/marble": "web"}))
    bundles = [base64.b64decode(each) for each in trusted().split()]
    assert {2} == {bundle.count(b"BEGIN CERTIFICATE") for bundle in bundles}, "its predecessor stays trusted"


def test_an_upgrade_leaves_the_certificate_trusted(installed: Kubernetes) -> None:
    installed.run(
        *("helm", "upgrade", "enclasp", "charts/coordinator", "--namespace", NAMESPACE, "--reuse-values"),
        *("--set", "marbleInjector.timeoutSeconds=6", "--wait"),
    )
    assert admit(installed, pod({"enclasp/marble": "web"}))["spec"]["volumes"]


def test_without_the_webhook_marbles_are_refused_and_others_start(installed: Kubernetes) -> None:
    place = ["--namespace", NAMESPACE]
    installed.kubectl(*place, "scale", "deployment/marble-injector", "--replicas=0")
    gone = ["wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/name=marble-injector", "--timeout=180s"]
    installed.kubectl(*place, *gone)
    said = refusal(installed, pod({"enclasp/marble": "web"}))
    assert 'failed calling webhook "marble-injector.enclasp.internal"' in said
    assert "no endpoints available" in said or "connect" in said, said
    admit(installed, pod({"app": "web"}))
    installed.kubectl(*place, "scale", "deployment/marble-injector", "--replicas=2")
    installed.kubectl(*place, "rollout", "status", "deployment/marble-injector", "--timeout=180s")
    assert admit(installed, pod({"enclasp/marble": "web"}))["spec"]["volumes"]


_COORDINATOR = ("--selector", "app.kubernetes.io/name=coordinator")
_WRITE = "import sys; open('/tmp/manifest.yaml', 'w').write(sys.stdin.read())"
_MESH = ("--selector", "kubernetes.io/service-name=coordinator-mesh-api")
