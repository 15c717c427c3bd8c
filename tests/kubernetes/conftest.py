"""One real cluster for all tests here.  `./dev test-kubernetes` builds its programs and says where they are."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coordinator.cluster.account import Account
from tests.kubernetes.accounts import ControlPlane, NewAccount
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.machine import obstacle
from tests.kubernetes.cluster.turn import turn
from tests.kubernetes.documentation import blocks
from tests.kubernetes.replicas import Begin, replicas_of

ROOT = Path(__file__).parents[2]
PROGRAMS = "ENCLASP_KUBERNETES_PROGRAMS"
NETWORK = "enclasp-kube"
RUNNING = "ENCLASP_KUBERNETES_CLUSTER"
"""For who changes a test: the folder of a cluster that `python -m tests.kubernetes.cluster start` started."""


@dataclass(frozen=True)
class Kubernetes:
    """A cluster, and how a user works with it."""

    cluster: Cluster
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a user's shell has after `. .venv/bin/activate`."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("ENCLASP_", "EDG_"))}
        path = f"{Path(sys.executable).parent}:{self.cluster.programs}:{os.environ['PATH']}"
        homes = {name: str(self.folder / "helm") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
        return {**ours, **homes, "PATH": path, "KUBECONFIG": str(self.cluster.kubeconfig), "NO_COLOR": "1"}

    def run(self, *command: str, text: str = "", code: int | None = 0) -> str:
        """Run a command in the repository's root; returns what it says.  code: the exit code that is expected."""
        ended = subprocess.run(
            command, input=text, capture_output=True, text=True, env=self.environ, cwd=ROOT, timeout=600, check=False
        )
        said = ended.stdout + ended.stderr
        assert code is None or ended.returncode == code, f"{' '.join(command)}: exit code {ended.returncode}\n{said}"
        return said

    def kubectl(self, *arguments: str, text: str = "", code: int | None = 0) -> str:
        """Run kubectl."""
        return self.run("kubectl", *arguments, text=text, code=code)


_CLUSTER = pytest.StashKey[Kubernetes]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what its cluster looked like at that moment, before anything is taken away."""
    report = yield
    cluster = item.config.stash.get(_CLUSTER, None)
    if report.failed and cluster is not None:
        report.sections.append(("the cluster at that moment", "\n".join(_condition(cluster))))
    return report


def _condition(kubernetes: Kubernetes) -> Iterator[str]:
    """Pods, what happened last, and the last words of every container of ours that is not ready or was restarted."""
    yield kubernetes.kubectl("get", "pods", "--all-namespaces", "-o", "wide", code=None)
    events = kubernetes.kubectl("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp", code=None)
    yield "\n".join(events.splitlines()[-_EVENTS:])
    listed = kubernetes.kubectl("get", "pods", "--all-namespaces", "-o", "json", code=None)
    for pod in json.loads(listed)["items"] if listed.startswith("{") else ():
        for state in pod["status"].get("containerStatuses", ()):
            place = ("--namespace", pod["metadata"]["namespace"], pod["metadata"]["name"], "--container", state["name"])
            if not state["ready"]:
                yield f"-- {' '.join(place)}\n{kubernetes.kubectl('logs', *place, f'--tail={_LINES}', code=None)}"
            if state["restartCount"]:
                said = kubernetes.kubectl("logs", *place, "--previous", f"--tail={_LINES}", code=None)
                yield f"-- {' '.join(place)} before its last restart\n{said}"


_EVENTS, _LINES = 25, 12


@pytest.fixture(scope="session")
def kubernetes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    if PROGRAMS not in os.environ:
        pytest.skip("needs a real cluster: ./dev test-kubernetes builds and starts one")
    programs = Path(os.environ[PROGRAMS])
    own = tmp_path_factory.mktemp("kubernetes")
    if RUNNING in os.environ:
        yield _known(request.config, Kubernetes(Cluster(Path(os.environ[RUNNING]), programs, NETWORK), own))
        return
    folder = programs.parent / "cluster"
    if reason := obstacle(folder):
        pytest.fail(reason)

    def say(text: str) -> None:
        """Past pytest's capture: a person waits."""
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\ncluster: {text}", flush=True)

    say("building the images")
    images = _images(programs, own)
    # who tells a run to stop means its cluster, too: as Ctrl-C, which ends the fixtures
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with turn(folder, lambda place: Cluster(place, programs, NETWORK).remove(), say):
        cluster = Cluster(folder, programs, NETWORK)
        say(f"starting the cluster; its programs' logs are in {folder / 'log'}")
        cluster.start(images)
        yield _known(request.config, Kubernetes(cluster, own))


def _known(config: pytest.Config, kubernetes: Kubernetes) -> Kubernetes:
    """To the report of a failure."""
    config.stash[_CLUSTER] = kubernetes
    return kubernetes


def _images(programs: Path, folder: Path) -> list[Path]:
    """Archives for the node: what runs in it, made as the guide says."""
    for block in blocks():
        if block.info == "images":
            subprocess.run(["bash", "-euc", block.text], cwd=ROOT, check=True)
    pause = folder / "pause.tar"
    add = ["--bare", "--name", "localhost/pause:1", "--add", f"{programs}/pause:/pause"]
    subprocess.run(["./dev", "image", *add, "--output", str(pause), "--", "/pause"], cwd=ROOT, check=True)
    return [pause, ROOT / "dist" / "enclasp.tar", ROOT / "dist" / "common-customers.tar"]


@pytest.fixture
def control_plane(kubernetes: Kubernetes) -> ControlPlane:
    """The API server alone, for coordinators that run beside the cluster."""
    return ControlPlane(kubernetes.cluster, kubernetes.kubectl)


@pytest.fixture
def new_account(control_plane: ControlPlane, tmp_path: Path) -> NewAccount:
    """Makes a namespace with a coordinator's service account."""
    return lambda: control_plane.new_account(tmp_path)


@pytest.fixture
def account(new_account: NewAccount) -> Account:
    """In a namespace of its own."""
    return new_account()


@pytest.fixture
def begin(account: Account, tmp_path: Path) -> Iterator[Begin]:
    """Start one replica more of one state in the account's namespace."""
    with replicas_of(account, tmp_path) as begin:
        yield begin


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """What the marbles of a manifest run."""
    path = tmp_path / "program.py"
    path.write_text("print('the agreed program')\n")
    return path
