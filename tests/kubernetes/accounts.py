"""Coordinators beside the cluster: namespaces of their own, with the service account that the chart's Role allows."""

import base64
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from coordinator.cluster.account import Account
from tests.kubernetes.cluster.cluster import Cluster

draw = os.urandom  # noqa: TID251 - as a real coordinator does; names of objects must differ
NewAccount = Callable[[], Account]
Kubectl = Callable[..., str]
_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """kubectl: of the administrator."""

    cluster: Cluster
    kubectl: Kubectl

    def get(self, namespace: str, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("-n", namespace, "get", kind, "-o", "json"))["items"]
        return items

    def new_account(self, folder: Path) -> Account:
        """Make a namespace with a service account that may do what the chart's Role says a Coordinator may."""
        namespace = f"test-{os.getpid()}-{next(_names)}"
        self.kubectl("create", "-f", "-", text=_OBJECTS.format(namespace=namespace))
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
        server = urlsplit(config["server"])
        files = folder / namespace
        files.mkdir()
        (files / "ca.crt").write_bytes(base64.b64decode(config["certificate-authority-data"]))
        (files / "token").write_text(self.kubectl("-n", namespace, "create", "token", "coordinator"))
        (files / "namespace").write_text(namespace)
        assert server.hostname is not None
        assert server.port is not None
        return Account(server.hostname, server.port, files, namespace)


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
