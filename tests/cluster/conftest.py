"""A real Kubernetes control plane, and a namespace of its own with a service account for each test.

ENCLASP_KUBE_BIN names the folder with its programs (`./dev test-kubernetes` makes them, once); without it these tests
are skipped, since nothing here is worth testing against anything but the real API server.
"""

import base64
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from coordinator.cluster.account import Account

PROGRAM = Path(__file__).parents[2].parent / "shared" / "kubernetes" / "kube-cluster"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """folder: with admin.kubeconfig; programs: with kubectl."""

    folder: Path
    programs: Path

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        command = [str(self.programs / "kubectl"), f"--kubeconfig={self.folder}/admin.kubeconfig", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    def get(self, namespace: str, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("-n", namespace, "get", kind, "-o", "json"))["items"]
        return items


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    programs = os.environ.get("ENCLASP_KUBE_BIN")
    if not programs or not PROGRAM.exists():
        pytest.skip("ENCLASP_KUBE_BIN names no folder with Kubernetes' programs")
    folder = tmp_path_factory.mktemp("control-plane")
    subprocess.run([sys.executable, PROGRAM, "start", "--dir", folder, "--bin", programs], check=True)
    try:
        yield ControlPlane(folder, Path(programs))
    finally:
        subprocess.run([sys.executable, PROGRAM, "stop", "--dir", folder], check=True)


draw = os.urandom  # noqa: TID251 - as a real coordinator does; names of objects must differ
NewAccount = Callable[[], Account]
_names = itertools.count(1)


@pytest.fixture
def new_account(control_plane: ControlPlane, tmp_path: Path) -> NewAccount:
    """Make a namespace with a service account that may do what the chart's Role says a Coordinator may."""

    def make() -> Account:
        namespace = f"test-{os.getpid()}-{next(_names)}"
        control_plane.kubectl("create", "-f", "-", stdin=_OBJECTS.format(namespace=namespace))
        token = control_plane.kubectl("-n", namespace, "create", "token", "coordinator")
        config = yaml.safe_load((control_plane.folder / "admin.kubeconfig").read_text())["clusters"][0]["cluster"]
        server = urlsplit(config["server"])
        folder = tmp_path / namespace
        folder.mkdir()
        (folder / "ca.crt").write_bytes(base64.b64decode(config["certificate-authority-data"]))
        (folder / "token").write_text(token)
        (folder / "namespace").write_text(namespace)
        assert server.hostname is not None
        assert server.port is not None
        return Account(server.hostname, server.port, folder, namespace)

    return make


_OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: coordinator, namespace: {namespace}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: coordinator, namespace: {namespace}}}
rules:
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, create, update, delete]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: coordinator, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: coordinator}}
subjects: [{{kind: ServiceAccount, name: coordinator, namespace: {namespace}}}]
"""
