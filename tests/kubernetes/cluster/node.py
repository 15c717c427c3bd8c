"""The cluster's one node: containerd, CoreDNS, kubelet and kube-proxy, on a machine that lets us do little.

Why each setting is as it is: no CAP_SYS_RESOURCE (restrict_oom_score_adj, KubeletInUserNamespace), control groups of
version 1 (failCgroupV1), no AppArmor.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.kubernetes.cluster.authority import Authority
from tests.kubernetes.cluster.machine import control_group_roots, plugins
from tests.kubernetes.cluster.network import BRIDGE, NODE_ADDRESS, POD_NETWORK
from tests.kubernetes.cluster.processes import Processes, quiet

NAME = "node-1"
CONTROL_GROUP = "enclasp-kube-test"
"""All pods are in it."""


class Node:
    """folder: of the cluster.  programs: of `build-kube-binaries`."""

    def __init__(self, folder: Path, programs: Path, processes: Processes) -> None:
        self.folder, self.programs, self.processes = folder, programs, processes
        self._run = folder / "run"

    def ctr(self, *arguments: object) -> list[str]:
        """The command line of containerd's client."""
        return self.processes.inside([self.programs / "ctr", "--address", self._run / "containerd.sock", *arguments])

    def import_image(self, archive: Path) -> None:
        """Load an image archive."""
        done = subprocess.run(self.ctr("-n", "k8s.io", "images", "import", archive), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def start(self, authority: Authority, images: Sequence[Path]) -> None:
        """Everything up to a running kubelet."""
        self._run.mkdir(exist_ok=True)
        self._write_network()
        (self.folder / "containerd.toml").write_text(self._containerd())
        path = f"{self.programs}:{os.environ['PATH']}"
        containerd = self.processes.start(
            "containerd",
            [self.programs / "containerd", "--config", self.folder / "containerd.toml"],
            {"PATH": path},
        )
        self.processes.wait("containerd", lambda: quiet(*self.ctr("version")), containerd)
        for image in images:
            self.import_image(image)
        (self.folder / "resolv.conf").write_text(f"nameserver {NODE_ADDRESS}\n")
        (self.folder / "Corefile").write_text(self._name_server())
        names = self.processes.start("coredns", [self.programs / "coredns", "-conf", self.folder / "Corefile"])
        authority.issue("kubelet-server", NAME, names=(NODE_ADDRESS, NAME))
        self._write_json("kubelet.json", self._kubelet())
        for root in control_group_roots():
            (root / CONTROL_GROUP).mkdir(exist_ok=True)
        self.processes.start(
            "kubelet",
            [
                self.programs / "kubelet",
                f"--config={self.folder}/kubelet.json",
                f"--kubeconfig={self.folder}/kubelet.kubeconfig",
                f"--root-dir={self.folder}/kubelet",
                f"--hostname-override={NAME}",
                f"--node-ip={NODE_ADDRESS}",
                f"--cert-dir={self._run}",
            ],
        )
        self._write_json("proxy.json", self._proxy())
        self.processes.start("kube-proxy", [self.programs / "kube-proxy", f"--config={self.folder}/proxy.json"])
        self.processes.wait("coredns", lambda: self.processes.answers("http://127.0.0.1:8181/ready"), names)

    def stop(self) -> None:
        """End the kubelet first, since it would start its containers anew; then them, then what they leave behind."""
        self.processes.stop("kubelet", "kube-proxy")
        marker = f"{self._run}/containerd".encode()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if b"containerd-shim-runc-v2" in words and marker in words:
                    for child in (entry / "task" / entry.name / "children").read_text().split():
                        os.kill(int(child), signal.SIGKILL)
                    os.kill(int(entry.name), signal.SIGKILL)

    def clean(self) -> None:
        """Once all processes have ended: mounts and control groups."""
        for mount in self.mounts():
            quiet("umount", "-l", mount)
        for root in [*control_group_roots(), Path("/sys/fs/cgroup/unified")]:
            for folder, _, _ in os.walk(root / CONTROL_GROUP, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def mounts(self) -> list[str]:
        """What is mounted in the cluster's folder, the innermost first."""
        lines = reversed(Path("/proc/mounts").read_text().splitlines())
        places = [line.split()[1].encode().decode("unicode_escape") for line in lines]
        return [place for place in places if place.startswith(f"{self.folder}/")]

    def _write_json(self, name: str, document: object) -> None:
        (self.folder / name).write_text(json.dumps(document, indent=1))

    def _write_network(self) -> None:
        shutil.rmtree(self.folder / "ipam", ignore_errors=True)
        (self.folder / "cni").mkdir(exist_ok=True)
        addresses = {
            "type": "host-local",
            "dataDir": f"{self.folder}/ipam",
            "ranges": [[{"subnet": POD_NETWORK, "rangeStart": "198.18.0.10", "gateway": NODE_ADDRESS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": False,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": addresses,
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        self._write_json("cni/10-bridge.conflist", {"cniVersion": "1.0.0", "name": "kube", "plugins": [bridge, ports]})

    def _containerd(self) -> str:
        return f"""version = 3
root = "{self.folder}/containerd"
state = "{self._run}/containerd"
[grpc]
  address = "{self._run}/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "localhost/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{plugins()}"]
    conf_dir = "{self.folder}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""

    def _name_server(self) -> str:
        return f""".:53 {{
    bind {NODE_ADDRESS}
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local {{
        kubeconfig {self.folder}/inside.kubeconfig
    }}
}}
"""

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self._run}/containerd.sock",
            "address": NODE_ADDRESS,
            "tlsCertFile": f"{self.folder}/pki/kubelet-server.crt",
            "tlsPrivateKeyFile": f"{self.folder}/pki/kubelet-server.key",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{self.folder}/pki/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "cgroupRoot": f"/{CONTROL_GROUP}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            "featureGates": {"KubeletInUserNamespace": True},
            "failSwapOn": False,
            "healthzBindAddress": "127.0.0.1",
            "readOnlyPort": 0,
            "registerNode": True,
            "volumePluginDir": f"{self.folder}/volume-plugins",
            "podLogsDir": f"{self.folder}/pod-logs",
            "imageMinimumGCAge": "24h",
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"nodefs.available": "100Mi", "imagefs.available": "100Mi", "memory.available": "100Mi"},
            "clusterDomain": "cluster.local",
            "clusterDNS": [NODE_ADDRESS],
            "resolvConf": f"{self.folder}/resolv.conf",
            "nodeStatusUpdateFrequency": "5s",
        }

    def _proxy(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": POD_NETWORK,
            "bindAddress": NODE_ADDRESS,
            "hostnameOverride": NAME,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {"maxPerCore": 0, "min": 0},
            "clientConnection": {"kubeconfig": f"{self.folder}/proxy.kubeconfig"},
        }
