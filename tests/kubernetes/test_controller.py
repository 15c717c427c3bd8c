"""`enclasp kubernetes controller` as a process, between a real API server and a real coordinator."""

import base64
import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import yaml
from cryptography.x509 import load_pem_x509_certificate
from prometheus_client.parser import text_string_to_metric_families

from attestation.kinds import Kind
from coordinator.cluster.account import Account
from pki.keys import fingerprint, public_of_known_kind
from tests.kubernetes.audit import rights, used
from tests.kubernetes.conftest import Kubernetes
from tests.support import marble_client
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person
from tests.support.updatable import changed, document_for, encoded

NAMESPACES = itertools.count(1)
SUMMARY = ("Ready", "Reconciling", "Stalled")


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

    def start_controller(self, *options: str, reference: Path | None = None) -> None:
        it = self.coordinator
        given = {"reference": reference or it.reference, "trust": it.trust, "collateral": it.collateral}
        flags = [word for name, path in given.items() for word in (f"--{name}", str(path))]
        flags += ["--interval", "0.3", *options]
        command = [sys.executable, "-m", "coordinator", "kubernetes", "controller", *flags]
        environ = {
            "KUBERNETES_SERVICE_HOST": self.account.host,
            "KUBERNETES_SERVICE_PORT": str(self.account.port),
            "ENCLASP_SERVICE_ACCOUNT": str(self.account.folder),
        }
        with (self.folder / "controller.log").open("ab") as log:
            self._running.append(subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log))

    def stop_controller(self, number: int = -1) -> int:
        process = self._running.pop(number)
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
        self.kubectl("wait", f"manifest/{name}", f"--for={condition}", "--timeout=120s")
        status: dict[str, Any] = json.loads(self.kubectl("get", "manifest", name, "-o", "json"))["status"]
        return status

    def approvals(self) -> dict[str, tuple[str, str, str]]:
        """Phase, user and reason of each Approval, by the first digits of the key."""
        items = json.loads(self.kubectl("get", "approvals", "-o", "json"))["items"]
        return {
            json.loads(each["spec"]["signature"])["key"][:8]: (
                each["status"]["phase"],
                each["status"]["user"],
                each["status"]["conditions"][0]["reason"],
            )
            for each in items
        }

    def key(self, who: str) -> str:
        """The first digits of a person's key."""
        certificate = load_pem_x509_certificate(self.people[who].certificate.read_bytes())
        return fingerprint(public_of_known_kind(certificate.public_key())).hex()[:8]

    def activate(self, uuid: str) -> None:
        """A marble of type web joins, or starts again."""
        quote = marble_client.simulated(self.coordinator.folder, Kind.TDX, self.folder / "program.py")
        join = marble_client.prepare(quote, "web")
        join.uuid = uuid
        marble_client.send(self.coordinator.mesh_address, join)

    def pod(self) -> str:
        """The UID of a pod with a marble's label, which no node takes."""
        spec = {"containers": [{"name": "web", "image": "localhost/web"}], "nodeSelector": {"nowhere": ""}}
        metadata = {"name": "web", "labels": {"enclasp/marble": "web"}}
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        self.kubectl("create", "-f", "-", stdin=json.dumps(document))
        return self.kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}")

    def marbles(self) -> dict[str, dict[str, Any]]:
        """Status of each Marble, by name."""
        items = json.loads(self.kubectl("get", "marbles", "-o", "json"))["items"]
        return {each["metadata"]["name"]: each["status"] for each in items}

    def asked(self, path: str, method: str = "post") -> int:
        """How often the coordinator was asked for this until now."""
        with urlopen(f"http://{self.coordinator.metrics_address}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (sample for family in families for sample in family.samples)
        wanted = {"path": path, "method": method}
        name = "server_client_api_http_request_total"
        return int(sum(s.value for s in samples if s.name == name and wanted.items() <= s.labels.items()))

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within 120 s\n{self.log}"
            time.sleep(0.1)

    def several_rounds(self) -> None:
        """Until the coordinator was visited some times more."""
        before = self.asked("/api/v2/quote", "get")
        self.until("visits", lambda: self.asked("/api/v2/quote", "get") >= before + 4)

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
    values = f"controller.start=true,controller.podNamespaces={{{namespace}}}"
    options = ["--namespace", namespace, "--set", values, "--show-only", f"templates/{template}.yaml"]
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


CLAIMED = "a coordinator that takes its first manifest only from who knows a token"


@pytest.fixture(scope="module")
def defined(kubernetes: Kubernetes) -> Iterator[list[str]]:
    """The kinds of the chart, for namespaces that are noted here, and are gone at the end.

    Together, since the cluster lets five seconds pass before it empties a namespace.
    """
    definitions = rendered(kubernetes, "default", "controller_definitions")
    kubernetes.kubectl("apply", "-f", "-", text=definitions)
    kinds = [f"crd/{kind}.enclasp.dev" for kind in ("manifests", "approvals", "marbles")]
    kubernetes.kubectl("wait", "--for=condition=Established", *kinds)
    namespaces: list[str] = []
    try:
        yield namespaces
    finally:
        kubernetes.kubectl("delete", "namespace", *namespaces)
        kubernetes.kubectl("delete", "-f", "-", text=definitions)


@pytest.fixture
def scene(
    kubernetes: Kubernetes, defined: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    known = account(kubernetes, tmp_path / "account")
    defined.append(known.namespace)
    program = tmp_path / "program.py"
    program.write_text("print('the agreed program')\n")
    people = {name: person(tmp_path, name) for name in ("alice", "bob", "carol", "dave", "eve", "mallory")}
    options = []
    if getattr(request, "param", "") == CLAIMED:
        config = tmp_path / "config.toml"
        config.write_text(f'claim_token_sha256 = "{hashlib.sha256(b"token").hexdigest()}"\n')
        options = ["--config", str(config)]
    coordinator = start(tmp_path / "dev", *options)
    it = Scene(kubernetes, known, coordinator, people, tmp_path, document_for(program, people))
    try:
        yield it
    finally:
        it.end()


def reasons(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Of the conditions that say how far it came; the three that sum them up are left out."""
    return {
        each["type"]: (each["status"], each["reason"]) for each in status["conditions"] if each["type"] not in SUMMARY
    }


def summary(status: dict[str, Any]) -> list[str]:
    """Which of the three conditions that sum it up are true."""
    return [each["type"] for each in status["conditions"] if each["type"] in SUMMARY and each["status"] == "True"]


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
    assert (("False", "K663"), ["Reconciling"]) == (reasons(status)["Active"], summary(status))
    assert {scene.key("alice"): ("Accepted", "alice", "Accepted")} == scene.approvals()
    assert first == scene.active()
    sent = scene.asked("/api/v2/update"), scene.asked("/api/v2/update-manifest")
    scene.several_rounds()
    assert sent == (scene.asked("/api/v2/update"), scene.asked("/api/v2/update-manifest")), "it is given once"

    assert 0 == scene.stop_controller()
    scene.apply(second, scene.signed("bob", second), scene.signed("carol", second))
    scene.start_controller()
    status = scene.wait("condition=Ready")
    scene.kubectl("wait", "approvals", "--all", "--for=condition=Ready", "--timeout=120s")
    assert ["Ready"] == summary(status)
    given = scene.approvals()
    assert ("Accepted", "alice") == given[scene.key("alice")][:2]
    assert {("Accepted",), ("NotNeeded",)} == {given[scene.key(who)][:1] for who in ("bob", "carol")}
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
    assert {
        scene.key("mallory"): ("Refused", "", "U528"),
        scene.key("bob"): ("Refused", "", "K671"),
        scene.key("alice"): ("Accepted", "alice", "Accepted"),
    } == scene.approvals()
    events = scene.kubectl("get", "events", "--field-selector", "involvedObject.kind=Approval,type=Warning")
    assert 2 == sum(events.count(code) for code in ("U528", "K671")), events
    sent = scene.asked("/api/v2/update"), scene.asked("/api/v2/update-manifest")
    scene.several_rounds()
    assert sent == (scene.asked("/api/v2/update"), scene.asked("/api/v2/update-manifest")), "it is not given again"
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
    scene.start_controller(reference=other)
    scene.apply(encoded(scene.first))
    status = scene.wait("condition=CoordinatorVerified=False")
    assert ("Pending", {"DocumentValid", "CoordinatorVerified"}) == (status["phase"], set(reasons(status)))
    assert reasons(status)["CoordinatorVerified"][1].startswith("V")


def test_a_coordinator_that_does_not_answer_is_tried_less_and_less_and_a_change_of_the_object_at_once(
    scene: Scene,
) -> None:
    """Only lower bounds of time, which no slow machine can break."""
    deaf, visits = socket.create_server(("127.0.0.1", 0)), list[float]()
    real = scene.coordinator.client_address
    scene.coordinator.client_address = f"127.0.0.1:{deaf.getsockname()[1]}"
    scene.apply(encoded(scene.first))
    scene.start_controller()
    with deaf:
        deaf.settimeout(40)
        for _ in range(5):
            connection, _ = deaf.accept()
            visits.append(time.monotonic())
            connection.close()
    gaps = [later - earlier for earlier, later in itertools.pairwise(visits)]
    assert all(gap > 0.25 * 2**number for number, gap in enumerate(gaps)), gaps
    scene.coordinator.client_address = real
    scene.apply(encoded(scene.first))
    assert "Active" == scene.wait("condition=Ready")["phase"]


def test_the_second_manifest_of_a_namespace_is_refused_by_the_name_of_the_first(scene: Scene) -> None:
    scene.apply(encoded(scene.first), name="a-first")
    scene.start_controller()
    scene.apply(successor(scene.first), name="b-second")
    status = scene.wait("jsonpath={.status.phase}=Refused", name="b-second")
    assert {"Active": ("False", "K661")} == reasons(status)
    assert "'a-first'" in message(status, "Active")
    assert "Active" == scene.wait("condition=Active", name="a-first")["phase"]


@pytest.mark.parametrize("scene", [CLAIMED], indirect=True)
def test_a_manifest_that_is_refused_is_not_proposed_again_until_it_changes(scene: Scene) -> None:
    scene.start_controller()
    scene.apply(encoded(scene.first))
    status = scene.wait("condition=Stalled")
    assert ("Refused", "False") == (status["phase"], reasons(status)["Active"][0])
    assert "from those only whom its configuration names" in message(status, "Active")
    scene.several_rounds()
    assert 1 == scene.asked("/api/v2/manifest")
    scene.apply(encoded(scene.first) + b"\n")
    scene.until("the changed one is tried", lambda: scene.asked("/api/v2/manifest") == 2)


def test_an_approval_of_no_manifest_says_so(scene: Scene) -> None:
    document = encoded(scene.first)
    scene.apply(document, scene.signed("alice", document), name="law")
    scene.kubectl("delete", "manifest", "law")
    scene.start_controller()
    scene.kubectl("wait", "approvals", "--all", "--for=jsonpath={.status.phase}=Waiting", "--timeout=120s")
    assert {scene.key("alice"): ("Waiting", "", "K672")} == scene.approvals()


def test_marbles_are_objects_and_the_role_of_the_controller_is_what_it_uses(scene: Scene) -> None:
    """Everything that a controller does, by one of two: so its rights can be compared with what was asked for."""
    document = encoded(changed(scene.first, lambda d: d["Marbles"].update(web={"Package": "tdx"})))
    lease, pods = ["--lease", "enclasp-controller"], ["--pods", scene.account.namespace, "--pods", "forbidden"]
    scene.apply(document)
    scene.start_controller(*lease, *pods)
    scene.until("one acts", lambda: "this controller acts" in scene.log)
    scene.start_controller(*lease, *pods)
    scene.wait("condition=Active")
    uuid, other = scene.pod(), "00000000-0000-4000-8000-000000000000"
    scene.activate(uuid)
    scene.activate(other)
    scene.until("two marbles", lambda: len(scene.marbles()) == 2)
    one = scene.marbles()[f"web-{uuid}"]
    expected = {
        "type": "web",
        "uuid": uuid,
        "pod": f"{scene.account.namespace}/web",
        "platform": "tdx",
        "package": "tdx",
        "step": 1,
        "manifest": hashlib.sha256(document).hexdigest(),
        "intermediate": "InForce",
    }
    assert expected == {name: one.get(name) for name in expected}
    assert "pod" not in scene.marbles()[f"web-{other}"]
    shown = scene.kubectl("get", "marbles", "--selector", "enclasp.dev/type=web")
    assert ("ACTIVATED" in shown, 2) == (True, shown.count("InForce"))
    status = scene.wait("jsonpath={.status.marbleCount}=2")
    assert [{"type": "web", "count": 2}] == status["marbles"]

    def starts_later() -> bool:
        """Objects tell seconds apart, not less."""
        scene.activate(uuid)
        return scene.marbles()[f"web-{uuid}"] != one

    scene.until("a later start", starts_later)
    scene.apply(document, scene.signed("alice", document))
    scene.kubectl("wait", "approvals", "--all", "--for=condition=Ready", "--timeout=120s")
    assert 0 == scene.stop_controller(0)
    last = "00000000-0000-4000-8000-00000000000f"
    scene.activate(last)
    scene.until("the other one acts", lambda: f"web-{last}" in scene.marbles())
    assert 0 == scene.stop_controller()
    scene.start_controller(*lease, *pods, "--marbles", "1")
    scene.until("one marble", lambda: list(scene.marbles()) == [f"web-{last}"])

    namespace, name = scene.account.namespace, "enclasp-controller"
    allowed = rights(scene.kubernetes, namespace, name) | rights(scene.kubernetes, namespace, f"{name}-pods")
    scene.until("everything was used", lambda: allowed == used(scene.kubernetes.cluster, namespace, name))
    scene.kubectl("delete", "manifest", "law")
    scene.until("they go with the manifest", lambda: not scene.marbles())
