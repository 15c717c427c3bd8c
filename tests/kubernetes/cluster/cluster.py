"""A small real Kubernetes: etcd, API server, controllers, scheduler and one node, in a network namespace of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kubernetes.cluster import network
from tests.kubernetes.cluster.authority import Authority
from tests.kubernetes.cluster.network import NODE_ADDRESS, SERVICE_ADDRESS, SERVICE_NETWORK
from tests.kubernetes.cluster.node import NAME, Node
from tests.kubernetes.cluster.processes import Processes, quiet
from tests.support.ports import free_ports

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""What accounts of ours ask for is written down: a test compares it with the rights that they have."""


class Cluster:
    """folder: everything of it.  kubeconfig: the administrator's, which works from outside the namespace."""

    def __init__(self, folder: Path, programs: Path, netns: str) -> None:
        self.folder, self.programs, self.netns = folder.resolve(), programs.resolve(), netns
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.audit_log = self.folder / "log" / "audit.log"
        self.processes = Processes(self.folder, netns)
        self.node = Node(self.folder, self.programs, self.processes)

    def kubectl(self, *arguments: object) -> bool:
        """Whether kubectl did this."""
        return quiet(self.programs / "kubectl", "--kubeconfig", self.kubeconfig, "--request-timeout=3s", *arguments)

    def start(self, images: Sequence[Path]) -> None:
        """Everything; returns when the node is ready.  images: archives, the pause image among them."""
        self.stop()
        network.make(self.netns)
        etcd, peer, manager, scheduler, relay = free_ports(5)
        authority = self._credentials(relay)
        self.processes.start(
            "relay",
            [sys.executable, Path(__file__).parent / "relay.py", self.netns, relay, f"{NODE_ADDRESS}:6443"],
            outside=True,
        )
        self._start_etcd(etcd, peer)
        api = self._start_api_server(etcd)
        self.processes.wait("kube-apiserver", lambda: self.kubectl("get", "--raw", "/readyz"), api)
        self._start_controllers(manager, scheduler)
        self._grant_proxy()
        self.node.start(authority, images)
        condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        self.processes.wait("the node", lambda: self.kubectl("wait", f"--for={condition}=True", f"node/{NAME}"))
        self.processes.wait("the default account", lambda: self.kubectl("get", "serviceaccount", "default"))

    def stop(self) -> None:
        """End everything and leave nothing."""
        self.node.stop()
        self.processes.stop()
        self.node.clean()
        network.remove(self.netns)

    def remove(self) -> None:
        """End everything, also of a run that was killed, and keep nothing but the logs.

        Raises OSError if something stays mounted: what is in it may be somebody's.
        """
        self.stop()
        if mounted := self.node.mounts():
            raise OSError(f"{mounted[0]} is still mounted; the cluster's files are left as they are")
        for each in self.folder.iterdir():
            if each.is_symlink() or not each.is_dir():
                each.unlink()
            elif each.name != "log":
                shutil.rmtree(each)

    def _credentials(self, relay: int) -> Authority:
        authority = Authority(self.folder / "pki")
        service = "kubernetes.default.svc"
        authority.issue(
            "apiserver",
            "kube-apiserver",
            names=("127.0.0.1", NODE_ADDRESS, SERVICE_ADDRESS, "localhost", service, f"{service}.cluster.local"),
        )
        authority.issue("front-proxy", "front-proxy-client")
        authority.new_key("service-account")
        inside = f"https://{NODE_ADDRESS}:6443"
        for name, common_name, organisation, server in (
            ("admin", "admin", "system:masters", f"https://127.0.0.1:{relay}"),
            ("inside", "admin", "system:masters", inside),
            ("manager", "system:kube-controller-manager", None, inside),
            ("scheduler", "system:kube-scheduler", None, inside),
            ("kubelet", f"system:node:{NAME}", "system:nodes", inside),
            ("proxy", "system:kube-proxy", None, inside),
        ):
            authority.issue(name, common_name, organisation)
            authority.kubeconfig(self.folder / f"{name}.kubeconfig", name, server)
        return authority

    def _start_etcd(self, client: int, peer: int) -> None:
        data = self.folder / "etcd"
        shutil.rmtree(data, ignore_errors=True)
        here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        process = self.processes.start(
            "etcd",
            [
                self.programs / "etcd",
                f"--data-dir={data}",
                f"--listen-client-urls={here}",
                f"--advertise-client-urls={here}",
                f"--listen-peer-urls={there}",
                f"--initial-advertise-peer-urls={there}",
                f"--initial-cluster=default={there}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )
        self.processes.wait("etcd", lambda: self.processes.answers(f"{here}/health"), process)

    def _start_api_server(self, etcd: int) -> subprocess.Popen[bytes]:
        pki = self.folder / "pki"
        policy = self.folder / "audit.json"
        policy.write_text(json.dumps(AUDIT))
        return self.processes.start(
            "kube-apiserver",
            [
                self.programs / "kube-apiserver",
                f"--etcd-servers=http://127.0.0.1:{etcd}",
                "--bind-address=0.0.0.0",
                "--secure-port=6443",
                f"--advertise-address={NODE_ADDRESS}",
                f"--tls-cert-file={pki}/apiserver.crt",
                f"--tls-private-key-file={pki}/apiserver.key",
                f"--client-ca-file={pki}/ca.crt",
                f"--audit-policy-file={policy}",
                f"--audit-log-path={self.audit_log}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={pki}/service-account.pub",
                f"--service-account-signing-key-file={pki}/service-account.key",
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                "--allow-privileged=true",
                f"--kubelet-client-certificate={pki}/admin.crt",
                f"--kubelet-client-key={pki}/admin.key",
                f"--kubelet-certificate-authority={pki}/ca.crt",
                "--kubelet-preferred-address-types=InternalIP",
                f"--requestheader-client-ca-file={pki}/ca.crt",
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-username-headers=X-Remote-User",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                f"--proxy-client-cert-file={pki}/front-proxy.crt",
                f"--proxy-client-key-file={pki}/front-proxy.key",
                # webhooks named by Service are dialled at their pods' addresses
                "--enable-aggregator-routing=true",
            ],
        )

    def _start_controllers(self, manager: int, scheduler: int) -> None:
        pki = self.folder / "pki"
        self.processes.start(
            "kube-controller-manager",
            [
                self.programs / "kube-controller-manager",
                f"--kubeconfig={self.folder}/manager.kubeconfig",
                "--bind-address=127.0.0.1",
                f"--secure-port={manager}",
                "--leader-elect=false",
                f"--service-account-private-key-file={pki}/service-account.key",
                f"--root-ca-file={pki}/ca.crt",
                f"--cluster-signing-cert-file={pki}/ca.crt",
                f"--cluster-signing-key-file={pki}/ca.key",
                # the default limits on requests cost some five seconds at the start
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
                "--use-service-account-credentials=true",
                f"--cert-dir={self.folder}/run",
            ],
        )
        self.processes.start(
            "kube-scheduler",
            [
                self.programs / "kube-scheduler",
                f"--kubeconfig={self.folder}/scheduler.kubeconfig",
                "--bind-address=127.0.0.1",
                f"--secure-port={scheduler}",
                "--leader-elect=false",
                f"--cert-dir={self.folder}/run",
            ],
        )

    def _grant_proxy(self) -> None:
        self.kubectl(
            *("create", "clusterrolebinding", "kube-proxy"),
            *("--clusterrole=system:node-proxier", "--user=system:kube-proxy"),
        )
